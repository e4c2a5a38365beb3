#include "portraitseg/report/overlay.h"

#include <algorithm>
#include <cmath>

#include <opencv2/imgcodecs.hpp>
#include <spdlog/fmt/fmt.h>

#include "portraitseg/core/error.h"
#include "portraitseg/core/file.h"
#include "portraitseg/report/class_overlay.h"

namespace portraitseg {
namespace {

const cv::Vec3b kAgreed(90, 200, 60), kMissed(230, 90, 30), kWrong(40, 40, 230);  // BGR

void write_png(const std::filesystem::path& path, const cv::Mat& image) {
  std::vector<unsigned char> bytes;
  if (!cv::imencode(".png", image, bytes)) throw std::logic_error("cannot encode " + path.string());
  write_file(path, {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

bool counts_classes(const Evaluation& evaluation) {
  return evaluation.protocol.counting == Protocol::Counting::kClasses;
}

/// By which images are called bad, percent.
double quality(const Evaluation& evaluation, const ImageRow& image) {
  for (const auto& [name, title, value] : evaluation.figures_of(image)) {
    if (name == (counts_classes(evaluation) ? "miou" : "iou_foreground"))
      return std::isnan(value) ? 100 : value;  // nothing of it is labelled, so nothing is wrong
  }
  return 100;
}

struct Ranked {
  const ImageRow* image;
  double quality;
};

std::string file_name(std::size_t rank, const Ranked& ranked, bool classes) {
  std::string id = ranked.image->id;
  std::replace(id.begin(), id.end(), '/', '_');
  return fmt::format("worst_{:02}_{}_{}_{:.1f}.png", rank, id, classes ? "miou" : "iou", ranked.quality);
}

}  // namespace

cv::Mat overlay(const cv::Mat& image, const cv::Mat& label, const cv::Mat& prediction) {
  cv::Mat picture;
  cv::hconcat(image, image, picture);
  for (int y = 0; y < image.rows; ++y) {
    cv::Vec3b* const row = picture.ptr<cv::Vec3b>(y) + image.cols;
    for (int x = 0; x < image.cols; ++x) {
      const bool portrait = label.at<std::uint8_t>(y, x) == 1,
                 predicted = prediction.at<std::uint8_t>(y, x) == 1;
      if (!portrait && !predicted) continue;
      const cv::Vec3b& tint = portrait && predicted ? kAgreed : portrait ? kMissed : kWrong;
      for (int c = 0; c < 3; ++c) row[x][c] = static_cast<std::uint8_t>((row[x][c] + tint[c]) / 2);
    }
  }
  return picture;
}

cv::Mat overlay_of_classes(const cv::Mat& image, const cv::Mat& label, const cv::Mat& prediction) {
  cv::Mat picture;
  cv::hconcat(class_overlay(image, label), class_overlay(image, prediction), picture);
  return picture;
}

std::vector<std::filesystem::path> write_worst_overlays(const std::filesystem::path& folder,
                                                        const Evaluation& evaluation, const Dataset& dataset,
                                                        SegmentationModel& model,
                                                        const Preprocessing& preprocessing,
                                                        const Device& device, int count) {
  std::vector<Ranked> order;
  for (const auto& image : evaluation.images) order.push_back({&image, quality(evaluation, image)});
  std::stable_sort(order.begin(), order.end(),
                   [](const Ranked& a, const Ranked& b) { return a.quality < b.quality; });
  order.resize(std::min(order.size(), static_cast<std::size_t>(std::max(count, 0))), Ranked{});
  make_folder(folder);
  std::vector<std::filesystem::path> files;
  Predictor predictor(model, evaluation.protocol.adapt(preprocessing), device);
  const bool classes = counts_classes(evaluation);
  for (const Ranked& ranked : order) {
    const Sample sample = dataset.get(ranked.image->index);
    files.push_back(folder / file_name(files.size() + 1, ranked, classes));
    const cv::Mat prediction = predictor.predict(sample.image).mask;
    write_png(files.back(), (classes ? overlay_of_classes : overlay)(sample.image, sample.mask, prediction));
  }
  return files;
}

}  // namespace portraitseg
