#include "portraitseg/report/epoch_log.h"

#include <limits>

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "portraitseg/core/file.h"

#include "support/temporary_folder.h"

namespace portraitseg {
namespace {

EpochRecord record_of(std::int64_t epoch) {
  EpochRecord record;
  record.epoch = epoch;
  record.lr = 0.1;
  record.train_loss = 1.0 / 3;
  record.loss_terms = {{"focal.mask.label", std::numeric_limits<double>::infinity()}};
  record.validation = {{"miou", 90.5}};
  record.val_protocol = "clova";
  return record;
}

class GrowingEpochLog : public ::testing::Test {
 protected:
  void SetUp() override {
    for (std::int64_t epoch = 1; epoch <= 3; ++epoch) log_.append(record_of(epoch), {12.5, 80});
  }
  testing::TemporaryFolder folder_;
  std::filesystem::path path_ = folder_.path() / "log.jsonl";
  EpochLog log_{path_};
};

TEST_F(GrowingEpochLog, HasOneObjectALineWithEveryFigure) {
  const auto lines = read_lines(path_);
  ASSERT_EQ(lines.size(), 3U);
  const auto json = nlohmann::json::parse(lines[1]);
  EXPECT_EQ(json.at("epoch"), 2);
  EXPECT_EQ(json.at("seconds"), 12.5);
  EXPECT_EQ(json.at("images_per_second"), 80);
  EXPECT_EQ(json.at("train_loss"), 1.0 / 3);
  EXPECT_TRUE(json.at("loss_terms").at("focal.mask.label").is_null());
  EXPECT_EQ(json.at("validation").at("miou"), 90.5);
  EXPECT_THAT(json.at("time").get<std::string>(),
              ::testing::MatchesRegex("20[0-9][0-9]-[0-9]+-[0-9]+T[0-9]+:[0-9]+:[0-9]+Z"));
}

TEST_F(GrowingEpochLog, TakenUpAgainHasEachEpochOnce) {
  const std::string before = read_file(path_);
  EXPECT_EQ(log_.cut_behind(3), 3);
  EXPECT_EQ(read_file(path_), before);
  EXPECT_EQ(log_.cut_behind(1), 1);
  EXPECT_EQ(read_lines(path_).size(), 1U);
  log_.append(record_of(2), {});
  const auto lines = read_lines(path_);
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_FALSE(nlohmann::json::parse(lines[1]).contains("seconds"));
}

TEST_F(GrowingEpochLog, LosesAnUnfinishedLine) {
  std::string bytes = read_file(path_);
  write_file(path_, bytes.substr(0, bytes.size() - 1));
  EXPECT_EQ(log_.cut_behind(3), 2);
  EXPECT_EQ(read_lines(path_).size(), 2U);
}

TEST(EpochLog, ThatIsNotThereHasNoEpoch) {
  const testing::TemporaryFolder folder;
  EXPECT_EQ(EpochLog(folder.path() / "log.jsonl").cut_behind(5), 0);
}

}  // namespace
}  // namespace portraitseg
