#include "portraitseg/report/overlay.h"

#include <algorithm>

#include <opencv2/imgcodecs.hpp>
#include <spdlog/fmt/fmt.h>

#include "portraitseg/core/error.h"
#include "portraitseg/core/file.h"

namespace portraitseg {
namespace {

const cv::Vec3b kAgreed(90, 200, 60), kMissed(230, 90, 30), kWrong(40, 40, 230);  // BGR

void write_png(const std::filesystem::path& path, const cv::Mat& image) {
  std::vector<unsigned char> bytes;
  if (!cv::imencode(".png", image, bytes)) throw std::logic_error("cannot encode " + path.string());
  write_file(path, {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

std::string file_name(std::size_t rank, const ImageResult& image) {
  std::string id = image.id;
  std::replace(id.begin(), id.end(), '/', '_');
  return fmt::format("worst_{:02}_{}_iou_{:.1f}.png", rank, id, 100 * image.counts.iou_foreground());
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

std::vector<std::filesystem::path> write_worst_overlays(const std::filesystem::path& folder,
                                                        const Evaluation& evaluation, const Dataset& dataset,
                                                        SegmentationModel& model,
                                                        const Preprocessing& preprocessing,
                                                        const Device& device, int count) {
  std::vector<const ImageResult*> order;
  for (const auto& image : evaluation.images) order.push_back(&image);
  std::stable_sort(order.begin(), order.end(), [](const ImageResult* a, const ImageResult* b) {
    return a->counts.iou_foreground() < b->counts.iou_foreground();
  });
  order.resize(std::min(order.size(), static_cast<std::size_t>(std::max(count, 0))));
  make_folder(folder);
  std::vector<std::filesystem::path> files;
  model.eval();
  ModelRunner runner(model, device, ModelRunner::Purpose::kInference);
  for (const ImageResult* image : order) {
    const Sample sample = dataset.get(image->index);
    files.push_back(folder / file_name(files.size() + 1, *image));
    write_png(files.back(), overlay(sample.image, sample.mask,
                                    predict(runner, evaluation.protocol.adapt(preprocessing), sample.image)));
  }
  return files;
}

}  // namespace portraitseg
