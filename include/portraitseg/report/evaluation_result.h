#pragma once

#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace portraitseg {

/// What `evaluate --output` wrote of one protocol.
struct EvaluationResult {
  std::filesystem::path folder;  ///< as it was given
  std::string protocol, protocol_hash;
  double empty_union = 1;    ///< of the protocol's rules: what an image's IoU is whose union is empty
  bool batch_means = false;  ///< the protocol's figures are means over batches, not over images
  std::string list, list_sha256;
  std::string network, weights, weights_sha256;  ///< "" where the file does not say

  /// Over the list, by name, in the file's order; not a number where undefined.
  std::vector<std::pair<std::string, double>> figures;
  std::set<std::string> means;  ///< those figures that are the mean of the images' own

  // By image, in the order of their ids.
  std::vector<std::string> ids;
  std::map<std::string, std::vector<double>> numbers;          ///< by column; not a number: an empty cell
  std::map<std::string, std::vector<std::string>> attributes;  ///< by name, without "attribute."; "": none

  /// The same of these images alone, all of which it has.
  EvaluationResult of_images(const std::vector<std::string>& chosen) const;
};

/// Reads FOLDER/metrics.json and FOLDER/PROTOCOL/per_image.csv by the names of keys and columns.
/// @param protocol "": the only one there is
/// @throws DataError for a file that is missing, broken or at odds with the other one, with the line of a broken table; for a
///         folder without this protocol, or with several where none is named.
EvaluationResult read_evaluation(const std::filesystem::path& folder, const std::string& protocol = "");

/// The folder in which an evaluation lies until all of it is there.
constexpr const char* kPartialEvaluation = ".partial";

/// The folders below `folder` that hold results, one or two levels deep (of networks, of lists), by name.
std::vector<std::filesystem::path> results_below(const std::filesystem::path& folder);

/// What to say of a folder without metrics.json, naming the results below it.
std::string why_no_result(const std::filesystem::path& folder);

/// The protocols of FOLDER/metrics.json, in its order. @throws DataError as above.
std::vector<std::string> evaluated_protocols(const std::filesystem::path& folder);

/// The column `name` of a table whose column `id` names images. "" is an attribute that an image does not have.
/// @throws DataError for a broken table, a missing column or an image that occurs twice.
std::map<std::string, std::string> read_attribute(const std::filesystem::path& table,
                                                  const std::string& name);

}  // namespace portraitseg
