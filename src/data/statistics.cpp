#include "portraitseg/data/statistics.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace portraitseg {
namespace {

constexpr double kClassWeightOffset = 1.10;

/// Sums over one image. Integers are exact: 255^2 times 2^47 pixels fit.
struct Sums {
  cv::Size size;
  std::array<std::uint64_t, 3> values{}, squares{};
  std::array<std::int64_t, 256> classes{};
  std::map<std::string, std::string> attributes;

  std::int64_t counted() const {
    return std::accumulate(classes.begin(), classes.begin() + kIgnore, std::int64_t{0});
  }
  std::int64_t foreground() const { return counted() - classes[0]; }
};

double deviation(std::uint64_t sum, std::uint64_t squares, double pixels) {
  const double mean = static_cast<double>(sum) / pixels;
  return std::sqrt(std::max(0.0, static_cast<double>(squares) / pixels - mean * mean));
}

Sums sum_up(Sample sample) {
  Sums sums;
  sums.size = sample.image.size();
  sums.attributes = std::move(sample.attributes);
  for (int y = 0; y < sample.image.rows; ++y) {
    const auto* row = sample.image.ptr<cv::Vec3b>(y);
    std::array<std::uint64_t, 3> values{}, squares{};
    for (int x = 0; x < sample.image.cols; ++x) {
      for (int c = 0; c < 3; ++c) {
        const std::uint32_t value = row[x][c];
        values[static_cast<std::size_t>(c)] += value;
        squares[static_cast<std::size_t>(c)] += value * value;
      }
    }
    for (std::size_t c = 0; c < 3; ++c) {
      sums.values[c] += values[c];
      sums.squares[c] += squares[c];
    }
  }
  for (int y = 0; y < sample.mask.rows; ++y) {
    const auto* row = sample.mask.ptr<std::uint8_t>(y);
    for (int x = 0; x < sample.mask.cols; ++x) ++sums.classes[row[x]];
  }
  return sums;
}

}  // namespace

std::vector<double> DatasetStatistics::class_shares() const {
  const auto total =
      static_cast<double>(std::accumulate(class_pixels.begin(), class_pixels.end(), std::int64_t{0}));
  std::vector<double> shares;
  for (const auto pixels : class_pixels)
    shares.push_back(total == 0 ? 0 : static_cast<double>(pixels) / total);
  return shares;
}

std::vector<double> DatasetStatistics::class_weights() const {
  std::vector<double> weights;
  for (const double share : class_shares()) weights.push_back(1 / std::log(kClassWeightOffset + share));
  return weights;
}

DatasetStatistics statistics(const Dataset& dataset, const ScanOptions& options, OnError on_error) {
  DatasetStatistics result;
  result.skipped = dataset.skipped;
  Sums all;
  std::uint64_t pixels = 0;
  const auto take = [&](const Sums& sums) {
    ++result.images;
    ++result.sizes[{sums.size.height, sums.size.width}];
    const auto own = static_cast<double>(sums.size.area());
    for (std::size_t c = 0; c < 3; ++c) {
      result.per_image.mean[c] += static_cast<double>(sums.values[c]) / own;
      result.per_image.std[c] += deviation(sums.values[c], sums.squares[c], own);
      all.values[c] += sums.values[c];
      all.squares[c] += sums.squares[c];
    }
    pixels += static_cast<std::uint64_t>(sums.size.area());
    for (std::size_t c = 0; c < sums.classes.size(); ++c) all.classes[c] += sums.classes[c];
    const std::int64_t counted = std::max<std::int64_t>(sums.counted(), 1);
    const double share = static_cast<double>(sums.foreground()) / static_cast<double>(counted);
    result.foreground += share;
    const auto bin =
        static_cast<std::size_t>(10 * sums.foreground() / counted);  // in integers: 0.3 is in [0.3, 0.4)
    ++result.foreground_histogram[std::min<std::size_t>(bin, 9)];
    for (const auto& [name, value] : sums.attributes) {
      AttributeShare& group = result.attributes[name][value];
      ++group.images;
      group.foreground += share;
    }
  };
  scan(dataset, options, sum_up, take, [&](const std::string&, const DataError& error) {
    if (on_error == OnError::kFail) throw;
    result.skipped.emplace_back(error.what());
  });
  if (result.images == 0) throw DataError(dataset.list, "no image of the list could be used");

  const auto images = static_cast<double>(result.images);
  for (std::size_t c = 0; c < 3; ++c) {
    result.per_image.mean[c] /= images;
    result.per_image.std[c] /= images;
    result.per_pixel.mean[c] = static_cast<double>(all.values[c]) / static_cast<double>(pixels);
    result.per_pixel.std[c] = deviation(all.values[c], all.squares[c], static_cast<double>(pixels));
  }
  result.foreground /= images;
  for (auto& [unused, values] : result.attributes) {
    for (auto& [value, group] : values) group.foreground /= static_cast<double>(group.images);
  }
  std::size_t classes = 2;  // background and portrait, even where a list shows only one of them
  for (std::size_t c = classes; c < kIgnore; ++c) {
    if (all.classes[c] > 0) classes = c + 1;
  }
  result.class_pixels.assign(all.classes.begin(), all.classes.begin() + static_cast<std::ptrdiff_t>(classes));
  result.ignored_pixels = all.classes[kIgnore];
  return result;
}

}  // namespace portraitseg
