#include "portraitseg/engine/predictor.h"

#include <algorithm>
#include <cmath>

#include <opencv2/core.hpp>
#include <torch/torch.h>

#include "portraitseg/nn/resample.h"

namespace portraitseg {
namespace {

/// [H, W], contiguous: of every class but 0.
torch::Tensor probability_plane(const torch::Tensor& logits) {
  if (logits.size(0) == 1) return torch::sigmoid(logits[0]).contiguous();
  if (logits.size(0) == 2) return torch::sigmoid(logits[1] - logits[0]).contiguous();
  return (1 - torch::softmax(logits, 0)[0]).clamp_min(0).contiguous();
}

/// The class of the largest logit, the first of equal ones; not a number counts as the largest, as in torch::argmax, which takes
/// 20 times as long over the first dimension. A single channel competes with 0.
/// @param mask all 0
template <class T>
void take_largest(const T* planes, std::int64_t classes, std::int64_t pixels, std::uint8_t* mask) {
  if (classes == 1) std::transform(planes, planes + pixels, mask, [](T logit) { return logit > 0; });
  std::vector<T> best(planes, planes + pixels);
  for (std::int64_t c = 1; c < classes; ++c) {
    const T* const plane = planes + c * pixels;
    for (std::int64_t i = 0; i < pixels; ++i) {
      const T largest = best[static_cast<std::size_t>(i)];
      const bool wins = !(plane[i] <= largest) && !std::isnan(largest);
      best[static_cast<std::size_t>(i)] = wins ? plane[i] : largest;
      mask[i] = wins ? static_cast<std::uint8_t>(c) : mask[i];
    }
  }
}

}  // namespace

cv::Mat decide(const torch::Tensor& logits) {
  const torch::Tensor planes =
      (logits.scalar_type() == torch::kFloat64 ? logits : logits.to(torch::kFloat32)).contiguous();
  cv::Mat mask = cv::Mat::zeros(static_cast<int>(logits.size(1)), static_cast<int>(logits.size(2)), CV_8UC1);
  AT_DISPATCH_FLOATING_TYPES(planes.scalar_type(), "decide", [&] {
    take_largest(planes.data_ptr<scalar_t>(), planes.size(0), static_cast<std::int64_t>(mask.total()),
                 mask.data);
  });
  return mask;
}

cv::Mat portrait_probability(const torch::Tensor& logits) {
  const torch::NoGradGuard no_grad;
  torch::Tensor plane = probability_plane(logits.to(torch::kFloat32));
  const int height = static_cast<int>(plane.size(0)), width = static_cast<int>(plane.size(1));
  return cv::Mat(height, width, CV_32FC1, plane.data_ptr()).clone();
}

double Prediction::share() const {
  return static_cast<double>(cv::countNonZero(mask)) / static_cast<double>(mask.total());
}

Predictor::Predictor(SegmentationModel& model, const Preprocessing& preprocessing, const Device& device)
    : preprocessing_(preprocessing), model_(model), runner_(model, device, ModelRunner::Purpose::kInference) {
  model_.eval();
}

torch::Tensor Predictor::input(const cv::Mat& image, const cv::Mat& before) const {
  cv::Mat prior;
  if (!before.empty()) preprocessing_.place_mask(before != 0).convertTo(prior, CV_32F, 1.0 / 255);
  return preprocessing_.normalise(preprocessing_.place_image(image), prior);
}

torch::Tensor Predictor::logits(const std::vector<torch::Tensor>& inputs) {
  const torch::NoGradGuard no_grad;
  return runner_.forward(torch::stack(inputs)).mask.to(torch::kCPU).to(torch::kFloat32);
}

torch::Tensor Predictor::at_input_size(const torch::Tensor& logits, const torch::Tensor& input) const {
  const torch::NoGradGuard no_grad;  // the guard is per thread
  return resize_logits(logits.unsqueeze(0), input.size(1), input.size(2))[0];
}

torch::Tensor Predictor::at_image_size(const torch::Tensor& logits, cv::Size image) const {
  const torch::NoGradGuard no_grad;
  return preprocessing_.restore_logits(logits, image);
}

Prediction Predictor::restore(const torch::Tensor& logits, cv::Size size) const {
  const torch::Tensor restored = at_image_size(logits, size);
  return {decide(restored), portrait_probability(restored)};
}

Prediction Predictor::predict(const cv::Mat& image) {
  return restore(logits({input(image)})[0], image.size());
}

}  // namespace portraitseg
