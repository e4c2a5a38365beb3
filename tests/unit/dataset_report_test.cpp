#include "portraitseg/report/dataset_report.h"

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

namespace portraitseg {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(VerifyTable, ShortensManyFindingsOfAKindRemarksMoreThanErrorsButNotTheJson) {
  DatasetReport report;
  report.lists.push_back({"a.txt", "/a.txt", "", 150, 0, {}});
  for (int i = 0; i < 150; ++i)
    report.findings.push_back({Problem::kUnusable, "a.txt", "id" + std::to_string(i), "broken"});
  for (int i = 0; i < 150; ++i)
    report.findings.push_back(
        {Problem::kGrey, "a.txt", "grey" + std::to_string(i), "the image has no colour"});
  report.findings.push_back({Problem::kGreyFile, "a.txt", "stored", "is stored grey"});
  const std::string table = verify_table(report);
  EXPECT_THAT(table,
              AllOf(HasSubstr("id99: "), Not(HasSubstr("id100: ")), HasSubstr("and 50 more, see --json\n"),
                    HasSubstr("grey9: "), Not(HasSubstr("grey10: ")), HasSubstr("and 140 more, see --json\n"),
                    HasSubstr("stored: is stored grey"), HasSubstr("150 errors, 151 remarks\n")));
  EXPECT_EQ(nlohmann::json::parse(verify_json(report)).at("findings").size(), 301u);
}

TEST(StatisticsTable, HasChannelsInTheOrderAskedForAttributesAndYaml) {
  DatasetStatistics figures;
  figures.images = 2;
  figures.per_image = {{1, 2, 3}, {4, 5, 6}};
  figures.class_pixels = {1, 1};
  figures.attributes["light"] = {{"dim", {1, 0.25}}, {"bright", {1, 0.75}}};
  for (int i = 0; i < 30; ++i) figures.attributes["user_id"][std::to_string(i)] = {1, 0.5};
  EXPECT_THAT(
      statistics_table({"a.txt", "", figures}, ChannelOrder::kBgr),
      AllOf(HasSubstr("  channel_order: bgr\n  mean: [1.000000, 2.000000, 3.000000]\n"),
            HasSubstr("class_weights: [2.127643, 2.127643]\n"), HasSubstr("bright   0.7500  1 image\n"),
            HasSubstr("foreground by user_id\n  30 values, see --json\n")));
  EXPECT_THAT(statistics_table({"a.txt", "", figures}, ChannelOrder::kRgb),
              HasSubstr("  channel_order: rgb\n  mean: [3.000000, 2.000000, 1.000000]\n  std: [6.000000"));
  const auto json = nlohmann::json::parse(statistics_json({{"a.txt", "", figures}}, ChannelOrder::kRgb));
  EXPECT_EQ(json.at("lists")[0].at("per_image").at("mean"), nlohmann::json({3, 2, 1}));
  EXPECT_EQ(json.at("lists")[0].at("attributes").at("user_id").size(), 30u);
}

}  // namespace
}  // namespace portraitseg
