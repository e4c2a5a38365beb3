#include "portraitseg/metrics/protocol.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>

#include <nlohmann/json.hpp>
#include <opencv2/imgproc.hpp>

#include "portraitseg/core/error.h"
#include "portraitseg/core/file.h"
#include "portraitseg/data/sample.h"
#include "portraitseg/data/smooth_label.h"

namespace portraitseg {
namespace {

constexpr std::int64_t kLargestBatch = 65536;

const std::vector<std::string> kPortraitMetrics = {"iou", "boundary_f1", "edge_iou", "weighted_iou"};

/// The mean of those that are numbers; not a number if there is none.
double mean_of_numbers(std::vector<double> values) {
  values.erase(std::remove_if(values.begin(), values.end(), [](double value) { return std::isnan(value); }),
               values.end());
  const auto count = static_cast<double>(values.size());
  return sum_in_any_order(std::move(values)) / count;
}

}  // namespace

Protocol Protocol::with(const Perturbation& perturbed, const Views& seen,
                        const PostProcessing& processed) const {
  Protocol protocol = *this;
  protocol.perturbation = perturbed;
  protocol.views = seen;
  protocol.post = processed;
  for (const std::string& part : {perturbed.name(), seen.name(), processed.name()})
    if (!part.empty()) protocol.name += "+" + part;
  return protocol;
}

Preprocessing Protocol::adapt(Preprocessing own) const {
  if (geometry) own.geometry = *geometry;
  if (interpolation) own.interpolation = *interpolation;
  own.label_interpolation = label_interpolation;
  own.label_smoothing = label_smoothing;
  return own;
}

cv::Mat Protocol::place_label(const cv::Mat& mask, const Preprocessing& adapted) const {
  cv::Mat label = resolution == Resolution::kNative ? mask : adapted.place_mask(mask);
  if (label_smoothing > 0) label = smooth_label(label, static_cast<int>(label_smoothing));
  return compared_at == 0 ? label : place_prediction((label == 1) / 255);
}

cv::Mat Protocol::place_prediction(const cv::Mat& decided) const {
  if (compared_at == 0) return decided;
  const auto side = static_cast<int>(compared_at);
  cv::Mat placed;
  cv::resize(decided, placed, {side, side}, 0, 0, cv::INTER_LINEAR);
  return placed;
}

double Protocol::mean(const std::vector<double>& values) const {
  if (batch_means == 0) return mean_of_numbers(values);
  std::vector<double> means;
  for (auto first = values.begin(); first != values.end();) {
    const auto last = first + std::min<std::ptrdiff_t>(batch_means, values.end() - first);
    means.push_back(mean_of_numbers({first, last}));
    first = last;
  }
  return mean_of_numbers(means);
}

void Protocol::check_classes(std::int64_t classes) const {
  if (counting == Counting::kClasses || classes <= 2) return;
  throw UserError("the protocol " + name + " counts class 1 against one other, but the network has " +
                  std::to_string(classes) + " classes; the protocol mmseg counts each of them");
}

std::string Protocol::description() const {
  const bool native = resolution == Resolution::kNative;
  nlohmann::ordered_json json;
  json["geometry"] = geometry ? geometry_name(*geometry) : "of the network";
  json["interpolation"] = interpolation ? interpolation_name(*interpolation) : "of the network";
  json["resolution"] = native ? "native" : "network";
  if (!native) json["label"] = label_interpolation == LabelInterpolation::kCubic ? "cubic" : "nearest";
  if (label_smoothing > 0) json["label_smoothing"] = label_smoothing;
  if (compared_at > 0) json["compared_at"] = compared_at;
  if (counting == Counting::kForeground) json["foreground"] = 1;
  json["ignore"] = kIgnore;
  json["decision"] = "argmax, or logit > 0 of a single channel";
  if (counting == Counting::kClasses) {
    json["empty_union"] = "left out of the mean";
  } else {
    json["empty_union"] = empty_union;
  }
  if (!perturbation.empty()) json["perturbation"] = perturbation.name();
  if (!views.empty()) json["views"] = views.name();
  if (!post.empty()) json["post_processing"] = post.name();
  json["means_over"] = batch_means == 0 ? "images" : "batches of " + std::to_string(batch_means) + " images";
  json["figure"] = figure;
  return json.dump();
}

std::string Protocol::hash() const {
  return sha256(description());
}

double sum_in_any_order(std::vector<double> numbers) {
  for (const double number : numbers) {
    if (std::isnan(number)) return number;
  }
  std::sort(numbers.begin(), numbers.end());
  double sum = 0;
  for (const double number : numbers) sum += number;
  return sum;
}

const ProtocolRegistry& protocols() {
  static const ProtocolRegistry registry = [] {
    Protocol clova;
    clova.name = "clova";
    clova.geometry = Geometry::kSquash;
    clova.metrics = kPortraitMetrics;
    Protocol clova_batch = clova;
    clova_batch.name = "clova_batch";
    clova_batch.batch_means = 36;
    Protocol native;
    native.name = "native";
    native.resolution = Protocol::Resolution::kNative;
    native.metrics = kPortraitMetrics;
    Protocol portraitnet_unsmoothed;
    portraitnet_unsmoothed.name = "portraitnet_unsmoothed";
    portraitnet_unsmoothed.geometry = Geometry::kLetterbox;
    portraitnet_unsmoothed.interpolation = Interpolation::kCubic;
    portraitnet_unsmoothed.label_interpolation = LabelInterpolation::kCubic;
    portraitnet_unsmoothed.metrics = kPortraitMetrics;
    Protocol portraitnet = portraitnet_unsmoothed;
    portraitnet.name = "portraitnet";
    portraitnet.label_smoothing = 5;
    Protocol paddleseg = portraitnet;
    paddleseg.name = "paddleseg";
    paddleseg.figure = "miou";
    Protocol easyportrait = native;
    easyportrait.name = "easyportrait";
    easyportrait.figure = "miou";
    Protocol deepixel = native;
    deepixel.name = "deepixel";
    deepixel.compared_at = 256;
    deepixel.empty_union = 0;
    deepixel.metrics = {"deepixel_boundary"};
    Protocol mmseg;
    mmseg.name = "mmseg";
    mmseg.figure = "miou";
    mmseg.resolution = Protocol::Resolution::kNative;
    mmseg.counting = Protocol::Counting::kClasses;
    ProtocolRegistry list("protocol");
    for (const Protocol& protocol : {clova, clova_batch, native, portraitnet, portraitnet_unsmoothed,
                                     paddleseg, easyportrait, deepixel, mmseg})
      list.add(protocol.name, protocol);
    return list;
  }();
  return registry;
}

Protocol protocol_of(const std::string& text) {
  const std::size_t colon = text.find(':');
  Protocol protocol = protocols().at(text.substr(0, colon));
  if (colon == std::string::npos) return protocol;
  const std::string number = text.substr(colon + 1);
  const bool whole =
      !number.empty() && number.size() < 6 && number.find_first_not_of("0123456789") == std::string::npos;
  const std::int64_t images = whole ? std::atoll(number.c_str()) : 0;
  if (protocol.batch_means == 0)
    throw UserError("the protocol " + protocol.name + " takes no number: '" + text + "'");
  if (images < 1 || images > kLargestBatch) {
    throw UserError("'" + text + "': expected a number of images from 1 to " + std::to_string(kLargestBatch) +
                    ", as in " + protocol.name + ":40");
  }
  protocol.name = text;
  protocol.batch_means = images;
  return protocol;
}

}  // namespace portraitseg
