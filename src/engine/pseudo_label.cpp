#include "portraitseg/engine/pseudo_label.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>
#include <spdlog/fmt/fmt.h>
#include <torch/types.h>
#include <torch/utils.h>

#include "portraitseg/core/file.h"
#include "portraitseg/data/post_processing.h"
#include "portraitseg/engine/predictor.h"
#include "portraitseg/metrics/boundary_f1.h"

namespace portraitseg {
namespace {

constexpr int kBand = 15;  // px, SINet's at full resolution

cv::Mat portrait_of(const torch::Tensor& probabilities) {
  const bool single = probabilities.size(0) == 1;
  return (single ? decide(probabilities - 0.5) : decide(probabilities)) != 0;
}

/// 0 and 1, as the metrics want it.
cv::Mat as_class(const cv::Mat& portrait) {
  return portrait / 255;
}

double winning_probability(const torch::Tensor& probabilities) {
  const torch::Tensor winning = probabilities.size(0) == 1 ? torch::max(probabilities, 1 - probabilities)
                                                           : std::get<0>(probabilities.max(0));
  return winning.mean(torch::kFloat64).item<double>();
}

/// Of the portrait; 0 if there is none.
double share_of_largest_component(const cv::Mat& portrait) {
  const int all = cv::countNonZero(portrait);
  return all > 0 ? static_cast<double>(cv::countNonZero(largest_component(portrait))) / all : 0;
}

torch::Tensor probabilities_of(const torch::Tensor& logits) {
  return logits.size(0) == 1 ? torch::sigmoid(logits) : torch::softmax(logits, 0);
}

/// Both views' inputs, the photo's and the mirrored photo's: [2, channels, H, W].
torch::Tensor both_views(const Preprocessing& preprocessing, const cv::Mat& photo) {
  cv::Mat mirrored;
  cv::flip(photo, mirrored, 1);
  return torch::stack({preprocessing.normalise(preprocessing.place_image(photo)),
                       preprocessing.normalise(preprocessing.place_image(mirrored))});
}

/// The photo's size, shrunk or enlarged until its longer side is that of the network's input.
cv::Size size_of_checks(const Preprocessing& preprocessing, cv::Size photo) {
  const auto longer = static_cast<double>(std::max(preprocessing.size[0], preprocessing.size[1]));
  const double scale = longer / std::max(photo.width, photo.height);
  return {std::max(1, static_cast<int>(std::lround(photo.width * scale))),
          std::max(1, static_cast<int>(std::lround(photo.height * scale)))};
}

PseudoLabel label_views(ModelRunner& model, const Preprocessing& preprocessing, const torch::Tensor& views,
                        cv::Size photo) {
  const torch::NoGradGuard no_grad;
  const torch::Tensor logits = model.forward(views).mask.to(torch::kCPU).to(torch::kFloat32);
  const cv::Size size = size_of_checks(preprocessing, photo);
  const auto probabilities = probabilities_of(preprocessing.restore_logits(logits[0], size));
  const auto mirrored = probabilities_of(preprocessing.restore_logits(logits[1], size));
  return {decide(preprocessing.restore_logits(logits[0], photo)),
          label_quality(probabilities, mirrored.flip({2}))};
}

std::map<std::string, std::string> attributes_of(const LabelQuality& quality) {
  const auto text = [](double value) { return fmt::format("{:.4f}", value); };
  return {{"confidence", text(quality.confidence)},
          {"agreement", text(quality.agreement)},
          {"boundary_f1", text(quality.boundary_f1)},
          {"share", text(quality.share)},
          {"largest_component", text(quality.largest_component)}};
}

}  // namespace

std::string reason_to_reject(const LabelQuality& quality, const LabelLimits& limits) {
  if (quality.share < limits.smallest_share) return "small_share";
  if (quality.share > limits.largest_share) return "large_share";
  if (quality.largest_component < limits.largest_component) return "scattered";
  if (quality.confidence < limits.confidence) return "confidence";
  if (quality.agreement < limits.agreement) return "agreement";
  if (quality.boundary_f1 < limits.boundary_f1) return "boundary_f1";
  return "";
}

LabelQuality label_quality(const torch::Tensor& probabilities, const torch::Tensor& mirrored) {
  const cv::Mat portrait = portrait_of(probabilities);
  const cv::Mat label = as_class(portrait), other = as_class(portrait_of(mirrored));
  LabelQuality quality;
  quality.confidence = winning_probability(probabilities);
  quality.agreement = PixelCounts::of(other, label).iou_foreground();
  quality.boundary_f1 = boundary_counts(other, label, kBand).f1();
  quality.share = static_cast<double>(cv::countNonZero(portrait)) / static_cast<double>(portrait.total());
  quality.largest_component = share_of_largest_component(portrait);
  return quality;
}

PseudoLabel pseudo_label(ModelRunner& model, const Preprocessing& preprocessing, const cv::Mat& photo) {
  return label_views(model, preprocessing, both_views(preprocessing, photo), photo.size());
}

std::string pseudo_labels_sha256(const Dataset& photos, const std::string& model_sha256,
                                 Preprocessing preprocessing, const LabelLimits& limits) {
  return sha256(fmt::format("{}\n{}\n{}\n{} {} {} {} {} {}\n", photos.list_sha256, model_sha256,
                            ConfigWriter::yaml(preprocessing), limits.confidence, limits.agreement,
                            limits.boundary_f1, limits.smallest_share, limits.largest_share,
                            limits.largest_component));
}

PseudoLabels::PseudoLabels(std::shared_ptr<const Dataset> photos, SegmentationModel& model,
                           const std::string& model_sha256, const Preprocessing& preprocessing,
                           const LabelLimits& limits, const Device& device, const ScanOptions& options,
                           OnError on_error)
    : photos_(std::move(photos)) {
  struct Views {
    std::string id;
    torch::Tensor input;
    cv::Size size;
  };
  list = photos_->list;
  skipped = photos_->skipped;
  list_sha256 = pseudo_labels_sha256(*photos_, model_sha256, preprocessing, limits);
  model.eval();
  ModelRunner runner(model, device, ModelRunner::Purpose::kInference);
  std::int64_t index = 0;
  scan(
      *photos_, options,
      [&](const Sample& photo) {
        return Views{photo.id, both_views(preprocessing, photo.image), photo.image.size()};
      },
      [&](const Views& views) {
        try {
          const PseudoLabel label = label_views(runner, preprocessing, views.input, views.size);
          labelled_.push_back({index, views.id, label.quality, reason_to_reject(label.quality, limits)});
          if (labelled_.back().reason.empty()) {
            accepted_.push_back({labelled_.size() - 1, {}});
            cv::imencode(".png", label.mask, accepted_.back().mask);
          }
        } catch (const UserError& refusal) {  // of the size
          if (preprocessing.geometry != Geometry::kKeep) throw;
          const DataError error(views.id, refusal.what());
          if (on_error == OnError::kFail) throw error;
          skipped.emplace_back(error.what());
        }
        ++index;
      },
      [&](const std::string&, const DataError& error) {
        if (on_error == OnError::kFail) throw;
        skipped.emplace_back(error.what());
        ++index;
      });
}

Sample PseudoLabels::get(std::int64_t index) const {
  const Accepted& accepted = accepted_[static_cast<std::size_t>(index)];
  const LabelledPhoto& photo = labelled_[accepted.photo];
  Sample sample = photos_->get(photo.index);
  sample.mask = cv::imdecode(accepted.mask, cv::IMREAD_UNCHANGED);
  for (auto& [name, value] : attributes_of(photo.quality)) sample.attributes[name] = value;
  return sample;
}

std::string PseudoLabels::id(std::int64_t index) const {
  return labelled_[accepted_[static_cast<std::size_t>(index)].photo].id;
}

std::vector<LabelledPhoto> PseudoLabels::accepted() const {
  std::vector<LabelledPhoto> photos;
  for (const auto& accepted : accepted_) photos.push_back(labelled_[accepted.photo]);
  return photos;
}

}  // namespace portraitseg
