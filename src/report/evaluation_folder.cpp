#include "portraitseg/report/evaluation_folder.h"

#include <map>
#include <set>
#include <utility>

#include <nlohmann/json.hpp>

#include "portraitseg/core/error.h"
#include "portraitseg/core/file.h"
#include "portraitseg/data/write_image.h"
#include "portraitseg/report/csv.h"
#include "portraitseg/report/evaluation_result.h"
#include "portraitseg/report/results.h"

namespace portraitseg {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr const char* kMetrics = "metrics.json";

/// What makes two results the same measurement.
std::map<std::string, std::string> identity_of(const Json& result) {
  std::set<std::string> figures;
  for (const auto& item : result.at("metrics").items()) figures.insert(item.key());
  return {{"network", result.at("network").dump()},
          {"weights", result.at("weights_sha256").dump()},
          {"model or preprocessing", result.at("config_sha256").dump()},
          {"protocol", result.at("protocol_hash").dump()},
          {"list", result.at("list_sha256").dump()},
          {"choice of metrics", Json(figures).dump()}};
}

/// What a killed program left there gives way.
void replace(const fs::path& from, const fs::path& to) {
  std::error_code error;
  fs::remove_all(to, error);
  fs::rename(from, to, error);
  if (error) throw DataError(to, "cannot be written: " + error.message());
}

}  // namespace

EvaluationFolder::~EvaluationFolder() {
  std::error_code error;
  if (lock_) fs::remove_all(partial(), error);
  lock_.reset();
  for (const auto& folder : made_) fs::remove(folder, error);  // none that holds something
}

bool EvaluationFolder::complete() const {
  std::error_code error;
  return fs::exists(path_ / kMetrics, error);
}

void EvaluationFolder::require_free() const {
  std::error_code error;
  if (!fs::exists(path_, error) || fs::exists(partial(), error)) return;
  if (!fs::is_directory(path_, error)) throw DataError(path_, "is a file; choose another --output");
  const std::string other = entry_besides(path_, {FolderLock::kFile});
  if (other.empty()) return;
  const auto results = results_below(path_);
  if (results.empty())
    throw DataError(path_, "holds something else (" + other + "); choose another --output");
  std::string names;
  for (const fs::path& result : results)
    names += (names.empty() ? "" : ", ") + result.lexically_relative(path_).string();
  throw DataError(path_, "holds the evaluations of several networks or lists (" + names +
                             "); choose another --output, or --resume with the same ones");
}

std::string EvaluationFolder::results() const {
  return read_file(path_ / kMetrics);
}

std::vector<ResultSummary> EvaluationFolder::require(const std::vector<Evaluation>& planned) const {
  const fs::path file = path_ / kMetrics;
  std::string difference;
  try {
    const Json stored = Json::parse(results()).at("results"),
               wanted = Json::parse(results_json(planned)).at("results");
    std::map<std::string, Json> by_protocol;
    for (const Json& result : stored) by_protocol[result.at("protocol").get<std::string>()] = result;
    if (stored.size() != wanted.size()) difference = "number of protocols";
    for (const Json& result : wanted) {
      const auto found = by_protocol.find(result.at("protocol").get<std::string>());
      if (found == by_protocol.end()) difference = "protocol";
      if (!difference.empty()) break;
      const auto a = identity_of(found->second), b = identity_of(result);
      for (const auto& [name, value] : b) {
        if (a.at(name) != value) difference = name;
      }
    }
    if (difference.empty()) return stored_summaries(results(), planned);
  } catch (const nlohmann::json::exception&) {
    throw DataError(file, "is no evaluation; choose another --output");
  }
  throw DataError(file, "is of another evaluation (another " + difference + "); choose another --output");
}

void EvaluationFolder::begin() {
  std::error_code error;
  for (fs::path folder = fs::absolute(path_).lexically_normal(); !fs::exists(folder, error);)
    folder = made_.emplace_back(folder).parent_path();
  make_folder(path_);
  lock_.emplace(path_, "is being written");
  if (complete()) throw DataError(path_, "was completed by another program just now; --resume leaves it out");
  fs::remove_all(partial(), error);
  make_folder(partial());
}

void EvaluationFolder::add_mask(const std::string& protocol, const std::string& id,
                                const cv::Mat& mask) const {
  const fs::path file = partial() / mask_file(protocol, id);
  make_folder(file.parent_path());
  write_image(file, mask);
}

void EvaluationFolder::finish(const std::vector<Evaluation>& evaluations, const std::string& config_yaml) {
  std::vector<std::string> names;
  for (const Evaluation& evaluation : evaluations) {
    names.push_back(evaluation.protocol.name);
    make_folder(partial() / names.back());
    write_file(partial() / names.back() / "per_image.csv", per_image_csv(evaluation));
  }
  names.insert(names.end(), {"config.yaml", kMetrics});
  write_file(partial() / "config.yaml", config_yaml);
  write_file(partial() / kMetrics, results_json(evaluations));
  for (const std::string& name : names) replace(partial() / name, path_ / name);
}

fs::path mask_file(const std::string& protocol, const std::string& id) {
  fs::path file = fs::path(protocol) / "masks";
  for (const auto& part : fs::path(id).relative_path()) file /= part == ".." ? fs::path("__") : part;
  return file += ".png";
}

std::string merge_results(const std::vector<std::string>& texts) {
  Json results = Json::array();
  for (const std::string& text : texts) {
    const Json all = Json::parse(text);
    for (const Json& result : all.at("results")) results.push_back(result);
  }
  return Json{{"results", results}}.dump(2) + "\n";
}

}  // namespace portraitseg
