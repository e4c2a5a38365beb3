#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include <opencv2/core/mat.hpp>

#include "portraitseg/core/folder_lock.h"
#include "portraitseg/engine/evaluator.h"
#include "portraitseg/report/evaluation_result.h"
#include "portraitseg/report/results.h"

namespace portraitseg {

/// The folder of what one network was measured to be on one list:
///
///     metrics.json               results_json(); written last: its presence says that the folder is complete
///     config.yaml                the effective configuration
///     PROTOCOL/per_image.csv     per_image_csv()
///     PROTOCOL/masks/ID.png      every decided mask at the protocol's size: class index, 8 bits
///     PROTOCOL/overlays/         the worst images
///
/// Until finish() all of it lies in a folder .partial inside, which goes with this object.
class EvaluationFolder {
 public:
  explicit EvaluationFolder(std::filesystem::path path) : path_(std::move(path)) {}
  ~EvaluationFolder();
  EvaluationFolder(const EvaluationFolder&) = delete;
  EvaluationFolder& operator=(const EvaluationFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }
  bool complete() const;

  /// @throws DataError if the folder holds anything but what a killed program left of an evaluation.
  void require_free() const;

  std::string results() const;  ///< the text of metrics.json

  /// @param planned evaluations that need no images yet
  /// @return what the folder says of them, in their order
  /// @throws DataError that says what differs, unless the complete folder holds just these: the same protocols' rules, list,
  ///         weights, model, preprocessing and figures.
  std::vector<ResultSummary> require(const std::vector<Evaluation>& planned) const;

  /// Makes the folder, keeps other programs out of it for as long as this object lives, and removes what a killed one left.
  /// @throws DataError if it cannot be written, or another program evaluates into it, or has done so since it was looked at.
  void begin();

  /// May be called from several threads.
  void add_mask(const std::string& protocol, const std::string& id, const cv::Mat& mask) const;

  /// Writes the rest and gives everything its name; only overlays may still be added.
  void finish(const std::vector<Evaluation>& evaluations, const std::string& config_yaml);

 private:
  std::filesystem::path partial() const { return path_ / kPartialEvaluation; }

  std::filesystem::path path_;
  std::vector<std::filesystem::path> made_;  ///< the deepest first; they go if nothing comes into them
  std::optional<FolderLock> lock_;           ///< once it has begun
};

/// PROTOCOL/masks/ID.png, a path below the folder whatever the id says.
std::filesystem::path mask_file(const std::string& protocol, const std::string& id);

/// The results of several metrics.json in one.
std::string merge_results(const std::vector<std::string>& texts);

}  // namespace portraitseg
