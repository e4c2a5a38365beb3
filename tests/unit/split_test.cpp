#include "portraitseg/data/split.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include <gmock/gmock.h>

#include "portraitseg/core/error.h"
#include "portraitseg/core/file.h"

#include "support/memory_dataset.h"
#include "support/temporary_folder.h"

namespace portraitseg {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::MemoryDataset;
using testing::plain_sample;
using Parts = std::vector<std::vector<std::int64_t>>;

std::vector<std::string> numbered(int count) {
  std::vector<std::string> names;
  for (int i = 0; i < count; ++i) names.push_back(std::to_string(i));
  return names;
}

std::string error_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const UserError& error) {
    return error.what();
  }
  return "no error";
}

TEST(Split, MeetsTheSharesAndHoldsEachItemOnce) {
  const Parts parts = split(numbered(1000), {0.8, 0.15, 0.05}, 1);
  EXPECT_EQ(parts[0].size(), 800u);
  EXPECT_EQ(parts[1].size(), 150u);
  EXPECT_EQ(parts[2].size(), 50u);
  std::set<std::int64_t> all;
  for (const auto& part : parts) {
    EXPECT_TRUE(std::is_sorted(part.begin(), part.end()));
    all.insert(part.begin(), part.end());
  }
  EXPECT_EQ(all.size(), 1000u);
}

TEST(Split, FollowsFromTheSeedAlone) {
  EXPECT_EQ(split(numbered(100), {0.5, 0.5}, 7), split(numbered(100), {0.5, 0.5}, 7));
  EXPECT_NE(split(numbered(100), {0.5, 0.5}, 7), split(numbered(100), {0.5, 0.5}, 8));
}

TEST(Split, DoesNotDependOnTheOrderOfTheList) {
  auto names = numbered(60);
  const auto part_of = [](const std::vector<std::string>& items, const Parts& parts) {
    std::map<std::string, std::size_t> result;
    for (std::size_t part = 0; part < parts.size(); ++part) {
      for (const auto item : parts[part]) result[items[static_cast<std::size_t>(item)]] = part;
    }
    return result;
  };
  const auto before = part_of(names, split(names, {0.6, 0.2, 0.2}, 3));
  std::reverse(names.begin(), names.end());
  EXPECT_EQ(part_of(names, split(names, {0.6, 0.2, 0.2}, 3)), before);
}

TEST(Split, KeepsGroupsTogetherAndTheSharesToWithinTheLargestGroup) {
  std::vector<std::string> groups;
  for (int group = 0; group < 60; ++group) {
    for (int i = 0; i <= group % 7; ++i) groups.push_back("person " + std::to_string(group));
  }
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    const Parts parts = split(groups, {0.7, 0.2, 0.1}, seed);
    std::map<std::string, std::set<std::size_t>> seen;
    for (std::size_t part = 0; part < parts.size(); ++part) {
      for (const auto item : parts[part]) seen[groups[static_cast<std::size_t>(item)]].insert(part);
    }
    for (const auto& [group, in] : seen) EXPECT_EQ(in.size(), 1u) << group;
    const auto n = static_cast<double>(groups.size());
    EXPECT_NEAR(static_cast<double>(parts[0].size()), 0.7 * n, 7);
    EXPECT_NEAR(static_cast<double>(parts[1].size()), 0.2 * n, 7);
    EXPECT_NEAR(static_cast<double>(parts[2].size()), 0.1 * n, 7);
  }
}

TEST(Split, RefusesSharesThatAreNoneAndPartsThatStayEmpty) {
  for (const std::vector<double>& shares :
       {std::vector<double>{0.5, 0.4}, {1.5, -0.5}, {std::nan(""), 1}, {}}) {
    EXPECT_THAT(error_of([&] { split(numbered(9), shares, 1); }), HasSubstr("sum must be 1"));
  }
  EXPECT_THAT(error_of([&] {
                split({"a", "a", "a"}, {0.5, 0.5}, 1);
              }),
              HasSubstr("3 images in 1 groups are too few"));
  EXPECT_THAT(split({"a", "b"}, {1, 0}, 1), ElementsAre(ElementsAre(0, 1), ElementsAre()));
}

class SplitEntries : public ::testing::Test {
 protected:
  MemoryDataset with_list(const std::string& name, const std::string& text) const {
    MemoryDataset dataset;
    for (const char* id : {"00001", "00007", "x/ann_2"}) {
      Sample sample = plain_sample(id, {1, 2, 3});
      sample.attributes = {{"user_id", id == std::string("00007") ? "b" : "a"}};
      dataset.add(sample);
    }
    dataset.list = folder_.path() / name;
    write_file(dataset.list, text);
    return dataset;
  }
  static std::vector<std::string> lines(const Dataset& dataset, std::int64_t workers = 2) {
    std::vector<std::string> result;
    for (const auto& entry : split_entries(dataset, group_by_id(), {workers, {}}))
      result.push_back(entry.line);
    return result;
  }
  static std::vector<std::string> groups(const Dataset& dataset, const GroupOf& group_of) {
    std::vector<std::string> result;
    for (const auto& entry : split_entries(dataset, group_of, {})) result.push_back(entry.group);
    return result;
  }

 private:
  testing::TemporaryFolder folder_;
};

TEST_F(SplitEntries, AreTheLinesOfATextList) {
  const auto dataset = with_list("a.txt",
                                 "\xef\xbb\xbf"
                                 "00001.jpg\r\n7\n\nx/ann_2.jpg x/mask.png");
  EXPECT_THAT(lines(dataset), ElementsAre("00001.jpg", "7", "x/ann_2.jpg x/mask.png"));
  EXPECT_EQ(lines(dataset, 0), lines(dataset, 4));
}

/// A data set that is distributed in folders is opened by a split's name, and there is no file to read lines from.
TEST_F(SplitEntries, AreIdsWhereThereIsNoListFile) {
  auto dataset = with_list("a.txt", "1\n7\nann_2\n");
  dataset.list = "train";
  EXPECT_THAT(lines(dataset), ElementsAre("00001", "00007", "x/ann_2"));
}

TEST_F(SplitEntries, AreIdsWhereTheListIsNoneOfOneImageALine) {
  EXPECT_THAT(lines(with_list("a.json", "{\"images\": [1, 7, 2]}")),
              ElementsAre("00001", "00007", "x/ann_2"));
  EXPECT_THAT(lines(with_list("b.csv", "id,user\n1,a\n7,b\nx/ann_2,a\n")),
              ElementsAre("00001", "00007", "x/ann_2"));
  EXPECT_THAT(lines(with_list("c.json", "[\n{\"1\": 7}\n]")), ElementsAre("00001", "00007", "x/ann_2"));
}

TEST_F(SplitEntries, GroupByAttributeOrPattern) {
  const auto dataset = with_list("a.txt", "1\n7\nann_2\n");
  EXPECT_THAT(groups(dataset, group_by_attribute("user_id")), ElementsAre("a", "b", "a"));
  EXPECT_THAT(groups(dataset, group_by_pattern("[0-9]$")), ElementsAre("1", "7", "2"));
  EXPECT_THAT(groups(dataset, group_by_pattern("(.).$")), ElementsAre("0", "0", "_"));
}

TEST_F(SplitEntries, WhatHasNoGroupIsRefused) {
  const auto dataset = with_list("a.txt", "1\n7\nann_2\n");
  EXPECT_THAT(error_of([&] { groups(dataset, group_by_attribute("user")); }),
              HasSubstr("00001: has no attribute 'user'; known: user_id"));
  EXPECT_THAT(error_of([&] { groups(dataset, group_by_pattern("ann_(.)")); }),
              HasSubstr("00001: 'ann_(.)' finds"));
  EXPECT_THAT(error_of([] { group_by_pattern("(a"); }), HasSubstr("'(a' is no regular expression"));
}

}  // namespace
}  // namespace portraitseg
