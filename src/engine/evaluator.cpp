#include "portraitseg/engine/evaluator.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <memory>
#include <optional>
#include <stdexcept>
#include <utility>

#include <opencv2/core.hpp>
#include <opencv2/imgproc.hpp>
#include <spdlog/fmt/fmt.h>
#include <torch/types.h>
#include <torch/utils.h>

#include "portraitseg/core/error.h"
#include "portraitseg/core/parallel.h"
#include "portraitseg/data/ordered_map.h"

namespace portraitseg {
namespace {

/// One image, ready for the networks, and the labels that it will be measured against.
struct Example {
  std::int64_t index = 0;
  std::string id, error;  ///< why it is skipped; empty: it is not
  cv::Size size;
  double brightness = 0;
  std::map<std::string, std::string> attributes;
  MirroredClasses mirrored;
  std::vector<torch::Tensor> inputs;  ///< [C, H, W], by Pass::View
  std::vector<cv::Mat> labels;        ///< by Pass::Label

  /// By Pass::Look, at the network's size and the image's: Predictor::guide().
  std::vector<std::array<cv::Mat, 2>> guides;
};

/// Of what waits to be measured; it grows with the views.
std::int64_t bytes_of(const Example& example) {
  const auto pixels = [](const cv::Mat& image) { return image.total() * image.elemSize(); };
  std::size_t bytes = 0;
  for (const auto& input : example.inputs) bytes += input.nbytes();
  for (const auto& label : example.labels) bytes += pixels(label);
  for (const auto& guides : example.guides) bytes += pixels(guides[0]) + pixels(guides[1]);
  return static_cast<std::int64_t>(bytes);
}

double mean_luma(const cv::Mat& image) {
  cv::Mat grey;
  cv::cvtColor(image, grey, cv::COLOR_BGR2GRAY);
  return cv::mean(grey)[0];
}

/// How many classes logits [N, C, H, W] decide between.
std::int64_t classes_of(const torch::Tensor& logits) {
  return std::max<std::int64_t>(2, logits.size(1));
}

/// Every class of the mask must be one of the network's.
void check_label(const cv::Mat& label, const std::string& id, std::int64_t classes) {
  double largest = 0;
  cv::minMaxLoc(label, nullptr, &largest, nullptr, nullptr, label != kIgnore);
  if (largest < static_cast<double>(classes)) return;
  throw UserError(id + ": the mask has class " + std::to_string(std::lround(largest)) +
                  ", but the network's are 0 to " + std::to_string(classes - 1));
}

/// What an input follows from besides the image; two networks of the same are shown the same one.
std::string key_of_input(Preprocessing preprocessing) {
  preprocessing.label_interpolation = {};
  preprocessing.label_smoothing = 0;
  return ConfigWriter::yaml(preprocessing);
}

/// What a label follows from besides the mask.
std::string key_of_label(const Protocol& protocol, const Preprocessing& adapted) {
  const bool native = protocol.resolution == Protocol::Resolution::kNative;
  const std::string placed =
      native ? "native"
             : fmt::format("{} {} {}", geometry_name(adapted.geometry), fmt::join(adapted.size, "x"),
                           static_cast<int>(adapted.label_interpolation));
  return fmt::format("{} {} {}", placed, protocol.label_smoothing, protocol.compared_at);
}

/// The place of the item with this key, which is added where there is none.
template <class Item>
std::size_t place_of(std::vector<Item>& items, const std::string& key, const Item& item) {
  const auto found = std::find_if(items.begin(), items.end(), [&](const Item& i) { return i.key == key; });
  if (found != items.end()) return static_cast<std::size_t>(found - items.begin());
  items.push_back(item);
  return items.size() - 1;
}

/// Everything that is measured while a list is read once; what several evaluations need is done once.
class Pass {
 public:
  Pass(const std::vector<EvaluatedNetwork>& networks, const Dataset& dataset,
       const std::vector<Protocol>& protocols, const EvaluatorOptions& options, const Device& device);

  Example load(std::int64_t index) const;  ///< may run in many threads
  void measure(const std::vector<Example>& batch);
  std::vector<Evaluation> finish();

 private:
  struct Change {
    std::string key;
    Perturbation perturbation;
  };
  /// What a network is shown of an image.
  struct View {
    std::string key;
    std::size_t change = 0;
    Preprocessing preprocessing;
  };
  struct Label {
    std::string key;
    std::size_t change = 0;
    Protocol protocol;
    Preprocessing preprocessing;
  };
  struct Measured {
    std::size_t label = 0;
    Evaluation evaluation;
  };
  /// A network looking at a view, and what is made of its logits.
  struct Look {
    std::string key;
    std::shared_ptr<Predictor> predictor;
    std::size_t view = 0;
    std::vector<std::size_t> measured;
  };

  void choose_metrics(const Look& look, const torch::Tensor& logits, const std::vector<Example>& batch);
  void measure(const Look& look, const torch::Tensor& logits, const Example& example,
               const std::array<cv::Mat, 2>& guides, std::size_t row);

  const Dataset& dataset_;
  const EvaluatorOptions& options_;
  std::vector<Change> changes_;
  std::vector<View> views_;
  std::vector<Label> labels_;
  std::vector<Look> looks_;
  std::vector<Measured> measured_;
};

Pass::Pass(const std::vector<EvaluatedNetwork>& networks, const Dataset& dataset,
           const std::vector<Protocol>& protocols, const EvaluatorOptions& options, const Device& device)
    : dataset_(dataset), options_(options) {
  for (const auto& network : networks) {
    const std::size_t first_look = measured_.size();
    std::map<std::string, std::shared_ptr<Predictor>> predictors;
    for (const Protocol& protocol : protocols) {
      const Preprocessing adapted = protocol.adapt(network.preprocessing);
      const std::string changed = protocol.perturbation.name() + " ";
      const std::size_t change = place_of(changes_, changed, {changed, protocol.perturbation});
      const std::string input = key_of_input(adapted);
      const std::string answer = protocol.views.name() + " " + protocol.post.name() + " " + input;
      auto& predictor = predictors[answer];
      if (!predictor)
        predictor =
            std::make_shared<Predictor>(*network.model, adapted, device, protocol.views, protocol.post);

      const std::string seen = changed + input;
      const std::string look_key =
          std::to_string(first_look) + " " + changed + answer;  // a network has its own looks
      const Look look{look_key, predictor, place_of(views_, seen, {seen, change, adapted}), {}};
      looks_[place_of(looks_, look_key, look)].measured.push_back(measured_.size());
      const std::string label = changed + key_of_label(protocol, adapted);
      measured_.push_back({place_of(labels_, label, {label, change, protocol, adapted}),
                           {protocol,
                            network.identity,
                            dataset.list.filename().string(),
                            dataset.list_sha256,
                            adapted.size,
                            {},
                            {},
                            dataset.skipped}});
    }
  }
}

Example Pass::load(std::int64_t index) const {
  Example example;
  example.index = index;
  try {
    const Sample sample = dataset_.get(index);
    example.id = sample.id;
    example.size = sample.image.size();
    example.brightness = mean_luma(sample.image);
    example.attributes = sample.attributes;
    example.mirrored = sample.mirrored_classes;
    std::vector<Sample> changed;
    for (const Change& change : changes_) changed.push_back(change.perturbation.apply(sample));
    for (const View& view : views_) {
      const Preprocessing& preprocessing = view.preprocessing;
      const cv::Mat placed = preprocessing.place_image(changed[view.change].image);
      example.inputs.push_back(preprocessing.normalise(placed));
    }
    for (const Label& label : labels_)
      example.labels.push_back(label.protocol.place_label(changed[label.change].mask, label.preprocessing));
    for (const Look& look : looks_) {
      const cv::Mat& image = changed[views_[look.view].change].image;
      example.guides.push_back({look.predictor->placed_guide(image), look.predictor->guide(image)});
    }
  } catch (const DataError& error) {
    if (options_.on_error == OnError::kFail) throw;
    example.error = error.what();
  }
  return example;
}

/// Once the number of classes is known.
void Pass::choose_metrics(const Look& look, const torch::Tensor& logits, const std::vector<Example>& batch) {
  const std::int64_t classes = classes_of(logits);
  for (const std::size_t m : look.measured) {
    Evaluation& evaluation = measured_[m].evaluation;
    const Protocol& protocol = evaluation.protocol;
    protocol.check_classes(classes);
    if (evaluation.metrics.empty()) evaluation.metrics = options_.metrics(protocol, classes);
    if (protocol.counting != Protocol::Counting::kClasses) continue;
    for (const Example& example : batch) check_label(example.labels[measured_[m].label], example.id, classes);
  }
}

/// The images' inputs have one size in every view.
void Pass::measure(const std::vector<Example>& batch) {
  const std::size_t first = measured_.front().evaluation.images.size();
  for (Measured& measured : measured_) measured.evaluation.images.resize(first + batch.size());
  for (std::size_t l = 0; l < looks_.size(); ++l) {
    const Look& look = looks_[l];
    std::vector<torch::Tensor> inputs;
    std::vector<MirroredClasses> mirrored;
    for (const Example& example : batch) {
      inputs.push_back(example.inputs[look.view]);
      mirrored.push_back(example.mirrored);
    }
    const torch::Tensor logits = look.predictor->logits(inputs, mirrored);
    choose_metrics(look, logits, batch);
    const auto count = static_cast<std::int64_t>(batch.size());
    parallel_for(0, count, 1, [&](std::int64_t begin, std::int64_t end) {
      const torch::NoGradGuard no_grad;  // the guard is per thread
      for (std::int64_t i = begin; i < end; ++i) {
        const auto index = static_cast<std::size_t>(i);
        measure(look, logits[i], batch[index], batch[index].guides[l], first + index);
      }
    });
  }
}

/// @param logits of this image
void Pass::measure(const Look& look, const torch::Tensor& logits, const Example& example,
                   const std::array<cv::Mat, 2>& guides, std::size_t row) {
  struct Decided {
    torch::Tensor logits;
    cv::Mat mask, probability;
  };
  std::array<Decided, 2> at_sizes;  // the network's and the image's
  for (const std::size_t m : look.measured) {
    Evaluation& evaluation = measured_[m].evaluation;
    const Protocol& protocol = evaluation.protocol;
    const bool native = protocol.resolution == Protocol::Resolution::kNative;
    Decided& decided = at_sizes[native ? 1 : 0];
    if (decided.mask.empty()) {
      const torch::Tensor sized = native ? look.predictor->at_image_size(logits, example.size)
                                         : look.predictor->at_input_size(logits, example.inputs[look.view]);
      decided.logits = look.predictor->post_processed(sized, guides[native ? 1 : 0]);
      decided.mask = decide(decided.logits);
    }
    const bool uses_probability = std::any_of(evaluation.metrics.begin(), evaluation.metrics.end(),
                                              [](const Metric& metric) { return metric.uses_probability; });
    if (uses_probability && decided.probability.empty())
      decided.probability = portrait_probability(decided.logits);

    MeasuredImage image{protocol.place_prediction(decided.mask), example.labels[measured_[m].label], {}};
    if (uses_probability) image.probability = protocol.place_prediction(decided.probability);
    ImageRow& result = evaluation.images[row];
    result = {example.index,
              example.id,
              image.label.rows,
              image.label.cols,
              {},
              foreground_share(image.label),
              example.brightness,
              example.attributes};
    for (const Metric& metric : evaluation.metrics) {
      const std::vector<double> values = metric.measure(image);
      result.values.insert(result.values.end(), values.begin(), values.end());
    }
    if (options_.decided) options_.decided(m, example.id, image.prediction);
  }
}

std::vector<Evaluation> Pass::finish() {
  std::vector<Evaluation> evaluations;
  for (Measured& measured : measured_) {
    const auto& images = measured.evaluation.images;
    if (images.empty()) throw DataError(dataset_.list, "no image of the list could be used");
    if (std::all_of(images.begin(), images.end(),
                    [](const ImageRow& image) { return std::isnan(image.foreground_share); }))
      throw DataError(dataset_.list, "no pixel of its masks is labelled");
    evaluations.push_back(std::move(measured.evaluation));
  }
  return evaluations;
}

bool same_sizes(const Example& a, const Example& b) {
  return std::equal(a.inputs.begin(), a.inputs.end(), b.inputs.begin(),
                    [](const torch::Tensor& x, const torch::Tensor& y) { return x.sizes() == y.sizes(); });
}

/// @param values of all metrics @param first the metric's first one
std::vector<double> own_columns(const Metric& metric, const std::vector<double>& values, std::size_t first) {
  const auto begin = values.begin() + static_cast<std::ptrdiff_t>(first);
  return {begin, begin + static_cast<std::ptrdiff_t>(metric.columns.size())};
}

}  // namespace

double foreground_share(const cv::Mat& label) {
  const int ignored = cv::countNonZero(label == kIgnore);
  return 100.0 * (cv::countNonZero(label) - ignored) / (static_cast<double>(label.total()) - ignored);
}

std::vector<Evaluation> evaluate(const std::vector<EvaluatedNetwork>& networks, const Dataset& dataset,
                                 const std::vector<Protocol>& protocols, const EvaluatorOptions& options,
                                 const Device& device) {
  const torch::NoGradGuard no_grad;
  Pass pass(networks, dataset, protocols, options, device);
  OrderedMap<Example> examples(dataset.size(), options.workers, 2 * options.batch_size,
                               [&](std::int64_t index) { return pass.load(index); },
                               {bytes_of, options.memory});
  std::vector<std::string> skipped;
  std::vector<Example> batch;
  std::int64_t weight = 0;  // of the batch
  const auto flush = [&] {
    if (!batch.empty()) pass.measure(batch);
    batch.clear();
    weight = 0;
  };
  std::int64_t done = 0;
  while (std::optional<Example> example = examples.next()) {
    ++done;
    if (options.progress) options.progress(done, dataset.size());
    if (!example->error.empty()) {
      skipped.push_back(example->error);
      continue;
    }
    const bool full =
        static_cast<std::int64_t>(batch.size()) == options.batch_size || weight >= options.memory;
    if (full || (!batch.empty() && !same_sizes(batch.front(), *example))) flush();
    weight += bytes_of(*example);
    batch.push_back(std::move(*example));
  }
  flush();
  std::vector<Evaluation> evaluations = pass.finish();
  for (Evaluation& evaluation : evaluations)
    evaluation.skipped.insert(evaluation.skipped.end(), skipped.begin(), skipped.end());
  return evaluations;
}

Evaluation evaluate(SegmentationModel& model, const Preprocessing& preprocessing, const Dataset& dataset,
                    const Protocol& protocol, const EvaluatorOptions& options, const Device& device) {
  return evaluate({EvaluatedNetwork{&model, preprocessing}}, dataset, {protocol}, options, device).front();
}

std::vector<std::string> Evaluation::columns() const {
  std::vector<std::string> names;
  for (const Metric& metric : metrics)
    names.insert(names.end(), metric.columns.begin(), metric.columns.end());
  return names;
}

std::vector<FigureValue> Evaluation::figures() const {
  std::vector<FigureValue> values;
  std::size_t first = 0;
  for (const Metric& metric : metrics) {
    std::vector<std::vector<double>> rows;
    for (const ImageRow& image : images) rows.push_back(own_columns(metric, image.values, first));
    first += metric.columns.size();
    std::vector<double> sums(metric.columns.size());
    for (std::size_t c = 0; c < sums.size(); ++c) {
      std::vector<double> column;
      for (const auto& row : rows) column.push_back(row[c]);
      sums[c] = sum_in_any_order(std::move(column));
    }
    for (const Figure& figure : metric.figures) {
      std::vector<double> own;
      if (figure.reduction == Reduction::kMeanOverImages)
        for (const auto& row : rows) own.push_back(figure.formula(row));
      const bool whole = figure.reduction == Reduction::kWholeSet;
      values.push_back({figure.name, figure.title, whole ? figure.formula(sums) : protocol.mean(own)});
    }
  }
  return values;
}

std::vector<FigureValue> Evaluation::figures_of(const ImageRow& image) const {
  std::vector<FigureValue> values;
  std::size_t first = 0;
  for (const Metric& metric : metrics) {
    const std::vector<double> columns = own_columns(metric, image.values, first);
    first += columns.size();
    for (const Figure& figure : metric.figures)
      values.push_back({figure.name, figure.title, figure.formula(columns)});
  }
  return values;
}

double Evaluation::figure(const std::string& name) const {
  for (const FigureValue& figure : figures()) {
    if (figure.name == name) return figure.value;
  }
  throw std::out_of_range("no figure is called " + name);
}

}  // namespace portraitseg
