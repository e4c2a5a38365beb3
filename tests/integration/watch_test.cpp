// What one watches a training by: TensorBoard's events, log.jsonl and report.html.
#include <algorithm>
#include <filesystem>
#include <regex>

#include <gmock/gmock.h>
#include <opencv2/imgcodecs.hpp>

#include "portraitseg/report/tensorboard.h"

#include "support/command.h"
#include "support/event_file.h"
#include "support/runs.h"

namespace portraitseg::testing {
namespace {

namespace fs = std::filesystem;

using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::Not;

constexpr std::size_t kEpochs = 4;  // of Workplace's configuration
const fs::path kEvents = "events.out.tfevents.0000000000.portraitseg";

std::vector<std::string> cells_of(const std::string& line) {
  std::vector<std::string> cells;
  std::istringstream in(line);
  for (std::string cell; std::getline(in, cell, ',');) cells.push_back(cell);
  return cells;
}

/// The event file's name for a column of metrics.csv; "" if it has none.
std::string tag_of(const std::string& column) {
  if (column == "lr") return "learning_rate";
  if (column == "train_loss") return "loss/total";
  if (column.rfind("train_loss.", 0) == 0) return "loss/" + column.substr(11);
  const bool figure = column.rfind("val_", 0) == 0 && column != "val_protocol" &&
                      column != "val_list_sha256" && column != "val_n";
  return figure ? "validation/" + column.substr(4) : "";
}

/// Each epoch once in both logs, and in the event file every figure of metrics.csv.
void expect_events_as_in_metrics_csv(const fs::path& run, std::size_t epochs) {
  const Events events = Events::parse(bytes_of(run / kEvents));
  EXPECT_EQ(events.version, "brain.Event:2");
  const auto lines = lines_of(bytes_of(run / "metrics.csv"));
  ASSERT_EQ(lines.size(), 1 + epochs);
  ASSERT_EQ(events.steps.size(), epochs);
  const auto log = lines_of(bytes_of(run / "log.jsonl"));
  ASSERT_EQ(log.size(), epochs);
  for (std::size_t i = 0; i < epochs; ++i)
    EXPECT_EQ(nlohmann::json::parse(log[i]).at("epoch").get<std::size_t>(), i + 1);
  const auto columns = cells_of(lines[0]);
  for (std::size_t i = 1; i < lines.size(); ++i) {
    const auto cells = cells_of(lines[i]);
    ASSERT_EQ(cells.size(), columns.size());
    auto scalars = events.steps.at(std::stoul(cells[0])).scalars;
    for (std::size_t c = 0; c < columns.size(); ++c) {
      const std::string tag = tag_of(columns[c]);
      if (tag.empty()) continue;
      ASSERT_EQ(scalars.count(tag), 1U) << tag;
      EXPECT_FLOAT_EQ(scalars.at(tag), std::stof(cells[c])) << tag << " of epoch " << cells[0];
      scalars.erase(tag);
    }
    scalars.erase("speed/images_per_second");
    EXPECT_TRUE(scalars.empty()) << scalars.begin()->first << " is not in metrics.csv";
  }
}

TEST(Watch, EventFileHoldsTheFiguresOfMetricsCsvAndPictures) {
  const Workplace place;
  expect_finishes(place.train("run", {"trainer.epochs=2"}));
  ASSERT_NO_FATAL_FAILURE(expect_events_as_in_metrics_csv(place / "run", 2));
  const Events events = Events::parse(bytes_of(place / "run" / kEvents));
  for (const auto& [epoch, step] : events.steps) {
    EXPECT_GT(step.scalars.at("speed/images_per_second"), 0);
    EXPECT_EQ(step.images.size(), 4U);
    for (const auto& [tag, image] : step.images) {
      EXPECT_EQ(tag.rfind("samples/", 0), 0U) << tag;
      const cv::Mat bytes(1, static_cast<int>(image.encoded.size()), CV_8UC1,
                          const_cast<char*>(image.encoded.data()));
      const cv::Mat picture = cv::imdecode(bytes, cv::IMREAD_COLOR);
      EXPECT_EQ(picture.size(), cv::Size(3 * 64, 64));
      EXPECT_EQ(image.width, 3U * 64);
      EXPECT_EQ(image.height, 64U);
      EXPECT_EQ(image.colorspace, 3U);
    }
  }
  EXPECT_NE(events.steps.at(1).images.begin()->second.encoded,
            events.steps.at(2).images.begin()->second.encoded);
}

TEST(Watch, ReportIsWholeAndAsksForNothing) {
  const Workplace place;
  expect_finishes(place.train("run", {"trainer.epochs=2"}));
  const std::string html = bytes_of(place / "run/report.html");
  EXPECT_EQ(html.rfind("<!DOCTYPE html>", 0), 0U);
  EXPECT_THAT(html, ::testing::EndsWith("</html>\n"));
  for (const char* text : {"<script", "javascript:", "@import", "url(", "http://", "https://", "<iframe"})
    EXPECT_THAT(html, Not(HasSubstr(text)));
  EXPECT_FALSE(std::regex_search(html, std::regex("(src|href)=\"(?!data:)")));
  std::size_t pictures = 0;
  for (std::size_t at = 0; (at = html.find("data:image/png;base64,", at)) != std::string::npos; ++at)
    ++pictures;
  EXPECT_EQ(pictures, 4U);
  for (const char* text : {"<title>run</title>", "Epoch 2 of 2", "boundary_f1_15", "cross_entropy.mask.label",
                           "protocol clova", "libtorch", "threads", "batch_size: 4"})
    EXPECT_THAT(html, HasSubstr(text));
}

TEST(Watch, KilledAndResumedTrainingHasEachEpochOnceAndTheSamePage) {
  const Workplace place;
  expect_finishes(place.train("whole"));
  for (const int delay_ms : {0, 3, 8, 15, 60}) {  // after an epoch's line in the log
    Process training =
        (fs::exists(place / "killed") ? place.resume("killed") : place.train("killed")).start();
    const std::size_t before = lines_of(bytes_of(place / "killed/metrics.csv")).size();
    if (before >= kEpochs) break;
    training.wait_until([&] {
      return lines_of(bytes_of(place / "killed/metrics.csv")).size() > std::max<std::size_t>(before, 1);
    });
    std::this_thread::sleep_for(std::chrono::milliseconds(delay_ms));
    training.send(SIGKILL);
    training.wait();
  }
  expect_finishes(place.resume("killed"));
  expect_events_as_in_metrics_csv(place / "killed", kEpochs);
  for (const auto& [epoch, step] : Events::parse(bytes_of(place / "killed" / kEvents)).steps)
    EXPECT_LE(step.images.size(), 4U) << epoch;
  const std::string page =
      std::regex_replace(bytes_of(place / "killed/report.html"), std::regex(">killed<"), ">whole<");
  EXPECT_TRUE(page == bytes_of(place / "whole/report.html"));
}

TEST(Watch, RunThatGoesBackToAnEarlierCheckpointHasEachEpochOnce) {
  const Workplace place;
  Process training = place.train("run").start();
  ASSERT_TRUE(training.wait_until([&] { return training.err().find("\nepoch 2/") != std::string::npos; }));
  training.send(SIGTERM);
  training.wait();
  const std::string checkpoint = bytes_of(place / "run" / kLast);
  expect_finishes(place.resume("run"));
  const std::string events = bytes_of(place / "run" / kEvents);
  write_bytes(place / "run" / kLast, checkpoint);
  expect_finishes(place.resume("run"));
  expect_events_as_in_metrics_csv(place / "run", kEpochs);
  EXPECT_EQ(bytes_of(place / "run" / kEvents).substr(0, 200), events.substr(0, 200));
}

TEST(Watch, RunWhoseEventsAndPageAreGoneGetsThemAnew) {
  const Workplace place;
  expect_finishes(place.train("run", {"trainer.epochs=2"}));
  const std::string page = bytes_of(place / "run/report.html");
  fs::remove(place / "run/report.html");
  fs::remove(place / "run" / kEvents);
  expect_finishes(place.resume("run"));
  expect_events_as_in_metrics_csv(place / "run", 2);
  EXPECT_TRUE(bytes_of(place / "run/report.html") == page);
}

TEST(Watch, FullDiskForTheEventsIsOneLineAndLosesNothing) {
  const Workplace place;
  expect_finishes(place.train("whole"));
  Process training = place.train("run").start();
  ASSERT_TRUE(training.wait_until([&] { return training.err().find("\nepoch 1/") != std::string::npos; }));
  training.send(SIGTERM);
  ASSERT_EQ(training.wait().exit_code, 128 + SIGTERM);

  Event large;  // then the event file is the first that a limit of its size stops
  large.step = 1;
  large.images = {{"large", 1, 1, std::string(32 << 20, ' ')}};
  const std::string before = bytes_of(place / "run" / kEvents) + event_record(large);
  write_bytes(place / "run" / kEvents, before);
  const Ending ending = place.resume("run").limit_file_size(before.size() + 100).run();
  EXPECT_EQ(ending.exit_code, 2) << ending.err;
  EXPECT_EQ(ending.signal, 0);
  EXPECT_THAT(last_line(ending.err), MatchesRegex("portraitseg: run/events\\.out.*: cannot write: .+"));
  EXPECT_TRUE(bytes_of(place / "run" / kEvents) == before);
  EXPECT_EQ(Safetensors::parse(bytes_of(place / "run" / kLast)).progress().at("epoch"), 2);

  expect_finishes(place.resume("run"));
  expect_events_as_in_metrics_csv(place / "run", kEpochs);
  for (const fs::path& file : {fs::path("metrics.csv"), kLast})
    EXPECT_TRUE(bytes_of(place / "run" / file) == bytes_of(place / "whole" / file)) << file;
}

}  // namespace
}  // namespace portraitseg::testing
