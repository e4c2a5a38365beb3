#include "portraitseg/sweep/journal.h"

#include <array>
#include <chrono>
#include <cmath>
#include <ctime>
#include <limits>
#include <utility>

#include <nlohmann/json.hpp>

#include "portraitseg/core/error.h"
#include "portraitseg/core/file.h"

namespace portraitseg {
namespace {

namespace fs = std::filesystem;
using Kind = TrialEvent::Kind;
using State = TrialHistory::State;

constexpr std::array kKinds = {std::pair("started", Kind::kStarted), std::pair("finished", Kind::kFinished),
                               std::pair("failed", Kind::kFailed), std::pair("stopped", Kind::kStopped),
                               std::pair("rung", Kind::kRung)};

const char* word_of(Kind kind) {
  for (const auto& [word, k] : kKinds) {
    if (k == kind) return word;
  }
  return "";
}

Kind kind_of(const std::string& text) {
  for (const auto& [word, kind] : kKinds) {
    if (text == word) return kind;
  }
  throw std::invalid_argument("no event is called " + text);
}

std::string now() {
  const std::time_t time = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
  std::tm utc = {};
  ::gmtime_r(&time, &utc);
  std::array<char, 32> text = {};
  std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &utc);
  return text.data();
}

nlohmann::ordered_json as_json(const TrialResult& result) {
  nlohmann::ordered_json json = {{"epochs", result.epochs}, {"best_epoch", result.best_epoch}};
  for (const auto& [name, value] : result.figures) {
    if (std::isfinite(value)) json["figures"][name] = value;
  }
  json["protocol"] = result.protocol;
  json["list_sha256"] = result.list_sha256;
  json["n"] = result.images;
  return json;
}

TrialResult result_of(const nlohmann::json& json) {
  TrialResult result;
  json.at("epochs").get_to(result.epochs);
  json.at("best_epoch").get_to(result.best_epoch);
  if (json.contains("figures")) json.at("figures").get_to(result.figures);
  json.at("protocol").get_to(result.protocol);
  json.at("list_sha256").get_to(result.list_sha256);
  json.at("n").get_to(result.images);
  return result;
}

nlohmann::ordered_json as_json(const RungFigure& rung) {
  nlohmann::ordered_json json = {{"epoch", rung.epoch}, {"figure", rung.figure}};
  if (std::isfinite(rung.value)) json["value"] = rung.value;
  return json;
}

RungFigure rung_of(const nlohmann::json& json) {
  RungFigure rung;
  json.at("epoch").get_to(rung.epoch);
  json.at("figure").get_to(rung.figure);
  rung.value = json.value("value", std::numeric_limits<double>::quiet_NaN());
  return rung;
}

std::string line_of(const TrialEvent& event) {
  nlohmann::ordered_json json = {
      {"event", word_of(event.kind)}, {"trial", event.trial}, {"attempt", event.attempt}, {"time", now()}};
  if (event.job.empty()) {
    json["pid"] = event.pid;
  } else {
    json["job"] = event.job;
  }
  if (event.kind != Kind::kStarted) json["seconds"] = std::round(event.seconds * 1000) / 1000;
  if (event.signal != 0) json["signal"] = event.signal;
  if (event.exit_code != 0) json["exit_code"] = event.exit_code;
  if (!event.error.empty()) json["error"] = event.error;
  if (event.kind == Kind::kFinished) json["result"] = as_json(event.result);
  if (event.kind == Kind::kRung) json["rung"] = as_json(event.rung);
  return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

TrialEvent event_of(const std::string& line) {
  const auto json = nlohmann::json::parse(line);
  TrialEvent event;
  event.kind = kind_of(json.at("event").get<std::string>());
  json.at("trial").get_to(event.trial);
  json.at("attempt").get_to(event.attempt);
  event.seconds = json.value("seconds", 0.0);
  event.error = json.value("error", "");
  if (event.kind == Kind::kFinished) event.result = result_of(json.at("result"));
  if (event.kind == Kind::kRung) event.rung = rung_of(json.at("rung"));
  return event;
}

}  // namespace

const char* word(State state) {
  switch (state) {
    case State::kNew:
      return "new";
    case State::kUnfinished:
      return "unfinished";
    case State::kFinished:
      return "finished";
    case State::kFailed:
      return "failed";
    case State::kStoppedEarly:
      return "stopped early";
  }
  return "";
}

Journal::Journal(fs::path path) : path_(std::move(path)) {
  if (!fs::exists(path_)) return;
  const std::string bytes = read_file(path_);
  std::size_t number = 1;
  for (std::size_t end = bytes.find('\n'); end != std::string::npos; end = bytes.find('\n', whole_)) {
    try {
      count(event_of(bytes.substr(whole_, end - whole_)));
    } catch (const std::exception&) {
      throw DataError(path_.string() + ":" + std::to_string(number),
                      "no event of a sweep; without the line the sweep goes on from its trials' folders");
    }
    whole_ = end + 1;
    ++number;
  }
  torn_ = whole_ < bytes.size();
}

void Journal::add(const TrialEvent& event) {
  if (std::exchange(torn_, false)) {
    std::error_code error;
    fs::resize_file(path_, whole_, error);
    if (error) throw DataError(path_, "cannot be shortened: " + error.message());
  }
  append_file(path_, line_of(event));
  count(event);
}

void Journal::count(const TrialEvent& event) {
  TrialHistory& history = histories_[event.trial];
  history.seconds += event.seconds;
  history.open = event.kind == Kind::kStarted;
  switch (event.kind) {
    case Kind::kStarted:
      history.state = State::kUnfinished;
      history.attempts = event.attempt;
      break;
    case Kind::kFinished:
      history.state = State::kFinished;
      history.result = event.result;
      break;
    case Kind::kFailed:
      history.state = State::kFailed;
      history.error = event.error;
      break;
    case Kind::kStopped:
      history.state = State::kUnfinished;
      break;
    case Kind::kRung:
      history.state = State::kStoppedEarly;
      history.rungs.push_back(event.rung);
      break;
  }
}

TrialHistory Journal::of(const std::string& trial) const {
  const auto found = histories_.find(trial);
  return found == histories_.end() ? TrialHistory() : found->second;
}

}  // namespace portraitseg
