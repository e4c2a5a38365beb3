#pragma once

#include <cmath>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <opencv2/core.hpp>

#include "portraitseg/core/random.h"
#include "portraitseg/data/sample.h"
#include "portraitseg/metrics/metric.h"

namespace portraitseg::testing {

inline cv::Mat filled(int height, int width, int value) {
  return cv::Mat(height, width, CV_8UC1, cv::Scalar(value));
}

inline cv::Mat with_box(const cv::Mat& mask, const cv::Rect& box, int value = 1) {
  cv::Mat changed = mask.clone();
  changed(box).setTo(value);
  return changed;
}

/// Row by row; '.' background, '#' foreground, '?' ignored.
inline cv::Mat drawn(const std::vector<std::string>& rows) {
  cv::Mat mask(static_cast<int>(rows.size()), static_cast<int>(rows.at(0).size()), CV_8UC1);
  for (int y = 0; y < mask.rows; ++y) {
    for (int x = 0; x < mask.cols; ++x) {
      const char c = rows[static_cast<std::size_t>(y)][static_cast<std::size_t>(x)];
      mask.at<std::uint8_t>(y, x) = c == '#' ? 1 : c == '?' ? kIgnore : 0;
    }
  }
  return mask;
}

/// What a metric is tried on: an image of 1 to 48 pixels a side.
struct RandomMasks {
  cv::Mat prediction;   ///< classes 0, 1 and now and then 2
  cv::Mat label;        ///< and now and then kIgnore
  cv::Mat probability;  ///< of class 1; the prediction is not always what it says

  MeasuredImage image() const { return {prediction, label, probability}; }
};

inline void draw_blobs(Random& random, cv::Mat& mask, int value) {
  for (auto blobs = random.integer(1, 3); blobs > 0; --blobs) {
    const double cx = random.uniform(0, mask.cols), cy = random.uniform(0, mask.rows);
    const double rx = random.uniform(0.5, 0.6 * mask.cols + 1), ry = random.uniform(0.5, 0.6 * mask.rows + 1);
    const bool round = random.chance(0.5);
    for (int y = 0; y < mask.rows; ++y) {
      for (int x = 0; x < mask.cols; ++x) {
        const double dx = std::abs(x - cx) / rx, dy = std::abs(y - cy) / ry;
        if (round ? dx * dx + dy * dy < 1 : dx < 1 && dy < 1)
          mask.at<std::uint8_t>(y, x) = static_cast<std::uint8_t>(value);
      }
    }
  }
}

inline void draw_noise(Random& random, cv::Mat& mask, double share, int value) {
  for (int y = 0; y < mask.rows; ++y) {
    for (int x = 0; x < mask.cols; ++x) {
      if (random.chance(share)) mask.at<std::uint8_t>(y, x) = static_cast<std::uint8_t>(value);
    }
  }
}

inline cv::Mat random_mask(Random& random, int height, int width) {
  cv::Mat mask = filled(height, width, random.chance(0.1) ? 1 : 0);
  if (random.chance(0.9)) draw_blobs(random, mask, random.chance(0.9) ? 1 : 0);
  if (random.chance(0.3))
    draw_noise(random, mask, random.uniform(0, 0.3), static_cast<int>(random.integer(0, 2)));
  return mask;
}

inline RandomMasks random_masks(int index) {
  Random random(7, Purpose::kSynthesize, {static_cast<std::uint64_t>(index)});
  const int largest = index % 10 == 0 ? 2 : 48;
  const auto height = static_cast<int>(random.integer(1, largest)),
             width = static_cast<int>(random.integer(1, largest));
  RandomMasks masks;
  masks.label = random_mask(random, height, width);
  masks.prediction = random.chance(0.3) ? random_mask(random, height, width) : masks.label.clone();
  if (random.chance(0.7))
    draw_noise(random, masks.prediction, random.uniform(0, 0.05), static_cast<int>(random.integer(0, 1)));
  if (random.chance(0.3)) draw_blobs(random, masks.prediction, static_cast<int>(random.integer(0, 1)));
  if (random.chance(0.3)) draw_blobs(random, masks.label, kIgnore);
  if (random.chance(0.2)) draw_noise(random, masks.label, 0.1, kIgnore);

  masks.probability.create(height, width, CV_32FC1);
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      const double own =
          random.chance(0.1) ? static_cast<double>(random.integer(0, 15)) / 15 : random.uniform();
      masks.probability.at<float>(y, x) = static_cast<float>(own);
      if (random.chance(0.8)) masks.prediction.at<std::uint8_t>(y, x) = own > 0.5;
    }
  }
  return masks;
}

/// Whether the pixel is foreground of the mask, as the boundary metrics see it: ignored is background in both.
inline bool is_foreground(const cv::Mat& mask, const cv::Mat& label, int y, int x) {
  return mask.at<std::uint8_t>(y, x) == 1 && label.at<std::uint8_t>(y, x) != kIgnore;
}

/// The figure of one image, from the metric's columns.
inline double figure(const Metric& metric, const std::string& name, const MeasuredImage& image) {
  const auto columns = metric.measure(image);
  EXPECT_EQ(columns.size(), metric.columns.size());
  for (const Figure& one : metric.figures) {
    if (one.name == name) return one.formula(columns);
  }
  throw std::logic_error("no figure " + name);
}

inline double figure(const Metric& metric, const std::string& name, const cv::Mat& prediction,
                     const cv::Mat& label) {
  return figure(metric, name, MeasuredImage{prediction, label, {}});
}

constexpr int kRandomMasks = 300;

}  // namespace portraitseg::testing
