#include "portraitseg/engine/predictor.h"

#include <opencv2/core.hpp>
#include <torch/torch.h>

#include "portraitseg/engine/evaluator.h"

namespace portraitseg {
namespace {

/// [H, W], contiguous: of every class but 0.
torch::Tensor portrait_probability(const torch::Tensor& logits) {
  if (logits.size(0) == 1) return torch::sigmoid(logits[0]).contiguous();
  if (logits.size(0) == 2) return torch::sigmoid(logits[1] - logits[0]).contiguous();
  return (1 - torch::softmax(logits, 0)[0]).clamp_min(0).contiguous();
}

}  // namespace

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

Prediction Predictor::restore(const torch::Tensor& logits, cv::Size size) const {
  const torch::NoGradGuard no_grad;  // the guard is per thread
  const torch::Tensor restored = preprocessing_.restore_logits(logits, size);
  torch::Tensor portrait = portrait_probability(restored);
  return {decide(restored), cv::Mat(size, CV_32FC1, portrait.data_ptr()).clone()};
}

}  // namespace portraitseg
