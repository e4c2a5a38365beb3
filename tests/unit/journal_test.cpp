#include "portraitseg/sweep/journal.h"

#include <cmath>
#include <filesystem>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "portraitseg/core/error.h"
#include "portraitseg/core/file.h"

#include "support/temporary_folder.h"

namespace portraitseg {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;
using Kind = TrialEvent::Kind;
using State = TrialHistory::State;

class Journals : public ::testing::Test {
 protected:
  std::filesystem::path file() const { return folder_.path() / "journal.jsonl"; }

  static TrialEvent event(Kind kind, std::int64_t attempt = 1, const std::string& trial = "a") {
    TrialEvent event;
    event.kind = kind;
    event.trial = trial;
    event.attempt = attempt;
    event.pid = 17;
    return event;
  }

  static TrialEvent finished(std::int64_t attempt) {
    TrialEvent result = event(Kind::kFinished, attempt);
    result.seconds = 2.5;
    result.result = {4, 3, {{"iou_foreground", 91.234567890123456}, {"miou", 1.0 / 3}}, "clova", "abc", 8};
    return result;
  }

  testing::TemporaryFolder folder_;
};

TEST_F(Journals, OfAMissingFileIsEmptyAndReadingMakesNone) {
  EXPECT_EQ(Journal(file()).of("a").state, State::kNew);
  EXPECT_FALSE(std::filesystem::exists(file()));
}

TEST_F(Journals, TheStateFollowsFromTheEventsInTheirOrder) {
  Journal journal(file());
  const auto expect = [&](State state, std::int64_t attempts) {
    for (const TrialHistory& history : {journal.of("a"), Journal(file()).of("a")}) {
      EXPECT_EQ(history.state, state);
      EXPECT_EQ(history.attempts, attempts);
    }
  };
  journal.add(event(Kind::kStarted, 1));
  expect(State::kUnfinished, 1);
  TrialEvent stopped = event(Kind::kStopped, 1);
  stopped.signal = 9;
  stopped.seconds = 4;
  journal.add(stopped);
  expect(State::kUnfinished, 1);
  journal.add(event(Kind::kStarted, 2));
  TrialEvent failed = event(Kind::kFailed, 2);
  failed.exit_code = 2;
  failed.error = "data: no \"such\" folder";
  journal.add(failed);
  expect(State::kFailed, 2);
  EXPECT_EQ(Journal(file()).of("a").error, failed.error);
  journal.add(event(Kind::kStarted, 3));
  expect(State::kUnfinished, 3);
  journal.add(finished(3));
  expect(State::kFinished, 3);
  EXPECT_EQ(journal.of("b").state, State::kNew);
  EXPECT_EQ(Journal(file()).of("a").seconds, 6.5);
}

TEST_F(Journals, AnAttemptIsOpenUntilItsEndIsKnown) {
  Journal journal(file());
  TrialEvent started = event(Kind::kStarted, 1);
  started.pid = 0;
  started.job = "12_3";
  journal.add(started);
  EXPECT_THAT(read_file(file()), HasSubstr("\"job\":\"12_3\""));
  EXPECT_TRUE(Journal(file()).of("a").open);
  journal.add(event(Kind::kStopped, 1));
  EXPECT_FALSE(journal.of("a").open);
  journal.add(event(Kind::kStarted, 2));
  EXPECT_TRUE(journal.of("a").open);
  journal.add(finished(2));
  EXPECT_FALSE(Journal(file()).of("a").open);
}

TEST_F(Journals, AResultReadsBackBitForBit) {
  Journal(file()).add(finished(1));
  const TrialResult result = Journal(file()).of("a").result, written = finished(1).result;
  EXPECT_EQ(result.figures, written.figures);
  EXPECT_EQ(result.epochs, 4);
  EXPECT_EQ(result.best_epoch, 3);
  EXPECT_EQ(result.protocol, "clova");
  EXPECT_EQ(result.list_sha256, "abc");
  EXPECT_EQ(result.images, 8);
}

TEST_F(Journals, AFigureThatIsNoNumberIsLeftOut) {
  TrialEvent result = finished(1);
  result.result.figures["boundary_f1_5"] = std::nan("");
  Journal(file()).add(result);
  EXPECT_THAT(Journal(file()).of("a").result.figures, SizeIs(2));
}

TEST_F(Journals, ATrialAtARungIsStoppedEarlyUntilItStartsAgain) {
  Journal journal(file());
  journal.add(event(Kind::kStarted, 1));
  TrialEvent rung = event(Kind::kRung, 1);
  rung.seconds = 3;
  rung.rung = {3, "iou_foreground", 91.234567890123456};
  journal.add(rung);
  EXPECT_EQ(Journal(file()).of("a").state, State::kStoppedEarly);
  EXPECT_STREQ(word(State::kStoppedEarly), "stopped early");
  journal.add(event(Kind::kStarted, 2));
  EXPECT_EQ(Journal(file()).of("a").state, State::kUnfinished);
  rung.rung = {9, "iou_foreground", std::nan("")};
  journal.add(rung);
  journal.add(event(Kind::kStarted, 3));
  journal.add(finished(3));
  for (const TrialHistory& history : {journal.of("a"), Journal(file()).of("a")}) {
    EXPECT_EQ(history.state, State::kFinished);
    EXPECT_EQ(history.seconds, 8.5);
    ASSERT_THAT(history.rungs, SizeIs(2));
    EXPECT_EQ(history.rungs[0].epoch, 3);
    EXPECT_EQ(history.rungs[0].figure, "iou_foreground");
    EXPECT_EQ(history.rungs[0].value, 91.234567890123456);
    EXPECT_EQ(history.rungs[1].epoch, 9);
    EXPECT_TRUE(std::isnan(history.rungs[1].value));
  }
}

TEST_F(Journals, OfAnEarlierVersionStillRead) {
  write_file(
      file(),
      "{\"event\":\"started\",\"trial\":\"a\",\"attempt\":1,\"time\":\"2026-11-01T10:00:00Z\",\"pid\":7}\n"
      "{\"event\":\"stopped\",\"trial\":\"a\",\"attempt\":1,\"time\":\"2026-11-01T10:00:09Z\",\"pid\":7,"
      "\"seconds\":9.5,\"signal\":9}\n");
  const TrialHistory history = Journal(file()).of("a");
  EXPECT_EQ(history.state, State::kUnfinished);
  EXPECT_EQ(history.seconds, 9.5);
  EXPECT_THAT(history.rungs, SizeIs(0));
}

TEST_F(Journals, ALastLineThatWasCutAnywhereCountsAsNotWritten) {
  Journal(file()).add(event(Kind::kStarted));
  const std::string first = read_file(file());
  Journal(file()).add(finished(1));
  const std::string whole = read_file(file());
  for (std::size_t size = first.size(); size < whole.size(); ++size) {
    write_file(file(), whole.substr(0, size));
    Journal journal(file());
    EXPECT_EQ(journal.of("a").state, State::kUnfinished) << size;
    EXPECT_EQ(read_file(file()).size(), size) << "reading changed it";
    journal.add(event(Kind::kStarted, 2));
    EXPECT_EQ(Journal(file()).of("a").attempts, 2) << size;
    EXPECT_EQ(read_file(file()).substr(0, first.size()), first);
  }
}

TEST_F(Journals, ALineInTheMiddleThatIsNoEventIsRefusedByItsNumber) {
  Journal(file()).add(event(Kind::kStarted));
  for (const char* line : {"not JSON\n", "{\"event\": \"started\"}\n",
                           "{\"event\": \"begun\", \"trial\": \"a\", \"attempt\": 1}\n"}) {
    const std::string before = read_file(file());
    append_file(file(), line);
    try {
      const Journal journal(file());
      ADD_FAILURE() << line;
    } catch (const DataError& error) {
      EXPECT_THAT(error.what(), HasSubstr(file().string() + ":2: no event of a sweep"));
    }
    write_file(file(), before);
  }
}

}  // namespace
}  // namespace portraitseg
