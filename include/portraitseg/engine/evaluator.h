#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include <opencv2/core/mat.hpp>

#include "portraitseg/data/dataset.h"
#include "portraitseg/data/preprocessing.h"
#include "portraitseg/engine/predictor.h"
#include "portraitseg/metrics/metric.h"
#include "portraitseg/metrics/metrics.h"
#include "portraitseg/metrics/protocol.h"

namespace portraitseg {

/// Percent of the labelled pixels whose class is not 0; not a number if none is labelled.
double foreground_share(const cv::Mat& label);

/// What was measured of one image.
struct ImageRow {
  std::int64_t index = 0;  ///< in the data set
  std::string id;
  int height = 0, width = 0;    ///< at which it was measured
  std::vector<double> values;   ///< the columns of the evaluation's metrics, one metric after the other
  double foreground_share = 0;  ///< see foreground_share()
  double brightness = 0;        ///< mean luma (BT.601) of the image, 0..255
  std::map<std::string, std::string> attributes;  ///< of the sample
};

/// A figure with its value, percent unless its title names another unit; not a number where it is undefined.
struct FigureValue {
  std::string name, title;
  double value = 0;
};

/// Which network was measured; all empty where nobody said it.
struct NetworkIdentity {
  std::string model;    ///< its registered name
  std::string weights;  ///< the file, as it was given
  std::string weights_sha256;
  std::string config_sha256;  ///< of the effective configuration's text
};

struct Evaluation {
  Protocol protocol;
  NetworkIdentity network;
  std::string list_name;  ///< its file name
  std::string list_sha256;
  std::vector<std::int64_t> network_size;  ///< height, width of the network's input
  std::vector<Metric> metrics;
  std::vector<ImageRow> images;      ///< in the order of the list
  std::vector<std::string> skipped;  ///< images left out, with the reason

  std::vector<std::string> columns() const;  ///< the names of ImageRow::values

  /// Every figure in the metrics' order. They derive from the images' values alone; neither batches nor workers change a bit of
  /// them, nor, but for a protocol of batch means, the list's order.
  std::vector<FigureValue> figures() const;

  /// The same formulas over one image.
  std::vector<FigureValue> figures_of(const ImageRow& image) const;

  /// One figure. @throws std::out_of_range if none has the name.
  double figure(const std::string& name) const;
};

/// A network to be measured; it has to live as long as the evaluation.
struct EvaluatedNetwork {
  SegmentationModel* model = nullptr;
  Preprocessing preprocessing;
  NetworkIdentity identity = {};
};

struct EvaluatorOptions {
  std::int64_t batch_size = 32;
  std::int64_t workers = 2;
  std::int64_t memory = std::int64_t{512}
                        << 20;  ///< bytes of images that may wait, and that a batch may hold
  OnError on_error = OnError::kFail;
  std::function<void(std::int64_t done, std::int64_t total)> progress;  ///< may be empty

  /// What is measured by a protocol, of a network of so many classes.
  std::function<std::vector<Metric>(const Protocol&, std::int64_t classes)> metrics = default_metrics;

  /// Told of every decided mask, at the protocol's size; may be empty. Called from several threads.
  /// @param evaluation its index in the result
  std::function<void(std::size_t evaluation, const std::string& id, const cv::Mat& mask)> decided;
};

/// Runs each network over the data set and measures every image by each protocol. An image is read once for all of them, and
/// goes through a network once for all protocols of the same geometry. Leaves the networks in evaluation mode.
/// @return the first network's by each protocol, then the second's ...
/// @throws DataError for an unusable image (unless skipped), when none is left or nothing of them is labelled.
/// @throws UserError if a protocol, or a mask, does not fit a network's number of classes.
std::vector<Evaluation> evaluate(const std::vector<EvaluatedNetwork>& networks, const Dataset& dataset,
                                 const std::vector<Protocol>& protocols, const EvaluatorOptions& options,
                                 const Device& device);

/// The same of one network by one protocol.
Evaluation evaluate(SegmentationModel& model, const Preprocessing& preprocessing, const Dataset& dataset,
                    const Protocol& protocol, const EvaluatorOptions& options, const Device& device);

}  // namespace portraitseg
