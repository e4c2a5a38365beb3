#include "portraitseg/losses/lovasz_hinge.h"

#include <array>
#include <cstring>
#include <numeric>
#include <type_traits>
#include <utility>

#include <ATen/Dispatch.h>
#include <ATen/Parallel.h>
#include <torch/types.h>

#include "portraitseg/core/error.h"
#include "portraitseg/core/parallel.h"
#include "portraitseg/data/sample.h"

#include "losses/lovasz.h"
#include "losses/pixel_loss.h"

namespace portraitseg {
namespace {

constexpr std::int64_t kMostPixels = std::int64_t{1} << 31;  // 2 * index + truth has 32 bits

/// @param logits, target [P]
torch::Tensor hinge(const torch::Tensor& all_logits, const torch::Tensor& all_target) {
  const auto valid = all_target != kIgnore;
  const auto logits = all_logits.masked_select(valid);
  if (logits.numel() == 0) return all_logits.sum() * 0;
  const auto truth = (all_target.masked_select(valid) == 1).to(logits.scalar_type());
  const auto errors = 1 - logits * (2 * truth - 1);
  const auto [sorted, order] = torch::sort(errors, /*stable=*/true, /*dim=*/0, /*descending=*/true);
  return torch::relu(sorted).dot(lovasz_gradient(truth.index_select(0, order)));
}

/// A pixel with an error, as it is sorted: among positive numbers the bits of a larger one are larger.
template <class Bits>
struct Item {
  Bits error;
  std::uint32_t pixel;  // 2 * index + truth
};

/// Largest error first, pixels of equal error in their order: a radix sort from the lowest digit up.
template <class Bits>
void sort_errors(std::vector<Item<Bits>>& items) {
  constexpr int kDigit = 11, kDigits = (8 * sizeof(Bits) + kDigit - 1) / kDigit;
  constexpr Bits kMask = (Bits{1} << kDigit) - 1;
  std::vector<std::array<std::uint32_t, kMask + 1>> starts(kDigits);
  for (const auto& item : items) {
    for (int d = 0; d < kDigits; ++d) ++starts[d][item.error >> (d * kDigit) & kMask];
  }
  std::vector<Item<Bits>> sorted(items.size());
  for (int d = 0; d < kDigits; ++d) {
    std::uint32_t next = 0;
    for (auto start = starts[d].rbegin(); start != starts[d].rend(); ++start)
      next += std::exchange(*start, next);
    for (const auto& item : items) sorted[starts[d][item.error >> (d * kDigit) & kMask]++] = item;
    items.swap(sorted);
  }
}

/// The loss of `size` pixels. @param gradient [size], zeros; nullptr: only the value
template <class T>
double sorted_hinge(const T* logits, const std::uint8_t* labels, std::int64_t size, T* gradient,
                    double factor) {
  using Bits = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;
  std::vector<Item<Bits>> items(static_cast<std::size_t>(size) + 1);
  std::size_t count = 0;
  std::int64_t portrait = 0;
  for (std::int64_t i = 0; i < size; ++i) {
    const bool truth = labels[i] == 1;
    const T error = 1 - (truth ? logits[i] : -logits[i]);
    std::memcpy(&items[count].error, &error, sizeof error);
    items[count].pixel = static_cast<std::uint32_t>(2 * i + (truth ? 1 : 0));
    portrait += truth ? 1 : 0;
    // Errors below 0 come last in the order and weigh nothing. A NaN counts: the loss is then one.
    count += labels[i] != kIgnore && !(error <= 0) ? 1 : 0;
  }
  items.resize(count);
  sort_errors(items);

  double loss = 0;
  auto intersection = static_cast<double>(portrait), united = intersection;
  for (const auto& item : items) {
    const bool truth = item.pixel % 2 == 1;
    // By how much 1 - intersection / united grows when this pixel is wrong too.
    double growth = 1;
    if (truth) {
      growth = 1 / united;
      intersection -= 1;
    } else {
      if (united > 0) growth = intersection / (united * (united + 1));
      united += 1;
    }
    T error;
    std::memcpy(&error, &item.error, sizeof error);
    loss += growth * static_cast<double>(error);
    if (gradient) gradient[item.pixel / 2] = static_cast<T>(truth ? -growth * factor : growth * factor);
  }
  return loss;
}

/// The images' mean, or one loss over all pixels. The same bits for any number of threads.
/// @param labels from checked_labels()
torch::Tensor sorted_hinge(const torch::Tensor& logits, const torch::Tensor& labels, bool per_image) {
  const torch::Tensor values = logits.detach().contiguous();
  const torch::Tensor gradient = needs_gradient(logits) ? torch::zeros_like(values) : torch::Tensor();
  const std::int64_t sets = per_image ? logits.size(0) : 1, size = logits.numel() / sets;
  std::vector<double> losses(static_cast<std::size_t>(sets));
  AT_DISPATCH_FLOATING_TYPES(logits.scalar_type(), "lovasz_hinge", [&] {
    const auto* in = values.data_ptr<scalar_t>();
    auto* out = gradient.defined() ? gradient.data_ptr<scalar_t>() : nullptr;
    parallel_for(0, sets, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        losses[static_cast<std::size_t>(i)] =
            sorted_hinge(in + i * size, labels.data_ptr<std::uint8_t>() + i * size, size,
                         out ? out + i * size : nullptr, 1 / static_cast<double>(sets));
      }
    });
  });
  const double loss = std::accumulate(losses.begin(), losses.end(), 0.0) / static_cast<double>(sets);
  return gradient.defined() ? with_gradient(loss, logits, gradient) : torch::full({}, loss, values.options());
}

class LovaszHinge final : public Loss {
 public:
  explicit LovaszHinge(bool per_image) : per_image_(per_image) {}

  torch::Tensor forward(const torch::Tensor& logits, const torch::Tensor& target) const override {
    if (logits.size(1) != 1) {
      throw UserError("lovasz_hinge needs a network with 1 output channel, this one has " +
                      std::to_string(logits.size(1)) + "; set model.num_classes to 1 or use cross_entropy");
    }
    const torch::Tensor labels = checked_labels(logits, target);
    if (logits.numel() == 0) return logits.sum() * 0;  // a mean over no images
    if (has_pixel_loss(logits) && logits.numel() <= kMostPixels)
      return sorted_hinge(logits, labels, per_image_);
    if (!per_image_) return hinge(logits.flatten(), labels.flatten());
    torch::Tensor sum = torch::zeros({}, logits.options());
    for (std::int64_t i = 0; i < logits.size(0); ++i) {
      sum = sum + hinge(logits[i].flatten(), labels[i].flatten());
    }
    return sum / logits.size(0);
  }

 private:
  bool per_image_;
};

}  // namespace

void LovaszHingeOptions::fields(Fields& f) {
  f("per_image", per_image, "true: the images' mean; false: one IoU over all pixels of the batch");
}

std::unique_ptr<Loss> LovaszHingeOptions::build() const {
  return std::make_unique<LovaszHinge>(per_image);
}

}  // namespace portraitseg
