#include "portraitseg/losses/consistency.h"

#include <torch/types.h>

#include "losses/divergence.h"

namespace portraitseg {
namespace {

class Consistency final : public Loss {
 public:
  explicit Consistency(double temperature) : temperature_(temperature) {}

  torch::Tensor forward(const torch::Tensor& logits, const torch::Tensor& teacher) const override {
    return divergence("consistency", logits, teacher, temperature_);
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
