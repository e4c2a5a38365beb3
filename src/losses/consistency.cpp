#include "portraitseg/losses/consistency.h"

#include <torch/torch.h>

#include "portraitseg/core/error.h"

#include "losses/pixel_loss.h"

namespace portraitseg {
namespace {

class Consistency final : public Loss {
 public:
  explicit Consistency(double temperature) : temperature_(temperature) {}

  torch::Tensor forward(const torch::Tensor& logits, const torch::Tensor& teacher) const override {
    if (logits.size(1) == 1)
      throw UserError(
          "consistency needs a network with at least 2 output channels; set model.num_classes to 2");
    require_same_size(logits, teacher);
    if (logits.numel() == 0) return logits.sum() * 0;  // a mean over nothing
    if (has_pixel_loss(logits)) return softmax_divergence(logits, teacher, 1 / temperature_);
    const auto p = torch::log_softmax(logits / temperature_, 1);
    const auto q = torch::softmax(teacher.detach() / temperature_, 1);
    return torch::kl_div(p, q, at::Reduction::Mean) * (temperature_ * temperature_);
  }

 private:
  double temperature_;
};

}  // namespace

void ConsistencyOptions::fields(Fields& f) {
  f("temperature", temperature, "divides the logits of both views", {1e-3, 1e3});
}

std::unique_ptr<Loss> ConsistencyOptions::build() const {
  return std::make_unique<Consistency>(temperature);
}

}  // namespace portraitseg
