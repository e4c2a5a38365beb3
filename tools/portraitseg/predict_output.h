#pragma once

#include <filesystem>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include <opencv2/core/mat.hpp>

#include "portraitseg/data/media_files.h"
#include "portraitseg/engine/predictor.h"

namespace portraitseg {

/// What is made of an image or a video.
enum class Picture { kMask, kCutout, kOverlay, kBackground };
std::string picture_name(Picture picture);  ///< "mask", ...: the end of a file's name, and a key of the JSON

/// What comes behind the portrait. Thread-safe.
class Background {
 public:
  /// @param text "blur", "R,G,B", or the file of a picture. @throws UserError
  explicit Background(const std::string& text);

  /// The portrait before it: CV_8UC3. @param alpha alpha_of() its probability
  cv::Mat behind(const cv::Mat& image, const cv::Mat& alpha) const;

 private:
  cv::Mat picture_of(cv::Size size) const;

  bool blurred_ = false;
  cv::Mat picture_;  ///< 1 x 1 of a colour
  mutable std::mutex mutex_;
  mutable cv::Mat last_;  ///< the picture at the size that was last asked for
};

struct OutputOptions {
  std::filesystem::path folder = "predictions";
  bool mask = false, cutout = false, overlay = false;
  std::string background;
  std::string json;      ///< file of the figures; "-" or empty: none
  int jpeg_quality = 0;  ///< of overlays and backgrounds; 0: they are PNG files
};

using OutputFiles = std::map<Picture, std::filesystem::path>;

/// An input and what will be written of it.
struct Planned {
  MediaFile input;
  OutputFiles outputs;
};

/// Names every file that will be written: the input's name, and which picture it is.
/// @throws UserError if two inputs would write the same file, one would write over an input, one of `read` or the figures (also
///         on its way, under a temporary name), the folder lies in a folder among the inputs, or a cut-out of a video is asked
///         for
std::vector<Planned> plan_outputs(const std::vector<std::string>& inputs, const OutputOptions& options,
                                  const std::vector<std::filesystem::path>& read);

/// Draws one picture. The mask is 0 and 255, with several classes the class index.
cv::Mat draw_picture(Picture picture, const cv::Mat& image, const Prediction& prediction,
                     const Background* background, bool several_classes);

}  // namespace portraitseg
