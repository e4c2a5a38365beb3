#include "portraitseg/metrics/boundary_distance.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>

#include <opencv2/imgproc.hpp>

#include "portraitseg/data/sample.h"

namespace portraitseg {
namespace {

cv::Mat four_neighbours() {
  return cv::getStructuringElement(cv::MORPH_CROSS, {3, 3});
}

/// More pixels than any image has rows; its square still fits into 64 bits.
constexpr std::int32_t kNone = 1 << 30;

/// Pixels from each pixel to the nearest one of `region` in its column, kNone or more where the column has none: CV_32SC1.
cv::Mat distance_in_column(const cv::Mat& region) {
  cv::Mat distance(region.size(), CV_32SC1);
  for (int y = 0; y < region.rows; ++y) {
    const auto* r = region.ptr<std::uint8_t>(y);
    const auto* above = y > 0 ? distance.ptr<std::int32_t>(y - 1) : nullptr;
    auto* d = distance.ptr<std::int32_t>(y);
    for (int x = 0; x < region.cols; ++x) d[x] = r[x] != 0 ? 0 : above != nullptr ? above[x] + 1 : kNone;
  }
  for (int y = region.rows - 2; y >= 0; --y) {
    const auto* below = distance.ptr<std::int32_t>(y + 1);
    auto* d = distance.ptr<std::int32_t>(y);
    for (int x = 0; x < region.cols; ++x) d[x] = std::min(d[x], below[x] + 1);
  }
  return distance;
}

/// A stretch of a row: the columns from `from` on are nearest to what is in column `column`.
struct Nearest {
  int column, from;
  std::int32_t height;  ///< squared distance in that column
};

/// The row's stretches, left to right: the lower envelope of the parabolas over its columns (Meijster et al. 2000).
void find_nearest(const std::int32_t* in_column, int columns, std::vector<Nearest>& nearest) {
  nearest.clear();
  for (int x = 0; x < columns; ++x) {
    if (in_column[x] >= kNone) continue;
    const std::int32_t height = in_column[x] * in_column[x];
    int from = 0;
    while (!nearest.empty()) {
      const Nearest& last = nearest.back();
      // Column x is nearer than the last one at u if u > rise / run.
      const std::int64_t run = 2 * (x - last.column);
      const std::int64_t rise = height - last.height + std::int64_t{x - last.column} * (x + last.column);
      if (rise >= run * last.from) {
        from = static_cast<int>(std::min<std::int64_t>(rise / run + 1, columns));
        break;
      }
      nearest.pop_back();
    }
    if (from < columns) nearest.push_back({x, from, height});
  }
}

/// Of column x, over all columns: outwards from its own, until a column is as far as the nearest pixel seen.
std::int64_t squared_distance_in_row(const std::int32_t* in_column, int columns, int x) {
  const auto squared = [](std::int64_t value) { return value * value; };
  std::int64_t nearest = squared(in_column[x]);
  for (int dx = 1; dx < columns && squared(dx) < nearest; ++dx) {
    if (x >= dx) nearest = std::min(nearest, squared(in_column[x - dx]) + squared(dx));
    if (x + dx < columns) nearest = std::min(nearest, squared(in_column[x + dx]) + squared(dx));
  }
  return nearest;
}

}  // namespace

cv::Mat boundary_of_both_sides(const cv::Mat& label) {
  cv::Mat boundary;  // where the four neighbours and the pixel itself are not all of one side
  cv::morphologyEx(label == 1, boundary, cv::MORPH_GRADIENT, four_neighbours());
  return boundary;
}

cv::Mat boundary_of_foreground(const cv::Mat& label) {
  const cv::Mat foreground = label == 1;
  cv::Mat interior;
  cv::erode(foreground, interior, four_neighbours(), {-1, -1}, 1, cv::BORDER_CONSTANT, cv::Scalar(0));
  return foreground - interior;
}

cv::Mat squared_distance(const cv::Mat& boundary) {
  if (cv::countNonZero(boundary) == 0) return {};
  const cv::Mat in_column = distance_in_column(boundary);
  cv::Mat squared(boundary.size(), CV_32SC1);
  std::vector<Nearest> nearest;
  for (int y = 0; y < boundary.rows; ++y) {
    find_nearest(in_column.ptr<std::int32_t>(y), boundary.cols, nearest);
    auto* d2 = squared.ptr<std::int32_t>(y);
    for (std::size_t i = 0; i < nearest.size(); ++i) {
      const int end = i + 1 < nearest.size() ? nearest[i + 1].from : boundary.cols;
      for (int x = nearest[i].from; x < end; ++x)
        d2[x] = nearest[i].height + (x - nearest[i].column) * (x - nearest[i].column);
    }
  }
  return squared;
}

std::vector<std::int64_t> squared_distances(const cv::Mat& from, const cv::Mat& to) {
  if (cv::countNonZero(to) == 0) return {};
  const cv::Mat in_column = distance_in_column(to);
  std::vector<std::int64_t> distances;
  for (int y = 0; y < from.rows; ++y) {
    const auto* f = from.ptr<std::uint8_t>(y);
    for (int x = 0; x < from.cols; ++x) {
      if (f[x] == 0) continue;
      distances.push_back(squared_distance_in_row(in_column.ptr<std::int32_t>(y), from.cols, x));
    }
  }
  return distances;
}

OverlapByDistance OverlapByDistance::of(const cv::Mat& prediction, const cv::Mat& label,
                                        const cv::Mat& squared_distance) {
  OverlapByDistance overlap;
  for (int y = 0; y < label.rows; ++y) {
    const auto* p = prediction.ptr<std::uint8_t>(y);
    const auto* l = label.ptr<std::uint8_t>(y);
    const auto* d2 = squared_distance.ptr<std::int32_t>(y);
    for (int x = 0; x < label.cols; ++x) {
      if (l[x] == kIgnore || (l[x] != 1 && p[x] != 1)) continue;
      const auto index = static_cast<std::size_t>(d2[x]);
      if (index >= overlap.either.size()) {
        overlap.either.resize(index + 1);  // the vector grows by doubling: a few times per image
        overlap.both.resize(index + 1);
      }
      ++overlap.either[index];
      overlap.both[index] += l[x] == 1 && p[x] == 1;
    }
  }
  return overlap;
}

double OverlapByDistance::weighted_iou(double sigma) const {
  if (!(sigma > 0)) throw std::invalid_argument("sigma must be positive, is " + std::to_string(sigma));
  double both_sum = 0, either_sum = 0;
  for (std::size_t d2 = 0; d2 < either.size(); ++d2) {
    if (either[d2] == 0) continue;
    const double weight = std::exp(-static_cast<double>(d2) / (2 * sigma * sigma));
    if (weight == 0) break;  // underflow; all further weights are 0 too
    both_sum += weight * both[d2];
    either_sum += weight * either[d2];
  }
  return either_sum == 0 ? 1.0 : both_sum / either_sum;
}

}  // namespace portraitseg
