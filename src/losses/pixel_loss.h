#pragma once

// What losses share: a look at what they are given, and, on the CPU, value and gradient in one where LibTorch takes many passes
// over memory.

#include <vector>

#include <torch/types.h>

namespace portraitseg {

/// The target as bytes, contiguous. @param logits [N, C, H, W]   @param target [N, H, W], of any whole type
/// @throws UserError naming the sizes if they are others, or a label that is not in 0..255.
torch::Tensor checked_labels(const torch::Tensor& logits, const torch::Tensor& target);

/// @param logits, teacher [N, C, H, W]
/// @throws UserError naming the sizes if they are others.
void require_same_size(const torch::Tensor& logits, const torch::Tensor& teacher);

/// Whether the functions below, which work on float and double in main memory, can take these logits. CUDA and autocast
/// types go by LibTorch's operators.
bool has_pixel_loss(const torch::Tensor& logits);

/// Sum of weights[y] * (1 - p[y])^gamma * -log p[y] over the pixels whose label y is not kIgnore, over that of weights[y]; 0 if
/// there are none. No gradient passes through the power. The same bits for any number of threads.
/// @param logits [N, C, H, W]   @param labels [N, H, W], from checked_labels()   @param weights one a channel
/// @throws UserError for a label that is neither a channel nor kIgnore.
torch::Tensor softmax_loss(const torch::Tensor& logits, const torch::Tensor& labels,
                           const std::vector<double>& weights, double gamma);

/// Mean over all elements of q * log(q / p), p = softmax(logits * sharpness), q = softmax(teacher * sharpness), over
/// sharpness^2. @param logits, teacher [N, C, H, W]
torch::Tensor softmax_divergence(const torch::Tensor& logits, const torch::Tensor& teacher, double sharpness);

/// A scalar for autograd whose gradient by the logits is known already. @param gradient in the logits' shape
torch::Tensor with_gradient(double value, const torch::Tensor& logits, const torch::Tensor& gradient);

/// Whether somebody will ask for it.
bool needs_gradient(const torch::Tensor& logits);

}  // namespace portraitseg
