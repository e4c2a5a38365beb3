#pragma once

#include <vector>

#include <opencv2/core/mat.hpp>
#include <torch/types.h>

#include "portraitseg/core/device.h"
#include "portraitseg/data/preprocessing.h"
#include "portraitseg/engine/model_runner.h"
#include "portraitseg/models/model.h"

namespace portraitseg {

/// What a network says of one image, at the image's own size.
struct Prediction {
  cv::Mat
      mask;  ///< CV_8UC1, class index; equals predict()'s, but that of a float64 network is decided in float32
  cv::Mat portrait;  ///< CV_32FC1, 0..1: the probability of the portrait, that is of every class but 0

  double share() const;  ///< of the pixels whose class is not 0
};

/// A trained network for images without labels, in steps: input() and restore() may run in many threads beside logits().
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

  /// @param logits [classes, h, w], of one image  @param size the image's
  Prediction restore(const torch::Tensor& logits, cv::Size size) const;

  bool has_prior() const { return preprocessing_.prior_channel; }

 private:
  const Preprocessing preprocessing_;
  SegmentationModel& model_;
  ModelRunner runner_;
};

}  // namespace portraitseg
