#include "portraitseg/report/contact_sheet.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include <opencv2/imgproc.hpp>

#include "portraitseg/core/error.h"
#include "portraitseg/core/random.h"
#include "portraitseg/data/ordered_map.h"
#include "portraitseg/data/training_view.h"
#include "portraitseg/report/class_overlay.h"

namespace portraitseg {
namespace {

constexpr int kGap = 4;  // px between tiles

/// White where the prior says portrait; black if there is none. CV_8UC3.
cv::Mat prior_picture(const Augmented& view) {
  cv::Mat picture = cv::Mat::zeros(view.mask.size(), CV_8UC3);
  if (view.prior.empty()) return picture;
  cv::Mat grey;
  view.prior.convertTo(grey, CV_8U, 255);
  cv::cvtColor(grey, picture, cv::COLOR_GRAY2BGR);
  return picture;
}

void write_id(cv::Mat& picture, const std::string& id) {
  const cv::Point place(3, picture.rows - 5);
  cv::putText(picture, id, place, cv::FONT_HERSHEY_SIMPLEX, 0.35, {0, 0, 0}, 3, cv::LINE_AA);
  cv::putText(picture, id, place, cv::FONT_HERSHEY_SIMPLEX, 0.35, {255, 255, 255}, 1, cv::LINE_AA);
}

cv::Mat make_tile(const Sample& sample, std::int64_t index, const Preprocessing& preprocessing,
                  const AugmentOptions& options, const ContactSheetOptions& sheet) {
  cv::Mat tile;
  if (sheet.augmented) {
    const Augmented view = training_view(sample, {sheet.seed, sheet.epoch, index}, preprocessing, options);
    cv::hconcat(class_overlay(view.deformed, view.mask), class_overlay(view.image, view.mask), tile);
    if (preprocessing.prior_channel) cv::hconcat(tile, prior_picture(view), tile);
  } else {
    tile = class_overlay(preprocessing.place_image(sample.image), preprocessing.place_mask(sample.mask));
  }
  write_id(tile, sample.id);
  return tile;
}

}  // namespace

cv::Mat contact_sheet(const Dataset& dataset, const Preprocessing& preprocessing,
                      const AugmentOptions& augment, const ContactSheetOptions& options) {
  Random shuffle(options.seed, Purpose::kShuffle, {static_cast<std::uint64_t>(options.epoch)});
  const auto order = permutation(dataset.size(), shuffle);
  const auto count = static_cast<std::size_t>(std::max<std::int64_t>(options.images, 1));
  OrderedMap<cv::Mat> made(dataset.size(), options.workers, options.workers, [&](std::int64_t i) {
    const std::int64_t index = order[static_cast<std::size_t>(i)];
    try {
      return make_tile(dataset.get(index), index, preprocessing, augment, options);
    } catch (const DataError&) {
      if (options.on_error == OnError::kFail) throw;
      return cv::Mat();
    }
  });
  std::vector<cv::Mat> tiles;
  cv::Size largest;  // with Geometry::kKeep and no augmentation each image has its own size
  while (tiles.size() < count) {
    const auto tile = made.next();
    if (!tile) break;
    if (tile->empty()) continue;
    largest = {std::max(largest.width, tile->cols), std::max(largest.height, tile->rows)};
    tiles.push_back(*tile);
  }
  if (tiles.empty()) throw DataError(dataset.list, "no image of the list could be used");
  const int width = largest.width + kGap, height = largest.height + kGap;
  const auto total = static_cast<int>(tiles.size());
  const int columns = std::clamp(
      static_cast<int>(std::lround(std::sqrt(static_cast<double>(total) * height / width))), 1, total);
  const int rows = (total + columns - 1) / columns;
  cv::Mat sheet(rows * height - kGap, columns * width - kGap, CV_8UC3, cv::Scalar::all(255));
  for (int i = 0; i < total; ++i) {
    const cv::Mat& tile = tiles[static_cast<std::size_t>(i)];
    tile.copyTo(sheet(cv::Rect({i % columns * width, i / columns * height}, tile.size())));
  }
  return sheet;
}

}  // namespace portraitseg
