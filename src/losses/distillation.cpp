#include "portraitseg/losses/distillation.h"

#include <torch/types.h>

#include "losses/divergence.h"

namespace portraitseg {
namespace {

class Distillation final : public Loss {
 public:
  explicit Distillation(double temperature) : temperature_(temperature) {}

  torch::Tensor forward(const torch::Tensor& logits, const torch::Tensor& teacher) const override {
    return static_cast<double>(logits.size(1)) * divergence("distillation", logits, teacher, temperature_);
  }

 private:
  double temperature_;
};

}  // namespace

void DistillationOptions::fields(Fields& f) {
  f("temperature", temperature, "divides the logits of network and teacher", {1e-3, 1e3});
}

std::unique_ptr<Loss> DistillationOptions::build() const {
  return std::make_unique<Distillation>(temperature);
}

}  // namespace portraitseg
