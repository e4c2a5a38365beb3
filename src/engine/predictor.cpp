#include "portraitseg/engine/predictor.h"

#include <algorithm>
#include <cmath>

#include <opencv2/core.hpp>
#include <torch/types.h>
#include <torch/utils.h>

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

constexpr float kCertain = 100;  // a logit
constexpr double kDoubt = 1e-6;  // a filtered probability may leave 0..1

cv::Mat plane_of(const torch::Tensor& values) {
  torch::Tensor plane = values.contiguous();
  return cv::Mat(static_cast<int>(plane.size(0)), static_cast<int>(plane.size(1)), CV_32FC1, plane.data_ptr())
      .clone();
}

torch::Tensor tensor_of(const cv::Mat& plane, torch::Dtype type) {
  return torch::from_blob(plane.data, {plane.rows, plane.cols}, type).clone();
}

torch::Tensor filtered(const torch::Tensor& probability, const cv::Mat& guide,
                       const PostProcessing::GuidedFilter& filter) {
  return tensor_of(guided_filter(plane_of(probability), guide, filter.radius, filter.eps), torch::kFloat32);
}

/// Of two classes the portrait's probability is filtered, of several each class's.
torch::Tensor guided(const torch::Tensor& logits, const cv::Mat& guide,
                     const PostProcessing::GuidedFilter& filter) {
  if (logits.size(0) <= 2) {
    const torch::Tensor portrait = filtered(probability_plane(logits), guide, filter);
    return torch::logit(portrait, kDoubt).unsqueeze(0);
  }
  std::vector<torch::Tensor> planes;
  for (const torch::Tensor& plane : torch::softmax(logits, 0).unbind(0))
    planes.push_back(filtered(plane, guide, filter).clamp_min(kDoubt).log());
  return torch::stack(planes);
}

/// Background without a doubt where `others` is not 0.
torch::Tensor without(const cv::Mat& others, const torch::Tensor& logits) {
  const torch::Tensor away = tensor_of(others, torch::kUInt8).to(torch::kBool);
  torch::Tensor kept = logits.masked_fill(away, -kCertain);
  if (logits.size(0) > 1) kept[0].masked_fill_(away, kCertain);
  return kept;
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
  return plane_of(probability_plane(logits.to(torch::kFloat32)));
}

double Prediction::share() const {
  return static_cast<double>(cv::countNonZero(mask)) / static_cast<double>(mask.total());
}

Predictor::Predictor(SegmentationModel& model, const Preprocessing& preprocessing, const Device& device,
                     const Views& views, const PostProcessing& post)
    : preprocessing_(preprocessing),
      views_(views),
      post_(post),
      model_(model),
      runner_(model, device, ModelRunner::Purpose::kInference) {
  model_.eval();
}

torch::Tensor Predictor::input(const cv::Mat& image, const cv::Mat& before) const {
  cv::Mat prior;
  if (!before.empty()) preprocessing_.place_mask(before != 0).convertTo(prior, CV_32F, 1.0 / 255);
  return preprocessing_.normalise(preprocessing_.place_image(image), prior);
}

torch::Tensor Predictor::logits(const std::vector<torch::Tensor>& inputs,
                                const std::vector<MirroredClasses>& mirrored) {
  const torch::NoGradGuard no_grad;
  const auto network = [this](const torch::Tensor& batch) {
    const torch::Tensor logits = runner_.forward(batch).mask.to(torch::kCPU);
    return logits.scalar_type() == torch::kFloat64 ? logits : logits.to(torch::kFloat32);
  };
  return logits_of_views(views_, torch::stack(inputs), model_.size_multiple(), mirrored, network);
}

torch::Tensor Predictor::at_input_size(const torch::Tensor& logits, const torch::Tensor& input) const {
  const torch::NoGradGuard no_grad;  // the guard is per thread
  return resize_logits(logits.unsqueeze(0), input.size(1), input.size(2))[0];
}

torch::Tensor Predictor::at_image_size(const torch::Tensor& logits, cv::Size image) const {
  const torch::NoGradGuard no_grad;
  return preprocessing_.restore_logits(logits, image);
}

torch::Tensor Predictor::post_processed(const torch::Tensor& logits, const cv::Mat& guide) const {
  const torch::NoGradGuard no_grad;
  const torch::Tensor answer = post_.guided_filter ? guided(logits, guide, *post_.guided_filter) : logits;
  return post_.largest_component ? without(other_components(decide(answer)), answer) : answer;
}

cv::Mat Predictor::guide(const cv::Mat& image) const {
  return post_.guided_filter ? grey_guide(image) : cv::Mat();
}

cv::Mat Predictor::placed_guide(const cv::Mat& image) const {
  return post_.guided_filter ? grey_guide(preprocessing_.place_image(image)) : cv::Mat();
}

Prediction Predictor::restore(const torch::Tensor& logits, const cv::Mat& image) const {
  const torch::Tensor restored = post_processed(at_image_size(logits, image.size()), guide(image));
  return {decide(restored), portrait_probability(restored)};
}

Prediction Predictor::predict(const cv::Mat& image, const MirroredClasses& mirrored) {
  return restore(logits({input(image)}, {mirrored})[0], image);
}

}  // namespace portraitseg
