#include "losses/lovasz.h"

#include <torch/types.h>

namespace portraitseg {

torch::Tensor lovasz_gradient(const torch::Tensor& truth) {
  const auto positives = truth.sum();
  const auto intersection = positives - truth.cumsum(0);
  const auto united = positives + (1 - truth).cumsum(0);
  const torch::Tensor jaccard = 1 - intersection / united;
  return torch::cat({jaccard.slice(0, 0, 1), jaccard.slice(0, 1) - jaccard.slice(0, 0, -1)});
}

}  // namespace portraitseg
