#include "portraitseg/losses/ohem.h"

#include <algorithm>
#include <cmath>

#include <torch/types.h>

#include "portraitseg/core/error.h"
#include "portraitseg/data/sample.h"

#include "losses/pixel_loss.h"

namespace portraitseg {
namespace {

class Ohem final : public Loss {
 public:
  Ohem(double threshold, double least) : threshold_(threshold), least_(least) {}

  torch::Tensor forward(const torch::Tensor& logits, const torch::Tensor& target) const override {
    if (logits.size(1) == 1)
      throw UserError("ohem needs a network with at least 2 output channels; set model.num_classes to 2");
    const torch::Tensor labels = checked_labels(logits, target).to(logits.device(), torch::kInt64);
    require_classes(logits, labels);
    const auto all =
        torch::nll_loss_nd(torch::log_softmax(logits, 1), labels, {}, torch::Reduction::None, kIgnore);
    const auto losses = all.masked_select(labels != kIgnore);
    if (losses.numel() == 0) return logits.sum() * 0;
    const auto hard = (losses.detach() > -std::log(threshold_)).sum().item<std::int64_t>();
    const auto least = static_cast<std::int64_t>(std::ceil(least_ * static_cast<double>(losses.numel())));
    return std::get<0>(losses.topk(std::max({hard, least, std::int64_t{1}}))).mean();
  }

 private:
  double threshold_, least_;
};

}  // namespace

void OhemOptions::fields(Fields& f) {
  f("threshold", threshold, "pixels are hard whose class has a lower probability", {1e-6, 1});
  f("least", least, "share of the pixels that counts at least", {0, 1});
}

std::unique_ptr<Loss> OhemOptions::build() const {
  return std::make_unique<Ohem>(threshold, least);
}

}  // namespace portraitseg
