#include "portraitseg/losses/lovasz_hinge.h"

#include <torch/torch.h>

#include "portraitseg/core/error.h"
#include "portraitseg/data/sample.h"

namespace portraitseg {
namespace {

/// The gradient of the Jaccard loss's Lovasz extension, Algorithm 1: by how much 1 - IoU grows with each further error.
/// @param truth [P], 1 or 0, in the order of falling errors
torch::Tensor lovasz_gradient(const torch::Tensor& truth) {
  const auto positives = truth.sum();
  const auto intersection = positives - truth.cumsum(0);
  const auto united = positives + (1 - truth).cumsum(0);
  const torch::Tensor jaccard = 1 - intersection / united;
  return torch::cat({jaccard.slice(0, 0, 1), jaccard.slice(0, 1) - jaccard.slice(0, 0, -1)});
}

/// @param logits, target [P]
torch::Tensor hinge(const torch::Tensor& all_logits, const torch::Tensor& all_target) {
  const auto valid = all_target != kIgnore;
  const auto logits = all_logits.masked_select(valid);
  if (logits.numel() == 0) return all_logits.sum() * 0;
  const auto truth = (all_target.masked_select(valid) == 1).to(logits.scalar_type());
  const auto errors = 1 - logits * (2 * truth - 1);
  const auto [sorted, order] = torch::sort(errors, /*stable=*/true, /*dim=*/0, /*descending=*/true);
  return torch::relu(sorted).dot(lovasz_gradient(truth.index_select(0, order)));
}

class LovaszHinge final : public Loss {
 public:
  explicit LovaszHinge(bool per_image) : per_image_(per_image) {}

  torch::Tensor forward(const torch::Tensor& logits, const torch::Tensor& target) const override {
    if (logits.size(1) != 1) {
      throw UserError("lovasz_hinge needs a network with 1 output channel, this one has " +
                      std::to_string(logits.size(1)) + "; set model.num_classes to 1 or use cross_entropy");
    }
    if (!per_image_) return hinge(logits.flatten(), target.flatten());
    torch::Tensor sum = torch::zeros({}, logits.options());
    for (std::int64_t i = 0; i < logits.size(0); ++i) {
      sum = sum + hinge(logits[i].flatten(), target[i].flatten());
    }
    return sum / logits.size(0);
  }

 private:
  bool per_image_;
};

}  // namespace

void LovaszHingeOptions::fields(Fields& f) {
  f("per_image", per_image, "true: the images' mean; false: one IoU over all pixels of the batch");
}

std::unique_ptr<Loss> LovaszHingeOptions::build() const {
  return std::make_unique<LovaszHinge>(per_image);
}

}  // namespace portraitseg
