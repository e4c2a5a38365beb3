#pragma once

#include <torch/types.h>

namespace portraitseg {

/// T^2 times the mean over all elements of q * log(q / p), p = softmax(logits / T), q = softmax(other / T). No gradient passes to
/// `other`. 0 of no elements.
/// @param logits, other [N, C, H, W]   @param loss its name, for messages
/// @throws UserError if the sizes differ, or C is 1.
torch::Tensor divergence(const char* loss, const torch::Tensor& logits, const torch::Tensor& other,
                         double temperature);

}  // namespace portraitseg
