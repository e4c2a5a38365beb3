#include "portraitseg/engine/evaluator.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include <opencv2/core.hpp>
#include <torch/torch.h>

#include "portraitseg/core/error.h"
#include "portraitseg/core/parallel.h"
#include "portraitseg/data/ordered_map.h"
#include "portraitseg/metrics/boundary_f1.h"
#include "portraitseg/metrics/edge_iou.h"
#include "portraitseg/metrics/weighted_iou.h"
#include "portraitseg/nn/resample.h"

namespace portraitseg {
namespace {

/// One image, ready for the network, and the mask it will be measured against.
struct Example {
  std::int64_t index = 0;
  std::string id;
  torch::Tensor input;  ///< [3, H, W]
  cv::Size image_size;
  cv::Mat label;
  std::string error;  ///< why it is skipped; empty: it is not
};

Example make_example(const Dataset& dataset, std::int64_t index, const Preprocessing& preprocessing,
                     const Protocol& protocol, OnError on_error) {
  Example example;
  example.index = index;
  try {
    Sample sample = dataset.get(index);
    example.id = sample.id;
    example.image_size = sample.image.size();
    example.input = preprocessing.normalise(preprocessing.place_image(sample.image));
    const bool native = protocol.resolution == Protocol::Resolution::kNative;
    example.label = native ? sample.mask : preprocessing.place_mask(sample.mask);
  } catch (const DataError& error) {
    if (on_error == OnError::kFail) throw;
    example.error = error.what();
  }
  return example;
}

/// How many classes logits [N, C, H, W] decide between.
std::int64_t classes_of(const torch::Tensor& logits) {
  return std::max<std::int64_t>(2, logits.size(1));
}

/// Every class of the mask must be one of the network's.
void check_label(const Example& example, std::int64_t classes) {
  double largest = 0;
  cv::minMaxLoc(example.label, nullptr, &largest, nullptr, nullptr, example.label != kIgnore);
  if (largest < static_cast<double>(classes)) return;
  throw UserError(example.id + ": the mask has class " + std::to_string(std::lround(largest)) +
                  ", but the network's are 0 to " + std::to_string(classes - 1));
}

ImageResult measure(const cv::Mat& prediction, const Example& example, const Protocol& protocol,
                    std::int64_t classes) {
  ImageResult result;
  result.index = example.index;
  result.id = example.id;
  result.height = prediction.rows;
  result.width = prediction.cols;
  if (protocol.counting == Protocol::Counting::kClasses) {
    result.classes = ClassCounts::of(prediction, example.label, classes);
    return result;
  }
  result.counts = PixelCounts::of(prediction, example.label);
  for (const int kernel : protocol.band_kernels) {
    result.bands[kernel] = boundary_counts(prediction, example.label, kernel);
  }
  const auto edge = edge_iou(prediction, example.label, protocol.edge_sigmas);
  for (std::size_t i = 0; i < edge.size(); ++i) result.edge_iou[protocol.edge_sigmas[i]] = edge[i];
  const auto weighted = weighted_iou(prediction, example.label, protocol.weighted_sigmas);
  for (std::size_t i = 0; i < weighted.size(); ++i)
    result.weighted_iou[protocol.weighted_sigmas[i]] = weighted[i];
  return result;
}

/// Forward and measure; the inputs of a batch have one size.
void evaluate_batch(ModelRunner& model, const Preprocessing& preprocessing, const Protocol& protocol,
                    const std::vector<Example>& batch, std::vector<ImageResult>& results) {
  std::vector<torch::Tensor> inputs;
  for (const auto& example : batch) inputs.push_back(example.input);
  const torch::Tensor logits = model.forward(torch::stack(inputs)).mask.to(torch::kCPU);
  const std::int64_t classes = classes_of(logits);
  protocol.check_classes(classes);
  if (protocol.counting == Protocol::Counting::kClasses) {
    for (const auto& example : batch) check_label(example, classes);
  }
  const std::size_t first = results.size();
  results.resize(first + batch.size());
  parallel_for(0, static_cast<std::int64_t>(batch.size()), 1, [&](std::int64_t begin, std::int64_t end) {
    const torch::NoGradGuard no_grad;  // the guard is per thread
    for (std::int64_t i = begin; i < end; ++i) {
      const Example& example = batch[static_cast<std::size_t>(i)];
      const bool native = protocol.resolution == Protocol::Resolution::kNative;
      const torch::Tensor sized =
          native ? preprocessing.restore_logits(logits[i], example.image_size)
                 : resize_logits(logits.slice(0, i, i + 1), example.label.rows, example.label.cols)[0];
      results[first + static_cast<std::size_t>(i)] = measure(decide(sized), example, protocol, classes);
    }
  });
}

/// The class of the largest logit, the first of equal ones; not a number counts as the largest, as in torch::argmax, which takes
/// 20 times as long over the first dimension. A single channel competes with 0.
/// @param mask all 0
template <class T>
void take_largest(const T* planes, std::int64_t classes, std::int64_t pixels, std::uint8_t* mask) {
  if (classes == 1) std::transform(planes, planes + pixels, mask, [](T logit) { return logit > 0; });
  std::vector<T> best(planes, planes + pixels);
  for (std::int64_t c = 1; c < classes; ++c) {
    const T* const plane = planes + c * pixels;
    for (std::int64_t i = 0; i < pixels; ++i) {
      const T largest = best[static_cast<std::size_t>(i)];
      const bool wins = !(plane[i] <= largest) && !std::isnan(largest);
      best[static_cast<std::size_t>(i)] = wins ? plane[i] : largest;
      mask[i] = wins ? static_cast<std::uint8_t>(c) : mask[i];
    }
  }
}

}  // namespace

Evaluation evaluate(SegmentationModel& model, const Preprocessing& own_preprocessing, const Dataset& dataset,
                    const Protocol& protocol, const EvaluatorOptions& options, const Device& device) {
  const torch::NoGradGuard no_grad;
  model.eval();
  ModelRunner runner(model, device, ModelRunner::Purpose::kInference);
  const Preprocessing preprocessing = protocol.adapt(own_preprocessing);
  Evaluation evaluation{
      protocol,       dataset.list.filename().string(), dataset.list_sha256, preprocessing.size, {},
      dataset.skipped};
  OrderedMap<Example> examples(
      dataset.size(), options.workers, 2 * options.batch_size, [&](std::int64_t index) {
        return make_example(dataset, index, preprocessing, protocol, options.on_error);
      });
  std::vector<Example> batch;
  const auto flush = [&] {
    if (!batch.empty()) evaluate_batch(runner, preprocessing, protocol, batch, evaluation.images);
    batch.clear();
  };
  std::int64_t done = 0;
  while (std::optional<Example> example = examples.next()) {
    ++done;
    if (options.progress) options.progress(done, dataset.size());
    if (!example->error.empty()) {
      evaluation.skipped.push_back(example->error);
      continue;
    }
    const bool fits = batch.empty() || batch.front().input.sizes() == example->input.sizes();
    if (!fits || static_cast<std::int64_t>(batch.size()) == options.batch_size) flush();
    batch.push_back(std::move(*example));
  }
  flush();
  if (evaluation.images.empty()) throw DataError(dataset.list, "no image of the list could be used");
  if (std::isnan(evaluation.metrics().miou))
    throw DataError(dataset.list, "no pixel of its masks is labelled");
  return evaluation;
}

cv::Mat predict(ModelRunner& model, const Preprocessing& preprocessing, const cv::Mat& image) {
  const torch::NoGradGuard no_grad;
  const torch::Tensor input = preprocessing.normalise(preprocessing.place_image(image)).unsqueeze(0);
  const torch::Tensor logits = model.forward(input).mask.to(torch::kCPU);
  return decide(preprocessing.restore_logits(logits[0], image.size()));
}

cv::Mat decide(const torch::Tensor& logits) {
  const torch::Tensor planes =
      (logits.scalar_type() == torch::kFloat64 ? logits : logits.to(torch::kFloat32)).contiguous();
  cv::Mat mask = cv::Mat::zeros(static_cast<int>(logits.size(1)), static_cast<int>(logits.size(2)), CV_8UC1);
  AT_DISPATCH_FLOATING_TYPES(planes.scalar_type(), "decide", [&] {
    take_largest(planes.data_ptr<scalar_t>(), planes.size(0), static_cast<std::int64_t>(mask.total()),
                 mask.data);
  });
  return mask;
}

Metrics Evaluation::metrics() const {
  Metrics metrics;
  if (protocol.counting == Protocol::Counting::kClasses) {
    ClassCounts total;
    for (const auto& image : images) total += image.classes;
    for (const double iou : total.iou()) metrics.class_iou.push_back(100 * iou);
    metrics.pixel_accuracy = 100 * total.accuracy();
    metrics.miou = 100 * total.miou();
    return metrics;
  }
  PixelCounts total;
  const double share = 100.0 / static_cast<double>(images.size());
  for (const auto& image : images) {
    total += image.counts;
    metrics.iou_foreground += share * image.counts.iou_foreground();
    metrics.iou_background += share * image.counts.iou_background();
    metrics.miou_per_image += share * image.counts.miou();
    for (const auto& [kernel, counts] : image.bands) metrics.boundary_f1[kernel] += share * counts.f1();
    for (const auto& [sigma, value] : image.edge_iou) metrics.edge_iou[sigma] += share * value;
    for (const auto& [sigma, value] : image.weighted_iou) metrics.weighted_iou[sigma] += share * value;
  }
  metrics.miou = 100 * total.miou();
  return metrics;
}

std::map<std::string, double> Metrics::recorded() const {
  std::map<std::string, double> figures = {{"miou", miou}};
  if (class_iou.empty()) {
    figures["iou_foreground"] = iou_foreground;
    figures["iou_background"] = iou_background;
    figures["miou_per_image"] = miou_per_image;
    for (const auto& [kernel, value] : boundary_f1) figures["boundary_f1_" + std::to_string(kernel)] = value;
    return figures;
  }
  figures["pixel_accuracy"] = pixel_accuracy;
  const std::size_t digits =
      std::to_string(class_iou.size() - 1).size();  // names in the order of the classes
  for (std::size_t c = 0; c < class_iou.size(); ++c) {
    const std::string number = std::to_string(c);
    if (!std::isnan(class_iou[c]))
      figures["class_iou_" + std::string(digits - number.size(), '0') + number] = class_iou[c];
  }
  return figures;
}

}  // namespace portraitseg
