#include "portraitseg/losses/lovasz_softmax.h"

#include <torch/types.h>

#include "portraitseg/core/error.h"
#include "portraitseg/data/sample.h"

#include "losses/lovasz.h"
#include "losses/pixel_loss.h"

namespace portraitseg {
namespace {

/// @param all_logits [N, C, H, W]   @param all_labels [N, H, W]
torch::Tensor softmax_of(const torch::Tensor& all_logits, const torch::Tensor& all_labels) {
  const auto valid = all_labels.flatten() != kIgnore;
  const auto labels = all_labels.flatten().masked_select(valid);
  if (labels.numel() == 0) return all_logits.sum() * 0;
  const auto planes = torch::softmax(all_logits, 1).permute({1, 0, 2, 3}).flatten(1);  // [C, P]
  torch::Tensor sum = torch::zeros({}, all_logits.options());
  std::int64_t present = 0;
  for (std::int64_t c = 0; c < planes.size(0); ++c) {
    const auto truth = (labels == c).to(all_logits.scalar_type());
    if (truth.sum().item<double>() == 0) continue;
    ++present;
    const auto errors = (truth - planes[c].masked_select(valid)).abs();
    const auto [sorted, order] = torch::sort(errors, /*stable=*/true, /*dim=*/0, /*descending=*/true);
    sum = sum + sorted.dot(lovasz_gradient(truth.index_select(0, order)));
  }
  return sum / present;
}

class LovaszSoftmax final : public Loss {
 public:
  explicit LovaszSoftmax(bool per_image) : per_image_(per_image) {}

  torch::Tensor forward(const torch::Tensor& logits, const torch::Tensor& target) const override {
    if (logits.size(1) == 1)
      throw UserError(
          "lovasz_softmax needs a network with at least 2 output channels; set model.num_classes to 2 or use "
          "lovasz_hinge");
    const torch::Tensor labels = checked_labels(logits, target).to(logits.device());
    require_classes(logits, labels);
    if (!per_image_ || logits.size(0) == 0) return softmax_of(logits, labels);
    torch::Tensor sum = torch::zeros({}, logits.options());
    for (std::int64_t i = 0; i < logits.size(0); ++i)
      sum = sum + softmax_of(logits.slice(0, i, i + 1), labels.slice(0, i, i + 1));
    return sum / logits.size(0);
  }

 private:
  bool per_image_;
};

}  // namespace

void LovaszSoftmaxOptions::fields(Fields& f) {
  f("per_image", per_image, "the images' mean in place of one IoU over the batch");
}

std::unique_ptr<Loss> LovaszSoftmaxOptions::build() const {
  return std::make_unique<LovaszSoftmax>(per_image);
}

}  // namespace portraitseg
