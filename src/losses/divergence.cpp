#include "losses/divergence.h"

#include <string>

#include <torch/types.h>

#include "portraitseg/core/error.h"

#include "losses/pixel_loss.h"

namespace portraitseg {

torch::Tensor divergence(const char* loss, const torch::Tensor& logits, const torch::Tensor& other,
                         double temperature) {
  if (logits.size(1) == 1) {
    throw UserError(std::string(loss) +
                    " needs a network with at least 2 output channels; set model.num_classes to 2");
  }
  require_same_size(logits, other);
  if (logits.numel() == 0) return logits.sum() * 0;  // a mean over nothing
  if (has_pixel_loss(logits)) return softmax_divergence(logits, other, 1 / temperature);
  const auto p = torch::log_softmax(logits / temperature, 1);
  const auto q = torch::softmax(other.detach() / temperature, 1);
  return torch::kl_div(p, q, at::Reduction::Mean) * (temperature * temperature);
}

}  // namespace portraitseg
