#include "portraitseg/report/evaluated_images.h"

#include <cmath>
#include <filesystem>
#include <map>
#include <sstream>

#include <opencv2/core.hpp>
#include <spdlog/fmt/fmt.h>

#include "portraitseg/core/error.h"
#include "portraitseg/data/image_file.h"
#include "portraitseg/engine/evaluator.h"
#include "portraitseg/engine/run_config.h"
#include "portraitseg/report/evaluation_folder.h"

namespace portraitseg {
namespace {

namespace fs = std::filesystem;

constexpr double kSame = 0.01;  // percent; per_image.csv has ten digits

fs::path mask_of(const EvaluationResult& result, std::size_t image) {
  return result.folder / mask_file(result.protocol, result.ids[image]);
}

/// The protocol that Protocol::with() gave this name.
Protocol protocol_called(const std::string& name) {
  std::istringstream parts(name);
  std::string base, part, steps, post;
  std::getline(parts, base, '+');
  Views views;
  const auto add = [&](std::string& list) { list += (list.empty() ? "" : ",") + part; };
  while (std::getline(parts, part, '+')) {
    if (part == "flip") {
      views.flip = true;
    } else if (part.rfind("scales:", 0) == 0) {
      views.scales.clear();
      std::istringstream scales(part.substr(part.find(':') + 1));
      for (std::string scale; std::getline(scales, scale, ':');) views.scales.push_back(std::stod(scale));
    } else if (part == "largest_component" || part.rfind("guided_filter:", 0) == 0) {
      add(post);
    } else {
      add(steps);
    }
  }
  return protocol_of(base).with(Perturbation::parse(steps.empty() ? "none" : steps), views,
                                PostProcessing::parse(post.empty() ? "none" : post));
}

/// Percent; not a number where nothing is portrait.
double foreground_iou(const EvaluatedView& view) {
  const cv::Mat labelled = view.label != kIgnore;
  const cv::Mat portrait = view.label == 1, predicted = (view.prediction == 1) & labelled;
  return 100.0 * cv::countNonZero(portrait & predicted) / cv::countNonZero(portrait | predicted);
}

/// @param found what label and mask give today @throws DataError if per_image.csv says something else
void check_figure(const EvaluationResult& result, std::size_t image, const std::string& figure,
                  double found) {
  const auto measured = result.numbers.find(figure);
  if (measured == result.numbers.end() || std::isnan(found)) return;
  const double expected = measured->second[image];
  if (std::abs(found - expected) <= kSame) return;
  throw DataError(mask_of(result, image),
                  fmt::format("gives {} {:.2f} with the label that is there now, per_image.csv has {:.2f}: "
                              "something else was measured",
                              figure, found, expected));
}

/// What the network is shown, as a picture; where only the ratio changes, the image itself.
cv::Mat shown(const cv::Mat& image, const Protocol& protocol, const Preprocessing& adapted) {
  const bool native = protocol.resolution == Protocol::Resolution::kNative;
  if (native || adapted.geometry != Geometry::kLetterbox) return image;
  cv::Mat placed;
  adapted.place_image(image).convertTo(placed, CV_8UC3);
  return placed;
}

}  // namespace

EvaluatedImages::EvaluatedImages(const std::vector<EvaluationResult>& results) : results_(results) {
  for (const EvaluationResult& result : results) {
    const RunConfig config = RunConfig::load(result.folder / "config.yaml");
    protocols_.push_back(protocol_called(result.protocol));
    if (protocols_.back().hash() != result.protocol_hash)
      throw UserError(
          fmt::format("{}: the protocol {} has other rules today", result.folder.string(), result.protocol));
    preprocessings_.push_back(protocols_.back().adapt(config.preprocessing));
    if (!dataset_) dataset_ = config.data.options->open(config.data.val_list, config.data.on_error);
  }
  if (dataset_->list_sha256 != results.front().list_sha256)
    throw DataError(dataset_->list, "is not the list that was measured (its SHA-256 is another)");
  std::map<std::string, std::int64_t> by_id;
  for (std::int64_t i = 0; i < dataset_->size(); ++i) by_id[dataset_->id(i)] = i;
  for (const std::string& id : results.front().ids) {
    const auto found = by_id.find(id);
    if (found == by_id.end())
      throw DataError(dataset_->list, "has no image '" + id + "', which was measured");
    indices_.push_back(found->second);
  }
}

EvaluatedView EvaluatedImages::view(std::size_t result, std::size_t image, const Sample& original) const {
  const Protocol& protocol = protocols_[result];
  const Sample sample = protocol.perturbation.apply(original);
  const Preprocessing& adapted = preprocessings_[result];
  const fs::path file = mask_of(results_[result], image);
  EvaluatedView view;
  view.prediction = read_mask_values(file);
  view.label = protocol.place_label(sample.mask, adapted);
  if (view.label.size() != view.prediction.size()) {
    throw DataError(file, fmt::format("is {}x{} pixels, the label {}x{}", view.prediction.cols,
                                      view.prediction.rows, view.label.cols, view.label.rows));
  }
  view.image = shown(sample.image, protocol, adapted);
  return view;
}

std::vector<EvaluatedView> EvaluatedImages::get(std::size_t image) const {
  const Sample sample = dataset_->get(indices_.at(image));
  std::vector<EvaluatedView> views;
  for (std::size_t result = 0; result < results_.size(); ++result) {
    views.push_back(view(result, image, sample));
    check_figure(results_[result], image, "foreground_share", foreground_share(views.back().label));
    if (!counts_classes())
      check_figure(results_[result], image, "iou_foreground", foreground_iou(views.back()));
  }
  return views;
}

}  // namespace portraitseg
