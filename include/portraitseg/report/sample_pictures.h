#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <opencv2/core/mat.hpp>

#include "portraitseg/core/device.h"
#include "portraitseg/data/dataset.h"
#include "portraitseg/data/preprocessing.h"
#include "portraitseg/engine/model_runner.h"
#include "portraitseg/metrics/protocol.h"

namespace portraitseg {

struct SamplePicture {
  std::string id;
  int height = 0, width = 0;
  std::string png;  ///< the file's bytes
};

/// Image, label (portrait white, kIgnore grey) and prediction as overlay() draws it, side by side, each at most `longest` px on
/// its longer side; of classes label and prediction as class_overlay() draws them. All H x W.
cv::Mat sample_picture(const cv::Mat& image, const cv::Mat& label, const cv::Mat& prediction,
                       Protocol::Counting counting, int longest);

/// A few images of a list, evenly spread, read once, on which one sees how a network learns.
class SamplePictures {
 public:
  /// An image that cannot be read is left out.
  SamplePictures(const Dataset& dataset, std::int64_t count);

  /// What the network makes of them now, as the protocol prepares and counts them. Leaves it in evaluation mode.
  std::vector<SamplePicture> draw(SegmentationModel& model, const Preprocessing& preprocessing,
                                  const Protocol& protocol, const Device& device) const;

 private:
  std::vector<Sample> samples_;
};

}  // namespace portraitseg
