#include <algorithm>
#include <cmath>
#include <filesystem>

#include <gmock/gmock.h>

#include "support/handmade_evaluation.h"

namespace portraitseg::testing {
namespace {

namespace fs = std::filesystem;

using ::testing::AllOf;
using ::testing::HasSubstr;
using Json = nlohmann::json;

/// A folder with the evaluations a/ and b/ of the same 24 images; b is 1 to 2 points lower on each.
class Compare : public ::testing::Test {
 protected:
  void SetUp() override {
    std::vector<double> of_a, of_b;
    std::vector<std::string> shares, sexes;
    for (int i = 0; i < 24; ++i) {
      of_a.push_back(90 + i % 7);
      of_b.push_back(of_a.back() - 1 - 0.04 * i);
      shares.push_back(std::to_string(20 + 2 * i));
      sexes.push_back(i < 10 ? "\"female, \"\"f\"\"\"" : i < 22 ? "male" : "");
    }
    a = HandmadeEvaluation::of(of_a).add("foreground_share", shares).add("attribute.sex", sexes);
    b = HandmadeEvaluation::of(of_b).add("foreground_share", shares).add("attribute.sex", sexes);
    a.write(path() / "a");
    b.write(path() / "b");
  }

  const fs::path& path() const { return folder_.path(); }

  Ending run(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), "compare");
    return Command(arguments).in(path()).run();
  }

  Json json(std::vector<std::string> arguments) const {
    arguments.insert(arguments.end(), {"--json", "-"});
    const Ending ending = run(arguments);
    EXPECT_EQ(ending.exit_code, 0) << ending.err;
    return Json::parse(ending.out);
  }

  /// Exit code 2 and one line on stderr with the words.
  void refused(const std::vector<std::string>& arguments, const std::vector<std::string>& words) const {
    const Ending ending = run(arguments);
    EXPECT_EQ(ending.exit_code, 2);
    EXPECT_EQ(ending.out, "");
    EXPECT_EQ(lines_of(ending.err).size(), 1U) << ending.err;
    for (const auto& word : words) EXPECT_THAT(ending.err, HasSubstr(word));
  }

  HandmadeEvaluation a, b;

 private:
  TemporaryFolder folder_;
};

TEST_F(Compare, PrintsATableAndASentence) {
  const Ending ending = run({"a", "b/"});
  ASSERT_EQ(ending.exit_code, 0) << ending.err;
  EXPECT_THAT(ending.out, AllOf(HasSubstr("clova (protocol aaaaaaaa): n = 24 of test.txt (sha256 bbbbbbbb)"),
                                HasSubstr("24 / 0"), HasSubstr("10000 times, seed 1")));
  EXPECT_THAT(ending.out,
              HasSubstr("On these 24 images foreground IoU is higher for a than for b, by 1.46 ["));
  EXPECT_EQ(ending.err, "");
}

TEST_F(Compare, TheOrderOfTheRowsDoesNotMatter) {
  const std::string expected = run({"a", "b"}).out;
  std::reverse(b.images.begin(), b.images.end());
  std::swap(a.images[3], a.images[11]);
  a.write(path() / "a");
  b.write(path() / "b");
  EXPECT_EQ(run({"a", "b"}).out, expected);
  EXPECT_NE(run({"a", "b", "--seed", "2"}).out, expected);
}

TEST_F(Compare, JsonGoesToStandardOutputAloneOrToAFile) {
  const Json printed = json({"a", "b"});
  EXPECT_EQ(printed.at("n"), 24);
  EXPECT_EQ(printed.at("protocol_hash"), a.protocol_hash);
  const Json& pair = printed.at("pairs").at(0);
  EXPECT_NEAR(pair.at("difference"), 1.46, 1e-9);
  EXPECT_LT(pair.at("interval").at(0), 1.46);
  EXPECT_EQ(pair.at("p_wilcoxon"), 2 / std::pow(2.0, 24));
  EXPECT_EQ(printed.at("forced"), Json::array());
  ASSERT_EQ(run({"a", "b", "--json", "figures.json"}).exit_code, 0);
  EXPECT_EQ(Json::parse(bytes_of(path() / "figures.json")), printed);
}

TEST_F(Compare, SeedsAreTwoGroupsOfResults) {
  for (const char* name : {"x_seed1", "x_seed2", "x_seed3"}) {
    for (auto& image : b.images) image.second[0] = std::to_string(std::stod(image.second[0]) + 0.1);
    b.write(path() / name);
  }
  const Json printed = json({"x_seed1", "x_seed2", "x_seed3", "--against", "a", "b"});
  const Json& seeds = printed.at("seeds").at(0);
  EXPECT_EQ(seeds.at("a").at("name"), "x_seed*");
  EXPECT_EQ(seeds.at("a").at("values").size(), 3U);
  EXPECT_NEAR(seeds.at("a").at("sd"), 0.1, 1e-6);
  EXPECT_EQ(seeds.at("b").at("values").size(), 2U);
  EXPECT_THAT(run({"x_seed1", "x_seed2", "--against", "b"}).out, HasSubstr("nobody can say"));
  EXPECT_EQ(json({"a", "--against", "b"}).at("pairs").size(), 1U);
}

TEST_F(Compare, GroupsByAttributeTableAndForegroundShare) {
  const Json by_sex = json({"a", "--by", "sex", "--smallest-group", "5"}).at("groups").at(0);
  EXPECT_EQ(by_sex.at("groups").at(0).at("group"), "female, \"f\"");
  EXPECT_EQ(by_sex.at("groups").at(0).at("n"), 10);
  EXPECT_EQ(by_sex.at("groups").at(2).at("group"), "(none)");
  EXPECT_EQ(by_sex.at("groups").at(2).at("left_out"), true);
  EXPECT_FALSE(by_sex.at("largest_gap").is_null());
  EXPECT_TRUE(json({"a", "--by", "sex"}).at("groups").at(0).at("largest_gap").is_null());

  const Json by_share = json({"a", "b", "--by", "foreground_share"});
  EXPECT_EQ(by_share.at("pairs").size(), 1U);
  ASSERT_EQ(by_share.at("groups").size(), 2U);
  EXPECT_EQ(by_share.at("groups").at(1).at("groups").size(), 4U);

  // The same images in the same groups, also where b's labels lie otherwise in its network's input.
  std::size_t share = 0;
  while (b.columns.at(share) != "foreground_share") ++share;
  for (auto& image : b.images) image.second[share] = std::to_string(100 - std::stod(image.second[share]));
  b.write(path() / "b");
  const Json tables = json({"a", "b", "--by", "foreground_share"}).at("groups");
  for (std::size_t group = 0; group < 4; ++group) {
    EXPECT_EQ(tables.at(1).at("groups").at(group).at("group"),
              tables.at(0).at("groups").at(group).at("group"));
    EXPECT_EQ(tables.at(1).at("groups").at(group), by_share.at("groups").at(1).at("groups").at(group));
  }

  write_bytes(path() / "people.csv", "id,age\n000,young\n001,old\n");
  const Ending table = run({"a", "--by", "age", "--attributes", "people.csv"});
  EXPECT_EQ(table.exit_code, 0) << table.err;
  for (const auto& line : lines_of(table.out)) EXPECT_FALSE(line.size() > 0 && line.back() == ' ') << line;
  EXPECT_THAT(table.out,
              AllOf(HasSubstr("of a by age"), HasSubstr("(none)  22"), HasSubstr("no two groups")));
}

TEST_F(Compare, WhatCannotBeComparedIsRefusedUnlessForced) {
  b.list_sha256 = std::string(64, 'd');
  b.images.pop_back();
  b.write(path() / "b");
  refused({"a", "b"},
          {"lists differ", "a has test.txt (sha256 bbbbbbbb)", "b has test.txt (sha256 dddddddd)"});
  const Ending forced = run({"a", "b", "--force", "--by", "sex"});
  EXPECT_EQ(forced.exit_code, 0) << forced.err;
  EXPECT_THAT(forced.out, AllOf(HasSubstr("forced, over the 23 images that all have: lists differ"),
                                HasSubstr("Forced: On these 23 images")));
  EXPECT_EQ(json({"a", "b", "--force"}).at("forced").size(), 2U);
}

TEST_F(Compare, MistakesOfTheCommandLine) {
  refused({"a"}, {"two results at least"});
  refused({}, {"results is required"});
  refused({"a", "./a"}, {"given twice"});
  refused({"a", "b", "--metric", "miou"}, {"a: no figure 'miou'", "it has: iou_foreground"});
  refused({"a", "b", "--by", "race"}, {"a: the images have no attribute 'race'", "sex, foreground_share"});
  refused({"a", "b", "--attributes", "a/metrics.json"}, {"--attributes needs --by"});
  refused({"a", "b", "--by", "x", "--attributes", "none.csv"}, {"none.csv"});
  refused({"a", "b", "--protocol", "native"},
          {"a/metrics.json", "no result by the protocol native; it has: clova"});
  refused({"a", "nowhere"}, {"nowhere", "no metrics.json"});
  a.write(path() / "out/SINet/val");
  b.write(path() / "out/ExtremeC3");
  refused({"out", "a"}, {"out: is no result, but holds some", "out/ExtremeC3, out/SINet/val"});
  write_bytes(path() / "people.csv", "name,age\n000,young\n");
  refused({"a", "b", "--by", "age", "--attributes", "people.csv"},
          {"people.csv: no column 'id'; it has: name, age"});
  write_bytes(path() / "people.csv", "id,age\nstranger,young\n");
  refused({"a", "b", "--by", "age", "--attributes", "people.csv"}, {"'stranger'", "'000'"});
}

TEST_F(Compare, SeveralProtocolsInAFolderNeedOneNamed) {
  HandmadeEvaluation native = a;
  native.protocol = "native";
  native.write(path() / "a");
  write_bytes(path() / "a/metrics.json", Json{{"results", {a.result(), native.result()}}}.dump());
  refused({"a", "b"}, {"a/metrics.json: holds several results: clova, native"});
  EXPECT_EQ(run({"a", "b", "--protocol", "clova"}).exit_code, 0);
}

TEST_F(Compare, ABrokenFileIsOneLine) {
  write_bytes(path() / "b/clova/per_image.csv", b.table() + "023,224\n");
  refused({"a", "b"}, {"b/clova/per_image.csv: line 26 has 2 fields, the header "});
}

}  // namespace
}  // namespace portraitseg::testing
