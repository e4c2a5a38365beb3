#include "predict_output.h"

#include <regex>
#include <set>
#include <stdexcept>

#include <opencv2/core.hpp>

#include "portraitseg/core/error.h"
#include "portraitseg/core/file.h"
#include "portraitseg/data/composite.h"
#include "portraitseg/data/image_file.h"
#include "portraitseg/data/video_file.h"
#include "portraitseg/report/class_overlay.h"

#include "output_place.h"

namespace portraitseg {
namespace {

namespace fs = std::filesystem;

/// A picture of one pixel, or nothing if the text is no colour.
cv::Mat parse_color(const std::string& text) {
  static const std::regex form("([0-9]{1,3}),([0-9]{1,3}),([0-9]{1,3})");
  std::smatch match;
  if (!std::regex_match(text, match, form)) return {};
  const int red = std::stoi(match[1]), green = std::stoi(match[2]), blue = std::stoi(match[3]);
  if (red > 255 || green > 255 || blue > 255)
    throw UserError("--background '" + text + "': a colour is R,G,B, each from 0 to 255");
  return cv::Mat(1, 1, CV_8UC3, cv::Scalar(blue, green, red));
}

std::set<Picture> wanted_pictures(const OutputOptions& options, bool video) {
  std::set<Picture> wanted;
  if (options.mask) wanted.insert(Picture::kMask);
  if (options.cutout) wanted.insert(Picture::kCutout);
  if (options.overlay) wanted.insert(Picture::kOverlay);
  if (!options.background.empty()) wanted.insert(Picture::kBackground);
  if (!wanted.empty()) return wanted;
  return video ? std::set<Picture>{Picture::kMask} : std::set<Picture>{Picture::kMask, Picture::kCutout};
}

std::string extension_of(Picture picture, const MediaFile& input, int jpeg_quality) {
  if (input.video) return video_extension(input.path);
  const bool lossless = picture == Picture::kMask || picture == Picture::kCutout || jpeg_quality == 0;
  return lossless ? ".png" : ".jpg";
}

OutputFiles output_files(const MediaFile& input, const OutputOptions& options) {
  OutputFiles files;
  for (const Picture picture : wanted_pictures(options, input.video)) {
    if (picture == Picture::kCutout && input.video)
      throw DataError(input.path,
                      "--cutout: a video has no alpha channel; --background 0,255,0 is near to it");
    files[picture] = options.folder / (input.name + "_" + picture_name(picture) +
                                       extension_of(picture, input, options.jpeg_quality));
  }
  return files;
}

/// By the path on the disk, whatever links lead there.
std::string place_of(const fs::path& path) {
  return fs::weakly_canonical(fs::absolute(path)).string();
}

fs::path temporary_of(const fs::path& file, bool video) {
  const fs::path written = behind_link(file);
  return video ? temporary_video(written) : temporary_name(written);
}

void refuse_collisions(const std::vector<Planned>& all, const std::vector<fs::path>& read,
                       const std::string& json) {
  const bool has_json = !json.empty() && json != "-";
  std::set<std::string> inputs;
  for (const auto& planned : all) inputs.insert(place_of(planned.input.path));
  for (const auto& path : read) inputs.insert(place_of(path));
  std::map<std::string, fs::path> writers;
  for (const auto& planned : all) {
    for (const auto& [picture, file] : planned.outputs) {
      const std::string place = place_of(file);
      const fs::path temporary = temporary_of(file, planned.input.video);
      if (inputs.count(place) > 0) throw DataError(file, "is a file that is read; choose another --output");
      if (inputs.count(place_of(temporary)) > 0)
        throw DataError(temporary, "is a file that is read, and a temporary name; choose another --output");
      if (has_json && place == place_of(json))
        throw DataError(json, "is written for " + planned.input.path.string() + "; choose another --json");
      const auto [taken, is_new] = writers.emplace(place, planned.input.path);
      if (!is_new)
        throw DataError(file, "would be written for two inputs: " + taken->second.string() + " and " +
                                  planned.input.path.string());
    }
  }
}

}  // namespace

std::string picture_name(Picture picture) {
  switch (picture) {
    case Picture::kMask:
      return "mask";
    case Picture::kCutout:
      return "cutout";
    case Picture::kOverlay:
      return "overlay";
    case Picture::kBackground:
      return "background";
  }
  throw std::logic_error("a picture without a name");
}

Background::Background(const std::string& text) : blurred_(text == "blur") {
  if (blurred_) return;
  picture_ = parse_color(text);
  if (picture_.empty()) picture_ = read_image(text);
}

cv::Mat Background::picture_of(cv::Size size) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (last_.size() != size) last_ = cover(picture_, size);  // a new one: others may still use the old
  return last_;
}

cv::Mat Background::behind(const cv::Mat& image, const cv::Mat& alpha) const {
  // Before its own background the image's edges look right; the portrait's colours alone would be a glow around it.
  if (blurred_) return blend(image, blurred_background(image, alpha), alpha);
  return blend(portrait_colors(image, alpha), picture_of(image.size()), alpha);
}

std::vector<Planned> plan_outputs(const std::vector<std::string>& inputs, const OutputOptions& options,
                                  const std::vector<fs::path>& read) {
  for (const auto& input : inputs) refuse_among_photos(input, options.folder);
  std::vector<Planned> all;
  for (auto& input : media_files(inputs)) {
    OutputFiles outputs = output_files(input, options);
    all.push_back({std::move(input), std::move(outputs)});
  }
  refuse_collisions(all, read, options.json);
  return all;
}

cv::Mat draw_picture(Picture picture, const cv::Mat& image, const Prediction& prediction,
                     const Background* background, bool several_classes) {
  switch (picture) {
    case Picture::kMask:
      return several_classes ? prediction.mask : prediction.mask != 0;
    case Picture::kCutout:
      return cut_out(image, alpha_of(prediction.portrait));
    case Picture::kOverlay:
      return class_overlay(image, prediction.mask);
    case Picture::kBackground:
      return background->behind(image, alpha_of(prediction.portrait));
  }
  throw std::logic_error("a picture that cannot be drawn");
}

}  // namespace portraitseg
