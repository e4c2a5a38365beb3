#pragma once

#include <cstdint>

#include <opencv2/core.hpp>

#include "portraitseg/core/config.h"

namespace portraitseg {

/// A soft matte is cut once, here: 1 where it is at least `threshold`. @param matte H x W, CV_8UC1.
inline cv::Mat cut_matte(const cv::Mat& matte, std::int64_t threshold) {
  return (matte >= static_cast<double>(threshold)) / 255;
}

inline void matte_fields(Fields& f, std::int64_t& threshold) {
  f("alpha_threshold", threshold, "a pixel is portrait from this alpha on", {1, 255});
}

}  // namespace portraitseg
