#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "portraitseg/data/dataset.h"
#include "portraitseg/data/preprocessing.h"
#include "portraitseg/engine/model_runner.h"
#include "portraitseg/metrics/class_counts.h"
#include "portraitseg/metrics/pixel_counts.h"
#include "portraitseg/metrics/protocol.h"

namespace portraitseg {

/// What is measured on one image; shares are in 0..1, the maps' keys are kernel or sigma in px. Of a protocol that counts
/// classes `classes` alone, else everything but these.
struct ImageResult {
  std::int64_t index = 0;  ///< in the data set
  std::string id;
  int height = 0, width = 0;  ///< at which it was measured
  ClassCounts classes;
  PixelCounts counts;
  std::map<int, PixelCounts> bands;
  std::map<double, double> edge_iou;
  std::map<double, double> weighted_iou;
};

/// Figures over a list, in percent: of a protocol that counts classes the first three, else `miou` and those behind it.
struct Metrics {
  std::vector<double>
      class_iou;  ///< of the counts summed over the list; not a number for a class without a pixel
  double pixel_accuracy = 0;          ///< share of the pixels whose class is right
  double miou = 0;                    ///< mean class IoU of the counts summed over the list, see the protocol
  double iou_foreground = 0;          ///< mean over images
  double iou_background = 0;          ///< mean over images
  double miou_per_image = 0;          ///< mean over images of the mean of both classes' IoU
  std::map<int, double> boundary_f1;  ///< clova: F1 inside the edge band, mean over images, by kernel
  std::map<double, double> edge_iou;  ///< PortraitNet Eq. 11 and 12, mean over images, by sigma
  std::map<double, double> weighted_iou;  ///< symmetric, mean over images, by sigma

  /// What a training records of each epoch: those that are measured, by name, without edge and weighted IoU. A class's is
  /// class_iou_3, of more than ten classes class_iou_03, and there is none if the class has no pixel.
  std::map<std::string, double> recorded() const;
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
/// @throws DataError for an unusable image (unless skipped), when none is left or nothing of them is labelled.
/// @throws UserError if the protocol, or a mask, does not fit the network's number of classes.
Evaluation evaluate(SegmentationModel& model, const Preprocessing& preprocessing, const Dataset& dataset,
                    const Protocol& protocol, const EvaluatorOptions& options, const Device& device);

/// The decided mask (CV_8UC1, class index) of one image at its own size.
/// @param model for inference
cv::Mat predict(ModelRunner& model, const Preprocessing& preprocessing, const cv::Mat& image);

/// Decides logits [C, H, W]: argmax, or logit > 0 of a single channel. CV_8UC1.
cv::Mat decide(const torch::Tensor& logits);

}  // namespace portraitseg
