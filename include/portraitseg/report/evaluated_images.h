#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include <opencv2/core/mat.hpp>

#include "portraitseg/data/dataset.h"
#include "portraitseg/data/preprocessing.h"
#include "portraitseg/metrics/protocol.h"
#include "portraitseg/report/evaluation_result.h"

namespace portraitseg {

/// An image as one result measured it.
struct EvaluatedView {
  cv::Mat image;              ///< CV_8UC3, BGR; of the labels' geometry, at any size and ratio
  cv::Mat label, prediction;  ///< CV_8UC1, class indices, both at the protocol's size
};

/// The images behind evaluations, with labels and decided masks: the data set that FOLDER/config.yaml names is opened again, labels
/// are prepared as the protocol does, and FOLDER/PROTOCOL/masks holds the predictions.
class EvaluatedImages {
 public:
  /// @param results of the same images. They are copied.
  /// @throws UserError if the data set cannot be opened, or its list is not the one that was measured.
  explicit EvaluatedImages(const std::vector<EvaluationResult>& results);

  std::size_t size() const { return indices_.size(); }
  bool counts_classes() const { return protocols_.front().counting == Protocol::Counting::kClasses; }

  /// One view a result. May be called from several threads. @param image index of EvaluationResult::ids
  /// @throws DataError for a missing image or mask, or where label and mask do not give the share and the IoU of the foreground
  ///         that were measured: what lies there is something else.
  std::vector<EvaluatedView> get(std::size_t image) const;

 private:
  EvaluatedView view(std::size_t result, std::size_t image, const Sample& sample) const;

  std::vector<EvaluationResult> results_;
  std::vector<Protocol> protocols_;            ///< by result
  std::vector<Preprocessing> preprocessings_;  ///< by result, adapted
  std::unique_ptr<Dataset> dataset_;
  std::vector<std::int64_t> indices_;  ///< in the data set, by image
};

}  // namespace portraitseg
