#include "portraitseg/losses/focal.h"

#include <torch/types.h>

#include "portraitseg/core/error.h"
#include "portraitseg/data/sample.h"

#include "losses/pixel_loss.h"

namespace portraitseg {
namespace {

class Focal final : public Loss {
 public:
  explicit Focal(double gamma) : gamma_(gamma) {}

  torch::Tensor forward(const torch::Tensor& logits, const torch::Tensor& target) const override {
    if (logits.size(1) == 1)
      throw UserError("focal needs a network with at least 2 output channels; set model.num_classes to 2");
    const torch::Tensor labels = checked_labels(logits, target);
    if (has_pixel_loss(logits)) {
      return softmax_loss(logits, labels, std::vector<double>(static_cast<std::size_t>(logits.size(1)), 1.0),
                          gamma_);
    }
    const auto valid = labels != kIgnore;
    const auto index = torch::where(valid, labels, torch::zeros_like(labels)).to(torch::kInt64);
    const auto log_p = torch::log_softmax(logits, 1).gather(1, index.unsqueeze(1)).squeeze(1);
    const auto factor = (1 - log_p.detach().exp()).pow(gamma_) * valid;
    return -(factor * log_p).sum() / valid.sum().clamp_min(1);
  }

 private:
  double gamma_;
};

}  // namespace

void FocalOptions::fields(Fields& f) {
  f("gamma", gamma, "pixels that are right weigh (1 - p)^gamma", {0, 100});
}

std::unique_ptr<Loss> FocalOptions::build() const {
  return std::make_unique<Focal>(gamma);
}

}  // namespace portraitseg
