#include "portraitseg/data/face_crops.h"

#include <algorithm>
#include <cmath>
#include <sstream>
#include <tuple>
#include <utility>

#include <opencv2/core.hpp>

#include "portraitseg/core/file.h"

namespace portraitseg {
namespace {

/// Of the box's pixels, without those that are ignored.
double portrait_share(const cv::Mat& mask, const cv::Rect& box) {
  const cv::Mat part = mask(box);
  const int ignored = cv::countNonZero(part == kIgnore), portrait = cv::countNonZero(part) - ignored;
  return static_cast<double>(portrait) / std::max(box.area() - ignored, 1);
}

/// [start, start + length) moved into [0, limit), and cut where it is longer.
std::pair<int, int> moved_into(double start, double length, int limit) {
  const int cut = std::min(static_cast<int>(std::lround(length)), limit);
  return {std::clamp(static_cast<int>(std::lround(start)), 0, limit - cut), cut};
}

std::string text(const cv::Rect& box) {
  return std::to_string(box.x) + " " + std::to_string(box.y) + " " + std::to_string(box.width) + " " +
         std::to_string(box.height);
}

/// The counter of the reason to leave the crop out; none: it is taken.
std::int64_t* refusal(const FaceCrop& crop, const std::vector<FaceCrop>& taken, const cv::Mat& mask,
                      const FaceCropOptions& options, FaceCropCounts& counts) {
  if (portrait_share(mask, crop.face) < options.portrait_in_face) return &counts.off_portrait;
  if (crop.box.height < options.smallest_height) return &counts.small;
  const double share = portrait_share(mask, crop.box);
  if (share < options.smallest_portrait) return &counts.little_portrait;
  if (share > options.largest_portrait) return &counts.little_background;
  for (const auto& other : taken) {
    if (box_iou(crop.box, other.box) > options.largest_overlap) return &counts.overlapping;
  }
  return nullptr;
}

}  // namespace

cv::Rect portrait_box(const cv::Rect& face, const FaceFrame& frame, cv::Size image) {
  const double unit = face.height;
  const auto [x, width] =
      moved_into(face.x - frame.side * unit, face.width + 2 * frame.side * unit, image.width);
  const auto [y, height] = moved_into(face.y - frame.above * unit, frame.height() * unit, image.height);
  return {x, y, width, height};
}

double box_iou(const cv::Rect& a, const cv::Rect& b) {
  const double both = (a & b).area(), either = a.area() + b.area() - both;
  return either > 0 ? both / either : 0;
}

std::vector<FaceCrop> choose_crops(std::vector<cv::Rect> faces, const cv::Mat& mask,
                                   const FaceCropOptions& options, FaceCropCounts& counts) {
  ++counts.images;
  counts.boxes += static_cast<std::int64_t>(faces.size());
  if (faces.empty()) ++counts.without_face;
  // The detector's threads find them in any order.
  std::sort(faces.begin(), faces.end(), [](const cv::Rect& a, const cv::Rect& b) {
    return std::make_tuple(-a.area(), a.y, a.x) < std::make_tuple(-b.area(), b.y, b.x);
  });
  std::vector<FaceCrop> taken;
  for (const auto& face : faces) {
    const FaceCrop crop = {face, portrait_box(face, options.frame, mask.size())};
    if (std::int64_t* const reason = refusal(crop, taken, mask, options, counts)) {
      ++*reason;
    } else {
      taken.push_back(crop);
    }
  }
  counts.crops += static_cast<std::int64_t>(taken.size());
  return taken;
}

std::string face_crops_sha256(const Dataset& images, const std::string& detector_sha256,
                              const FaceCropOptions& options) {
  std::ostringstream content;
  content.precision(17);
  content << images.list_sha256 << '\n' << detector_sha256 << '\n';
  for (const double option :
       {options.frame.above, options.frame.below, options.frame.side, options.portrait_in_face,
        options.smallest_portrait, options.largest_portrait, options.largest_overlap})
    content << option << ' ';
  content << options.smallest_height << '\n';
  return sha256(content.str());
}

FaceCrops::FaceCrops(std::shared_ptr<const Dataset> images, const FindFaces& find_faces,
                     const std::string& detector_sha256, const FaceCropOptions& options,
                     const ScanOptions& scan_options, OnError on_error)
    : images_(std::move(images)) {
  struct Found {
    std::vector<cv::Rect> faces;
    cv::Mat mask;
  };
  list = images_->list;
  list_sha256 = face_crops_sha256(*images_, detector_sha256, options);
  skipped = images_->skipped;
  std::int64_t image = 0;
  scan(
      *images_, scan_options,
      [&](const Sample& sample) {
        return Found{find_faces(sample.image), sample.mask};
      },
      [&](Found found) {
        std::size_t number = 0;
        for (const auto& crop : choose_crops(std::move(found.faces), found.mask, options, counts_))
          entries_.push_back({image, ++number, crop});
        ++image;
      },
      [&](const std::string&, const DataError& error) {
        if (on_error == OnError::kFail) throw;
        skipped.emplace_back(error.what());
        ++image;
      });
}

Sample FaceCrops::get(std::int64_t index) const {
  const Entry& entry = entries_[static_cast<std::size_t>(index)];
  Sample sample = images_->get(entry.image);
  sample.attributes["source"] = sample.id;
  sample.attributes["face"] = text(entry.crop.face);
  sample.attributes["crop"] = text(entry.crop.box);
  sample.id = id(index);
  sample.image = sample.image(entry.crop.box).clone();  // the rest of the image is let go
  sample.mask = sample.mask(entry.crop.box).clone();
  return sample;
}

std::string FaceCrops::id(std::int64_t index) const {
  const Entry& entry = entries_[static_cast<std::size_t>(index)];
  return images_->id(entry.image) + "_face" + std::to_string(entry.number);
}

}  // namespace portraitseg
