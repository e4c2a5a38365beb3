#include "terminal.h"

#include <algorithm>
#include <cstdio>
#include <utility>

#include <spdlog/details/log_msg.h>
#include <spdlog/fmt/fmt.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "portraitseg/core/error.h"
#include "portraitseg/core/stopwatch.h"

namespace portraitseg {
namespace {

constexpr std::int64_t kShortestBar = 4, kLongestBar = 24;
constexpr double kNoticeableWaiting = 0.2;
constexpr double kPlainLines = 10;  // s from one line to the next where there is no terminal

using Clock = std::chrono::steady_clock;

std::string duration(double seconds) {
  const auto s = static_cast<std::int64_t>(seconds + 0.5);
  if (s < 3600) return fmt::format("{}:{:02}", s / 60, s % 60);
  return fmt::format("{}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60);
}

/// Characters in a line of the terminal.
std::int64_t columns() {
  winsize size = {};
  const bool known = ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  return known ? size.ws_col : 120;
}

/// What the epoch's line says of the validation: of the figures that every protocol may have those that are there, the first
/// with the averaged weights'.
std::string validation_text(const EpochRecord& record) {
  std::string text;
  for (const auto& [name, title] : {std::pair("iou_foreground", "foreground IoU"), std::pair("miou", "mIoU"),
                                    std::pair("boundary_f1_15", "boundary F1")}) {
    const auto figure = record.validation.find(name);
    if (figure == record.validation.end()) continue;
    const auto averaged =
        text.empty() ? record.validation.find(std::string(kEma) + name) : record.validation.end();
    text += fmt::format("{}{} {:.2f}", text.empty() ? "val " : "  ", title, figure->second);
    if (averaged != record.validation.end()) text += fmt::format(" (averaged {:.2f})", averaged->second);
  }
  return text;
}

spdlog::logger& logger() {
  static const auto instance = [] {
    auto sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
    sink->set_pattern("%v");
    auto logger = std::make_shared<spdlog::logger>("portraitseg", sink);
    logger->set_error_handler([](const std::string&) {});  // a full disk shows at the next checkpoint
    return logger;
  }();
  return *instance;
}

}  // namespace

ProgressBar::ProgressBar(std::string title, Elsewhere elsewhere)
    : title_(std::move(title)), terminal_(::isatty(STDERR_FILENO) == 1), elsewhere_(elsewhere) {}

ProgressBar::~ProgressBar() {
  clear();
}

void ProgressBar::show(std::int64_t done, std::int64_t total, const std::string& note) {
  if (!terminal_ && elsewhere_ == Elsewhere::kNothing) return;
  if (first_ < 0) {
    first_ = done;
    start_ = Clock::now();
    if (!terminal_) last_ = start_;
  }
  if (terminal_ ? shown_ && done < total && seconds_since(last_) < 0.1 : seconds_since(last_) < kPlainLines)
    return;
  last_ = Clock::now();
  const std::string start = title_ + " [";
  const std::string figures = fmt::format("{}/{}{}", done, total, pace(done, total));
  if (!terminal_) {
    std::fputs((title_ + "  " + figures + "\n").c_str(), stderr);
    return;
  }
  const std::string end = "] " + figures + "  " + note;
  // A line that is longer than the terminal's would be left behind when it is drawn anew.
  const std::int64_t room = columns() - 1;
  const std::int64_t width =
      std::clamp(room - static_cast<std::int64_t>(start.size() + end.size()), kShortestBar, kLongestBar);
  const auto filled = static_cast<std::size_t>(width * done / std::max<std::int64_t>(total, 1));
  std::string line =
      start + std::string(filled, '#') + std::string(static_cast<std::size_t>(width) - filled, '.') + end;
  line.resize(std::min(line.size(), static_cast<std::size_t>(room)));
  std::fputs(("\r" + line + "\033[K").c_str(), stderr);
  shown_ = true;
}

/// From the second report on: what the first one took began before this bar.
std::string ProgressBar::pace(std::int64_t done, std::int64_t total) const {
  if (done == first_) return "";
  const double rate = static_cast<double>(done - first_) / std::max(seconds_since(start_), 1e-3);
  return fmt::format("  {:.2f}/s  {} left", rate, duration(static_cast<double>(total - done) / rate));
}

void ProgressBar::clear() {
  if (shown_) std::fputs("\r\033[K", stderr);
  shown_ = false;
}

void refuse_to_overwrite(const std::filesystem::path& input, const std::filesystem::path& output) {
  std::error_code missing;  // then they are not the same
  if (std::filesystem::equivalent(input, output, missing))
    throw DataError(output, "is the file that is read; write another one");
}

void say(const std::string& line) {
  logger().info(line);
  logger().flush();
}

void say_to_file(const std::filesystem::path& log) {
  try {
    auto sink = std::make_shared<spdlog::sinks::basic_file_sink_mt>(log.string());
    sink->set_pattern("%Y-%m-%d %H:%M:%S %v");
    logger().sinks().resize(1);  // the first is stderr
    logger().sinks().push_back(sink);
  } catch (const spdlog::spdlog_ex& error) {
    throw DataError(log, error.what());
  }
}

void note(const std::string& line) {
  const spdlog::details::log_msg message(logger().name(), spdlog::level::info, line);
  const auto& sinks = logger().sinks();
  for (std::size_t i = 1; i < sinks.size(); ++i) sinks[i]->log(message);  // the first is stderr
}

TrainingDisplay::TrainingDisplay(const TrainerOptions& options, const TrainingClock& clock)
    : epochs_(options.epochs), clock_(clock) {}

void TrainingDisplay::started(const Progress& progress) {
  epoch_start_ = Clock::now();
  if (progress.epoch > 0 || progress.current.batch > 0) {
    say(fmt::format("resumed behind epoch {}, batch {}", progress.epoch, progress.current.batch));
  }
}

ProgressBar& TrainingDisplay::bar(const std::string& title) {
  if (bar_ == nullptr || title != title_) {
    title_ = title;
    // An epoch has a line of its own.
    bar_ = std::make_unique<ProgressBar>(title, ProgressBar::Elsewhere::kNothing);
  }
  return *bar_;
}

void TrainingDisplay::stepped(const Progress& progress, std::int64_t /*batches*/) {
  const auto steps = static_cast<double>(std::max<std::int64_t>(progress.current.steps, 1));
  bar(fmt::format("epoch {}/{}", progress.epoch + 1, epochs_))
      .show(
          clock_.images(), progress.train_images,
          fmt::format("run {}  loss {:.4f}", duration(clock_.run_left()), progress.current.loss_sum / steps));
}

void TrainingDisplay::validating(std::int64_t done, std::int64_t total) {
  if (bar_ == nullptr || title_ != "validation") training_end_ = Clock::now();
  if (done == 1) bar_.reset();  // of the averaged weights it is the second one
  bar("validation").show(done, total);
}

void TrainingDisplay::epoch_finished(const Progress& progress, bool best) {
  bar_.reset();
  const EpochRecord& record = progress.history.back();
  const double left = clock_.run_left();
  say(fmt::format("epoch {}/{}  loss {:.4f}  {}  lr {:.3g}  {}  {:.1f} images/s{}{}", record.epoch, epochs_,
                  record.train_loss, validation_text(record), record.lr, duration(clock_.epoch_seconds()),
                  clock_.images_per_second(), left > 0 ? fmt::format("  {} left", duration(left)) : "",
                  best ? "  best" : ""));
  const double waiting = waited_ / std::chrono::duration<double>(training_end_ - epoch_start_).count();
  if (waiting > kNoticeableWaiting)
    say(fmt::format(
        "{:.0f} % of the training waited for images; more data.workers or data.cache.mib may help",
        100 * waiting));
  waited_ = 0;
  if (record.skipped > 0) say(fmt::format("{} images skipped in this epoch", record.skipped));
  epoch_start_ = Clock::now();
}

void TrainingDisplay::skipped(const std::string& reason) {
  if (!skipped_.insert(reason).second) return;  // said in an earlier epoch
  if (bar_ != nullptr) bar_->clear();
  say("skipped: " + reason);
}

void TrainingDisplay::not_fused(const std::string& reason) {
  if (bar_ != nullptr) bar_->clear();
  say("not fused: " + reason);
}

}  // namespace portraitseg
