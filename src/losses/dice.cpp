#include "portraitseg/losses/dice.h"

#include <torch/types.h>

#include "portraitseg/data/sample.h"

#include "losses/pixel_loss.h"

namespace portraitseg {
namespace {

class Dice final : public Loss {
 public:
  explicit Dice(double smooth) : smooth_(smooth) {}

  torch::Tensor forward(const torch::Tensor& logits, const torch::Tensor& target) const override {
    const torch::Tensor labels = checked_labels(logits, target).to(logits.device());
    const bool single = logits.size(1) == 1;
    if (!single) require_classes(logits, labels);
    const auto valid = (labels != kIgnore).unsqueeze(1);
    if (!valid.any().item<bool>()) return logits.sum() * 0;
    const auto probability = (single ? torch::sigmoid(logits) : torch::softmax(logits, 1)) * valid;
    const auto classes = torch::arange(single ? 1 : 0, single ? 2 : logits.size(1), labels.options());
    const auto truth = (labels.unsqueeze(1) == classes.view({1, -1, 1, 1})).to(logits.scalar_type());
    const auto common = (probability * truth).sum({0, 2, 3});
    const auto both = probability.sum({0, 2, 3}) + truth.sum({0, 2, 3});
    return 1 - ((2 * common + smooth_) / (both + smooth_)).mean();
  }

 private:
  double smooth_;
};

}  // namespace

void DiceOptions::fields(Fields& f) {
  f("smooth", smooth, "pixels added to both sums", {1e-12, 1e9});
}

std::unique_ptr<Loss> DiceOptions::build() const {
  return std::make_unique<Dice>(smooth);
}

}  // namespace portraitseg
