#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "portraitseg/data/dataset.h"
#include "portraitseg/data/preprocessing.h"
#include "portraitseg/engine/model_runner.h"
#include "portraitseg/metrics/pixel_counts.h"
#include "portraitseg/metrics/protocol.h"

namespace portraitseg {

/// What is measured on one image; shares are in 0..1, the maps' keys are kernel or sigma in px.
struct ImageResult {
  std::int64_t index = 0;  ///< in the data set
  std::string id;
  int height = 0, width = 0;  ///< at which it was measured
  PixelCounts counts;
  std::map<int, PixelCounts> bands;
  std::map<double, double> edge_iou;
  std::map<double, double> weighted_iou;
};

/// Figures over a list, in percent.
struct Metrics {
  double iou_foreground = 0;              ///< mean over images
  double iou_background = 0;              ///< mean over images
  double miou = 0;                        ///< mean of both classes' IoU of the counts summed over the list
  double miou_per_image = 0;              ///< mean over images of the mean of both classes' IoU
  std::map<int, double> boundary_f1;      ///< clova: F1 inside the edge band, mean over images, by kernel
  std::map<double, double> edge_iou;      ///< PortraitNet Eq. 11 and 12, mean over images, by sigma
  std::map<double, double> weighted_iou;  ///< symmetric, mean over images, by sigma

  double at(const std::string& name) const;  ///< one of the first four. @throws std::out_of_range
};

struct Evaluation {
  Protocol protocol;
  std::string list_name;  ///< its file name
  std::string list_sha256;
  std::vector<std::int64_t> network_size;  ///< height, width of the network's input
  std::vector<ImageResult> images;         ///< in the order of the list
  std::vector<std::string> skipped;        ///< images left out, with the reason

  Metrics metrics() const;  ///< derives from `images` alone
};

struct EvaluatorOptions {
  std::int64_t batch_size = 32;
  std::int64_t workers = 2;
  OnError on_error = OnError::kFail;
  std::function<void(std::int64_t done, std::int64_t total)> progress;  ///< may be empty
};

/// Runs the network over the data set and measures every image by the protocol. Leaves the network in evaluation mode.
/// @throws DataError for an unusable image (unless skipped) or when none is left.
Evaluation evaluate(SegmentationModel& model, const Preprocessing& preprocessing, const Dataset& dataset,
                    const Protocol& protocol, const EvaluatorOptions& options, const Device& device);

/// The decided mask (CV_8UC1, class index) of one image at its own size.
/// @param model for inference
cv::Mat predict(ModelRunner& model, const Preprocessing& preprocessing, const cv::Mat& image);

/// Decides logits [C, H, W]: argmax, or logit > 0 of a single channel. CV_8UC1.
cv::Mat decide(const torch::Tensor& logits);

}  // namespace portraitseg
