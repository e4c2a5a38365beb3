#include "portraitseg/data/views.h"

#include <algorithm>
#include <cmath>

#include <spdlog/fmt/fmt.h>
#include <torch/types.h>
#include <torch/utils.h>

#include "portraitseg/core/parallel.h"
#include "portraitseg/nn/resample.h"

namespace portraitseg {
namespace {

constexpr std::int64_t kWidth = 3;  // the dimension of [N, C, H, W]

/// Calls `one` for each of [N, ...] with [1, ...], on several threads, and puts the results together.
template <class One>
torch::Tensor for_each_image(const torch::Tensor& batch, const One& one) {
  std::vector<torch::Tensor> results(static_cast<std::size_t>(batch.size(0)));
  parallel_for(0, batch.size(0), 1, [&](std::int64_t begin, std::int64_t end) {
    const torch::NoGradGuard no_grad;  // the guard is per thread
    for (std::int64_t i = begin; i < end; ++i)
      results[static_cast<std::size_t>(i)] = one(batch.slice(0, i, i + 1), static_cast<std::size_t>(i));
  });
  return torch::cat(results);
}

torch::Tensor resized(const torch::Tensor& batch, std::int64_t height, std::int64_t width) {
  if (batch.size(2) == height && batch.size(3) == width) return batch;
  return for_each_image(
      batch, [&](const torch::Tensor& image, std::size_t) { return resize_logits(image, height, width); });
}

std::int64_t scaled(std::int64_t size, double scale, std::int64_t multiple) {
  if (scale == 1) return size;
  const auto count = std::llround(static_cast<double>(size) * scale / static_cast<double>(multiple));
  return std::max<std::int64_t>(count, 1) * multiple;
}

/// Size of the logits at scale 1, from those of a view.
std::int64_t restored(std::int64_t logits, std::int64_t view, std::int64_t input) {
  return std::llround(static_cast<double>(logits) * static_cast<double>(input) / static_cast<double>(view));
}

/// The channel that each class's logits come from in a mirrored image.
torch::Tensor channel_order(std::int64_t classes, const MirroredClasses& pairs) {
  torch::Tensor order = torch::arange(classes);
  auto* const channels = order.data_ptr<std::int64_t>();
  for (const auto& [left, right] : pairs) {
    if (left < classes && right < classes) std::swap(channels[left], channels[right]);
  }
  return order;
}

torch::Tensor exchanged(const torch::Tensor& logits, const std::vector<MirroredClasses>& mirrored) {
  if (mirrored.empty()) return logits;
  return for_each_image(logits, [&](const torch::Tensor& image, std::size_t i) {
    return image.index_select(1, channel_order(logits.size(1), mirrored.at(i)));
  });
}

/// @param views logits [views, C, h, w] of one image
torch::Tensor mean_of(const torch::Tensor& views) {
  if (views.size(1) == 1)
    return torch::logsumexp(torch::log_sigmoid(views), 0) - torch::logsumexp(torch::log_sigmoid(-views), 0);
  return torch::logsumexp(torch::log_softmax(views, 1), 0) - std::log(static_cast<double>(views.size(0)));
}

/// Of each image over its views.
torch::Tensor mean_of(const std::vector<torch::Tensor>& views) {
  const torch::Tensor by_image = torch::stack(views, 1);  // [N, views, C, h, w]
  return for_each_image(by_image, [](const torch::Tensor& image, std::size_t) {
    return mean_of(image.squeeze(0)).unsqueeze(0);
  });
}

}  // namespace

std::string Views::name() const {
  std::string name = flip ? "flip" : "";
  if (scales == std::vector<double>{1}) return name;
  name += name.empty() ? "scales" : "+scales";
  for (const double scale : scales) name += fmt::format(":{:.15g}", scale);
  return name;
}

torch::Tensor logits_of_views(const Views& views, const torch::Tensor& inputs, std::int64_t size_multiple,
                              const std::vector<MirroredClasses>& mirrored,
                              const std::function<torch::Tensor(const torch::Tensor&)>& network) {
  if (views.empty()) return network(inputs);
  const torch::NoGradGuard no_grad;
  const std::int64_t height = inputs.size(2), width = inputs.size(3);
  std::vector<torch::Tensor> all;
  for (const double scale : views.scales) {
    const torch::Tensor view =
        resized(inputs, scaled(height, scale, size_multiple), scaled(width, scale, size_multiple));
    const auto back = [&](const torch::Tensor& logits) {
      return resized(logits, restored(logits.size(2), view.size(2), height),
                     restored(logits.size(3), view.size(3), width));
    };
    all.push_back(back(network(view)));
    if (views.flip) {
      const torch::Tensor logits = network(view.flip({kWidth})).flip({kWidth});
      all.push_back(back(exchanged(logits, mirrored)));
    }
  }
  return mean_of(all);
}

}  // namespace portraitseg
