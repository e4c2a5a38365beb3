#pragma once

#include <vector>

#include <opencv2/core/mat.hpp>
#include <torch/types.h>

#include "portraitseg/core/device.h"
#include "portraitseg/data/preprocessing.h"
#include "portraitseg/engine/model_runner.h"
#include "portraitseg/models/model.h"

namespace portraitseg {

/// Decides logits [C, H, W]: argmax, or logit > 0 of a single channel. CV_8UC1.
cv::Mat decide(const torch::Tensor& logits);

/// The probability of the portrait, that is of every class but 0, of logits [C, H, W]: CV_32FC1, 0..1.
cv::Mat portrait_probability(const torch::Tensor& logits);

/// What a network says of one image, at the image's own size.
struct Prediction {
  cv::Mat mask;      ///< CV_8UC1, class index
  cv::Mat portrait;  ///< CV_32FC1, 0..1: portrait_probability()

  double share() const;  ///< of the pixels whose class is not 0
};

/// A trained network and what is done with an image before and behind it, in steps: all but logits() may run in many threads
/// beside it.
class Predictor {
 public:
  /// Leaves the network in evaluation mode. @param model, device have to live as long as this
  Predictor(SegmentationModel& model, const Preprocessing& preprocessing, const Device& device);

  /// The network's input: [channels, H, W].
  /// @param image CV_8UC3, BGR  @param before the mask of the frame before, for the prior channel; empty: none is known
  torch::Tensor input(const cv::Mat& image, const cv::Mat& before = {}) const;

  /// Logits [N, classes, h, w], float32, on the CPU. How inputs are split into batches does not matter where the network is
  /// compiled (nn/compiled_network.h); LibTorch's and CUDA's own operators may round a batch differently.
  /// @param inputs of one size. @throws UserError for a size that the network does not take.
  torch::Tensor logits(const std::vector<torch::Tensor>& inputs);

  /// Logits [classes, H, W] at the size of the input that they are of, or of the image; bilinear.
  /// @param logits [classes, h, w], of one image
  torch::Tensor at_input_size(const torch::Tensor& logits, const torch::Tensor& input) const;
  torch::Tensor at_image_size(const torch::Tensor& logits, cv::Size image) const;

  /// @param logits [classes, h, w], of one image  @param size the image's
  Prediction restore(const torch::Tensor& logits, cv::Size size) const;

  /// All steps for one image.
  Prediction predict(const cv::Mat& image);

  bool has_prior() const { return preprocessing_.prior_channel; }
  const Preprocessing& preprocessing() const { return preprocessing_; }

 private:
  const Preprocessing preprocessing_;
  SegmentationModel& model_;
  ModelRunner runner_;
};

}  // namespace portraitseg
