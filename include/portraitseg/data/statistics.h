#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "portraitseg/data/scan.h"
#include "portraitseg/data/verify.h"

namespace portraitseg {

/// By channel, in the order BGR; pixels in 0..255.
struct ChannelStatistics {
  std::array<double, 3> mean{};
  std::array<double, 3> std{};
};

struct AttributeShare {
  std::int64_t images = 0;
  double foreground = 0;  ///< mean over these images of each one's foreground share
};

/// What is known of a list of images with masks.
///
/// Shares  of the pixels that are not kIgnore. An image's foreground share counts all classes but 0.
struct DatasetStatistics {
  std::int64_t images = 0;

  /// mean = mean over images of the image's mean; std = mean over images of the image's own standard deviation
  /// (divided by its n), each at the image's full size. What clova's networks expect.
  /// Source  clovaai/ext_portrait_segmentation data/loadData.py, readFile(); it sums in float32, this in integers and
  ///         float64.
  ChannelStatistics per_image;

  /// Of all pixels of all images together; std divided by n. Large images count more.
  ChannelStatistics per_pixel;

  std::vector<std::int64_t> class_pixels;               ///< by class index, at least 2
  std::int64_t ignored_pixels = 0;                      ///< kIgnore
  std::array<std::int64_t, 10> foreground_histogram{};  ///< images with a share in [0, 0.1), ... [0.9, 1]
  double foreground = 0;                                ///< mean over images of each one's foreground share
  SizeCounts sizes;
  std::map<std::string, std::map<std::string, AttributeShare>> attributes;  ///< name -> value -> share
  std::vector<std::string> skipped;  ///< what could not be used, with the reason (OnError::kSkip)

  std::vector<double> class_shares() const;  ///< of all counted pixels; sum 1

  /// 1 / ln(1.10 + share of the class).
  /// Source  clovaai/ext_portrait_segmentation data/loadData.py, compute_class_weights(), after ERFNet.
  std::vector<double> class_weights() const;
};

/// One pass over the images. The figures do not depend on the number of workers.
/// @throws DataError for an image that cannot be used (OnError::kFail), or if none can.
DatasetStatistics statistics(const Dataset& dataset, const ScanOptions& options,
                             OnError on_error = OnError::kFail);

}  // namespace portraitseg
