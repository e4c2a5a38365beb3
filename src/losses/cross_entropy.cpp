#include "portraitseg/losses/cross_entropy.h"

#include <torch/types.h>

#include "portraitseg/core/error.h"
#include "portraitseg/data/sample.h"

#include "losses/pixel_loss.h"

namespace portraitseg {
namespace {

class CrossEntropy final : public Loss {
 public:
  explicit CrossEntropy(std::vector<double> class_weights) : class_weights_(std::move(class_weights)) {}

  torch::Tensor forward(const torch::Tensor& logits, const torch::Tensor& target) const override {
    const std::int64_t classes = logits.size(1);
    if (classes == 1) {
      throw UserError(
          "cross_entropy needs a network with at least 2 output channels; set model.num_classes to 2 or use "
          "lovasz_hinge");
    }
    if (!class_weights_.empty() && static_cast<std::int64_t>(class_weights_.size()) != classes) {
      throw UserError("class_weights has " + std::to_string(class_weights_.size()) +
                      " numbers, the network " + std::to_string(classes) + " classes");
    }
    const torch::Tensor labels = checked_labels(logits, target);
    const auto weights =
        class_weights_.empty() ? std::vector<double>(static_cast<std::size_t>(classes), 1.0) : class_weights_;
    if (has_pixel_loss(logits)) return softmax_loss(logits, labels, weights, /*gamma=*/0);
    return by_operators(logits, labels.to(torch::kInt64),
                        torch::tensor(weights, torch::kFloat64).to(logits.device(), logits.scalar_type()));
  }

 private:
  static torch::Tensor by_operators(const torch::Tensor& logits, const torch::Tensor& target,
                                    const torch::Tensor& weights) {
    const auto sum =
        torch::nll_loss_nd(torch::log_softmax(logits, 1), target, weights, at::Reduction::Sum, kIgnore);
    auto total = torch::zeros({}, logits.options());
    for (std::int64_t c = 0; c < weights.size(0); ++c) total += weights[c] * (target == c).sum();
    // Nothing to learn from: 0 / 1 keeps value and gradient zero where a mean would be 0 / 0.
    return sum / torch::where(total > 0, total, torch::ones_like(total));
  }

  std::vector<double> class_weights_;
};

}  // namespace

void CrossEntropyOptions::fields(Fields& f) {
  f("class_weights", class_weights, "one a class; empty: all 1", {0, 1e6});
}

std::unique_ptr<Loss> CrossEntropyOptions::build() const {
  return std::make_unique<CrossEntropy>(class_weights);
}

}  // namespace portraitseg
