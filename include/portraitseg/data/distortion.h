#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include <opencv2/core/mat.hpp>

#include "portraitseg/core/config.h"
#include "portraitseg/core/random.h"

namespace portraitseg {

/// mmsegmentation's PhotoMetricDistortion: brightness, contrast (before or after the others), saturation, hue, each
/// with probability 0.5. The defaults are those of EasyPortrait's experiments.
struct DistortionOptions {
  bool enabled = false;
  double brightness = 16;  ///< largest change, grey levels
  std::vector<double> contrast = {0.5, 1};
  std::vector<double> saturation = {0.5, 1};
  std::int64_t hue = 5;  ///< largest change, OpenCV's half degrees
  void fields(Fields& f);
};

/// What is applied; a step without a number is not.
struct DistortionDraws {
  std::optional<double> brightness;  ///< grey levels added
  bool contrast_first = false;       ///< directly after brightness, not at the end
  std::optional<double> contrast;    ///< factor
  std::optional<double> saturation;  ///< factor
  std::optional<int> hue;            ///< half degrees added; the reference draws -hue..hue - 1
};

/// Always 9 draws: brightness applied, value; order of contrast; contrast, saturation, hue each applied, value.
/// Without `enabled` no step is applied.
DistortionDraws draw_distortion(const DistortionOptions& options, Random& random);

/// Source  open-mmlab/mmsegmentation mmseg/datasets/pipelines/transforms.py, with EasyPortrait's figures
///         (hukenovs/easyportrait pipelines/local_configs/easyportrait_experiments_v2; its base
///         configurations have a hue of 9). Bit for bit with OpenCV's 8-bit HSV: every step clips to
///         0..255 and truncates; saturation and hue each go to HSV and back.
/// @param image CV_8UC3, BGR; it is left as it is.
cv::Mat distort(const cv::Mat& image, const DistortionDraws& draws);

}  // namespace portraitseg
