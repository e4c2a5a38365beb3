#include "portraitseg/report/epoch_log.h"

#include <algorithm>
#include <chrono>
#include <ctime>
#include <string>

#include <nlohmann/json.hpp>

#include "portraitseg/core/error.h"
#include "portraitseg/core/file.h"

namespace portraitseg {
namespace {

using Json = nlohmann::ordered_json;

std::string utc() {
  const std::time_t now = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
  std::tm parts = {};
  gmtime_r(&now, &parts);
  char text[32];
  return {text, std::strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &parts)};
}

/// 0 for a line that is none of ours.
std::int64_t epoch_of(const std::string& line) {
  const Json json = Json::parse(line, nullptr, false);
  if (!json.is_object() || !json.contains("epoch") || !json["epoch"].is_number_integer()) return 0;
  return json["epoch"].get<std::int64_t>();
}

}  // namespace

std::int64_t EpochLog::cut_behind(std::int64_t last_epoch) {
  if (!std::filesystem::is_regular_file(path_)) return 0;
  const std::string bytes = read_file(path_);
  std::size_t end = 0;
  std::int64_t last = 0;
  for (std::size_t next = 0; (next = bytes.find('\n', end)) != std::string::npos; end = next + 1) {
    const std::int64_t epoch = epoch_of(bytes.substr(end, next - end));
    if (epoch == 0 || epoch > last_epoch) break;
    last = std::max(last, epoch);
  }
  std::error_code error;
  if (end < bytes.size()) std::filesystem::resize_file(path_, end, error);
  if (error) throw DataError(path_, "cannot shorten: " + error.message());
  return last;
}

void EpochLog::append(const EpochRecord& record, const EpochTimes& times) {
  Json line = {{"epoch", record.epoch}, {"time", utc()}};
  if (times.seconds > 0) line["seconds"] = times.seconds;
  if (times.images_per_second > 0) line["images_per_second"] = times.images_per_second;
  line["lr"] = record.lr;
  line["skipped"] = record.skipped;
  line["train_loss"] = record.train_loss;
  line["loss_terms"] = record.loss_terms;
  line["validation"] = record.validation;
  line["val_protocol"] = record.val_protocol;
  line["val_list_sha256"] = record.val_list_sha256;
  line["val_n"] = record.val_images;
  append_file(path_, line.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n");
}

}  // namespace portraitseg
