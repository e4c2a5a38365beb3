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

/// By which images are called bad, 0..1.
double quality(const ImageResult& image, const Protocol& protocol) {
  if (protocol.counting == Protocol::Counting::kForeground) return image.counts.iou_foreground();
  const double miou = image.classes.miou();
  return std::isnan(miou) ? 1 : miou;  // nothing of it is labelled, so nothing is wrong
}

std::string file_name(std::size_t rank, const ImageResult& image, const Protocol& protocol) {
  std::string id = image.id;
  std::replace(id.begin(), id.end(), '/', '_');
  const char* const figure = protocol.counting == Protocol::Counting::kForeground ? "iou" : "miou";
  return fmt::format("worst_{:02}_{}_{}_{:.1f}.png", rank, id, figure, 100 * quality(image, protocol));
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
  const Protocol& protocol = evaluation.protocol;
  std::vector<const ImageResult*> order;
  for (const auto& image : evaluation.images) order.push_back(&image);
  std::stable_sort(order.begin(), order.end(), [&](const ImageResult* a, const ImageResult* b) {
    return quality(*a, protocol) < quality(*b, protocol);
  });
  order.resize(std::min(order.size(), static_cast<std::size_t>(std::max(count, 0))));
  make_folder(folder);
  std::vector<std::filesystem::path> files;
  model.eval();
  ModelRunner runner(model, device, ModelRunner::Purpose::kInference);
  for (const ImageResult* image : order) {
    const Sample sample = dataset.get(image->index);
    files.push_back(folder / file_name(files.size() + 1, *image, protocol));
    const cv::Mat prediction = predict(runner, protocol.adapt(preprocessing), sample.image);
    const bool classes = protocol.counting == Protocol::Counting::kClasses;
    write_png(files.back(), (classes ? overlay_of_classes : overlay)(sample.image, sample.mask, prediction));
  }
  return files;
}

}  // namespace portraitseg
