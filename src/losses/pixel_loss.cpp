#include "losses/pixel_loss.h"

#include <algorithm>
#include <functional>
#include <numeric>
#include <string>

#include <ATen/Dispatch.h>
#include <ATen/Parallel.h>
#include <torch/autograd.h>
#include <torch/types.h>

#include "portraitseg/core/error.h"
#include "portraitseg/core/parallel.h"
#include "portraitseg/data/sample.h"

#include "nn/kernels/kernels.h"

namespace portraitseg {
namespace {

constexpr std::int64_t kBlock = 16384;  // pixels; the sums of blocks are added in their order

class LossGradient : public torch::autograd::Function<LossGradient> {
 public:
  static torch::Tensor forward(torch::autograd::AutogradContext* context, const torch::Tensor& logits,
                               const torch::Tensor& gradient, double value) {
    context->save_for_backward({gradient});
    return torch::full({}, value, logits.options());
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 const torch::autograd::variable_list& upstream) {
    const torch::Tensor gradient = context->get_saved_variables().front();
    const bool whole = upstream.front().item<double>() == 1;
    return {whole ? gradient : gradient * upstream.front(), torch::Tensor(), torch::Tensor()};
  }
};

std::int64_t count(const std::uint8_t* labels, std::int64_t size, std::uint8_t label) {
  std::int64_t total = 0;
  for (std::int64_t begin = 0; begin < size; begin += 255) {  // a byte counts so many, and vectorises
    std::uint8_t part = 0;
    for (std::int64_t i = begin; i < std::min(size, begin + 255); ++i)
      part = static_cast<std::uint8_t>(part + (labels[i] == label ? 1 : 0));
    total += part;
  }
  return total;
}

[[noreturn]] void refuse_classes(std::int64_t channels) {
  throw UserError("the labels hold classes that the network's " + std::to_string(channels) +
                  " output channels do not have");
}

/// Sum of weights[y] over all labels y but kIgnore.
double total_weight(const torch::Tensor& target, const std::vector<double>& weights) {
  const auto* labels = target.data_ptr<std::uint8_t>();
  std::int64_t known = count(labels, target.numel(), kIgnore);
  double total = 0;
  for (std::size_t c = 0; c < weights.size(); ++c) {
    const std::int64_t pixels = count(labels, target.numel(), static_cast<std::uint8_t>(c));
    known += pixels;
    total += weights[c] * static_cast<double>(pixels);
  }
  if (known == target.numel()) return total;
  refuse_classes(static_cast<std::int64_t>(weights.size()));
}

/// Calls body(image, first pixel, pixels) for blocks of all images, on all threads. @return the sum of what it returns
double sum_blocks(const torch::Tensor& logits,
                  const std::function<double(std::int64_t, std::int64_t, std::int64_t)>& body) {
  const std::int64_t pixels = logits.size(2) * logits.size(3), blocks = (pixels + kBlock - 1) / kBlock;
  std::vector<double> sums(static_cast<std::size_t>(logits.size(0) * blocks));
  parallel_for(0, logits.size(0) * blocks, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t first = i % blocks * kBlock;
      sums[static_cast<std::size_t>(i)] = body(i / blocks, first, std::min(kBlock, pixels - first));
    }
  });
  return std::accumulate(sums.begin(), sums.end(), 0.0);
}

/// The loss value * factor, whose kernel call is body(logits, offset of its first value, gradient or nullptr) -> value.
template <class T, class Body>
torch::Tensor pixel_loss(const torch::Tensor& logits, double factor, Body body) {
  const torch::Tensor values = logits.detach().contiguous();
  const torch::Tensor gradient = needs_gradient(logits) ? torch::empty_like(values) : torch::Tensor();
  const std::int64_t channels = logits.size(1), stride = logits.size(2) * logits.size(3);
  const T* in = values.data_ptr<T>();
  T* out = gradient.defined() ? gradient.data_ptr<T>() : nullptr;
  const double sum = sum_blocks(logits, [&](std::int64_t image, std::int64_t first, std::int64_t pixels) {
    const std::int64_t offset = image * channels * stride + first;
    const kernels::Planes<const T> planes = {in + offset, channels, pixels, stride};
    return body(planes, image * stride + first, offset, out ? out + offset : nullptr);
  });
  if (gradient.defined()) return with_gradient(sum * factor, logits, gradient);
  return torch::full({}, sum * factor, values.options());
}

std::string size_text(torch::IntArrayRef sizes) {
  std::string text;
  for (const auto size : sizes) text += (text.empty() ? "" : "x") + std::to_string(size);
  return text;
}

void require_size(const torch::Tensor& logits, const torch::Tensor& target, torch::IntArrayRef wanted) {
  if (logits.dim() == 4 && target.sizes() == wanted) return;
  throw UserError("the network's output is " + size_text(logits.sizes()) + ", its target " +
                  size_text(target.sizes()) + "; wanted is " + size_text(wanted));
}

/// Other values would become some class or kIgnore when they are made bytes.
void require_bytes(const torch::Tensor& labels) {
  if (!torch::isIntegralType(labels.scalar_type(), /*includeBool=*/true))
    throw UserError(std::string("the labels are ") + torch::toString(labels.scalar_type()) +
                    "; wanted are whole numbers");
  if (labels.numel() == 0) return;
  for (const auto& extreme : {labels.min(), labels.max()}) {
    const auto value = extreme.item<std::int64_t>();
    if (value >= 0 && value <= kIgnore) continue;
    throw UserError("a label is " + std::to_string(value) + "; wanted are 0 to 254, and 255 = ignore");
  }
}

}  // namespace

torch::Tensor checked_labels(const torch::Tensor& logits, const torch::Tensor& target) {
  require_size(logits, target, {logits.size(0), logits.size(-2), logits.size(-1)});
  if (target.scalar_type() != torch::kUInt8) require_bytes(target);
  return target.to(torch::kUInt8).contiguous();
}

void require_classes(const torch::Tensor& logits, const torch::Tensor& labels) {
  const auto unknown = labels.ge(logits.size(1)).logical_and(labels != kIgnore);
  if (unknown.any().item<bool>()) refuse_classes(logits.size(1));
}

void require_same_size(const torch::Tensor& logits, const torch::Tensor& teacher) {
  require_size(logits, teacher, logits.sizes());
}

bool has_pixel_loss(const torch::Tensor& logits) {
  return logits.is_cpu() &&
         (logits.scalar_type() == torch::kFloat32 || logits.scalar_type() == torch::kFloat64);
}

bool needs_gradient(const torch::Tensor& logits) {
  return logits.requires_grad() && torch::GradMode::is_enabled();
}

torch::Tensor with_gradient(double value, const torch::Tensor& logits, const torch::Tensor& gradient) {
  return LossGradient::apply(logits, gradient, value);
}

torch::Tensor softmax_loss(const torch::Tensor& logits, const torch::Tensor& labels,
                           const std::vector<double>& weights, double gamma) {
  const double total = total_weight(labels, weights);
  const double factor = total > 0 ? 1 / total : 0;  // nothing to learn from: value and gradient are zero
  return AT_DISPATCH_FLOATING_TYPES(logits.scalar_type(), "softmax_loss", [&] {
    const std::vector<scalar_t> w(weights.begin(), weights.end());
    return pixel_loss<scalar_t>(
        logits, factor,
        [&](const auto& planes, std::int64_t pixel, std::int64_t /*offset*/, scalar_t* gradient) {
          return kernels::best_kernels<scalar_t>().softmax_loss(
              planes, labels.data_ptr<std::uint8_t>() + pixel, w.data(), static_cast<scalar_t>(gamma),
              static_cast<scalar_t>(factor), gradient);
        });
  });
}

torch::Tensor softmax_divergence(const torch::Tensor& logits, const torch::Tensor& teacher,
                                 double sharpness) {
  const torch::Tensor other = teacher.detach().to(logits.scalar_type()).contiguous();
  const double mean = 1 / static_cast<double>(logits.numel());
  return AT_DISPATCH_FLOATING_TYPES(logits.scalar_type(), "softmax_divergence", [&] {
    const auto* q = other.data_ptr<scalar_t>();
    return pixel_loss<scalar_t>(
        logits, mean / (sharpness * sharpness),
        [&](const auto& planes, std::int64_t /*pixel*/, std::int64_t offset, scalar_t* gradient) {
          return kernels::best_kernels<scalar_t>().softmax_divergence(
              planes, q + offset, static_cast<scalar_t>(sharpness), static_cast<scalar_t>(mean / sharpness),
              gradient);
        });
  });
}

}  // namespace portraitseg
