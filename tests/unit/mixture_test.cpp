#include "portraitseg/data/mixture.h"

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>

#include "portraitseg/core/config.h"
#include "portraitseg/core/file.h"
#include "portraitseg/data/folders.h"

#include "support/dataset_test.h"

namespace portraitseg {
namespace {

using ::testing::HasSubstr;

/// Two folders of portraits, of 3 and 5 images, and a folder of 4 backgrounds.
class MixtureTest : public testing::DatasetTest {
 protected:
  void SetUp() override {
    const std::map<std::string, int> sizes = {{"one", 3}, {"two", 5}};
    for (const auto& [folder, size] : sizes) {
      for (int i = 0; i < size; ++i) {
        const std::string name = std::string(1, static_cast<char>('a' + i));
        write(folder + "/Images/" + name + ".jpg", folder + "/Labels/" + name + ".png", 1);
      }
    }
    for (const char* name : {"p", "q", "r", "s"})
      write_image(std::string("empty/") + name + ".jpg", cv::Mat(30, 20, CV_8UC3));
  }

  DataConfig config(const std::string& options = "") const {
    const std::string base = root().string();
    DataConfig data;
    Config::parse("name: mixture\ntrain_list: train\nval_list: val\n" + options +
                      "parts:\n"
                      "  - {weight: 3, train: '*', val: '[ab].jpg', data: {name: folders, root: " +
                      base +
                      "/one}}\n"
                      "  - {weight: 1, train: '*', val: '*', data: {name: folders, root: " +
                      base +
                      "/two}}\n"
                      "  - {weight: 1, train: all, data: {name: backgrounds, root: " +
                      base + "/empty}}\n",
                  "config.yaml")
        .read(data);
    return data;
  }
  std::unique_ptr<Dataset> open_mixture(const std::string& list, const std::string& options = "") const {
    return config(options).options->open(list, OnError::kFail);
  }
};

using Mixture = MixtureTest;

TEST_F(Mixture, ASplitToMeasureOnHoldsEachImageOnce) {
  const auto dataset = open_mixture("val");
  EXPECT_EQ(ids(*dataset), "0/a 0/b 1/a 1/b 1/c 1/d 1/e");  // the backgrounds have no list val
  expect_square(dataset->get(2), "1/a");
  EXPECT_EQ(dataset->get(2).attributes.at("part"), "1");
  EXPECT_EQ(dataset->list, "val");
}

TEST_F(Mixture, TrainingHasAsManyEntriesAsThePartsHaveImages) {
  EXPECT_EQ(open_mixture("train")->size(), 12);
  EXPECT_EQ(open_mixture("train", "size: 100\n")->size(), 100);
}

TEST_F(Mixture, PartsAreDrawnByWeight) {
  const auto dataset = open_mixture("train", "size: 2000\n");
  std::map<char, int> counts;
  for (std::int64_t i = 0; i < dataset->size(); ++i) ++counts[dataset->get(i).id[0]];
  EXPECT_NEAR(counts['0'], 1200, 66);  // 3 standard deviations of 2000 draws
  EXPECT_NEAR(counts['1'], 400, 54);
  EXPECT_NEAR(counts['2'], 400, 54);
}

TEST_F(Mixture, APartGivesEachImageOnceBeforeItGivesOneAgain) {
  const auto dataset = open_mixture("train", "size: 200\n");
  const std::map<char, std::size_t> sizes = {{'0', 3}, {'1', 5}, {'2', 4}};
  std::map<std::string, std::set<std::string>> passes;  // "0#2" -> images
  std::set<std::string> all;
  for (std::int64_t i = 0; i < dataset->size(); ++i) {
    const std::string id = dataset->get(i).id;
    EXPECT_TRUE(all.insert(id).second) << id << " twice";
    const auto slash = id.find('/'), hash = id.find('#');
    const std::string pass = id.substr(0, slash) + (hash == std::string::npos ? "#1" : id.substr(hash));
    passes[pass].insert(id.substr(slash + 1, 1));
    const int number = std::stoi(pass.substr(pass.find('#') + 1));
    if (number == 1) continue;
    const std::string before = id.substr(0, slash) + "#" + std::to_string(number - 1);
    EXPECT_EQ(passes[before].size(), sizes.at(id[0])) << id;
  }
  EXPECT_EQ(passes["0#1"].size(), 3u);
}

TEST_F(Mixture, NothingButTheSeedDecides) {
  const auto first = open_mixture("train", "size: 50\n"), again = open_mixture("train", "size: 50\n");
  const auto other = open_mixture("train", "size: 50\nseed: 2\n");
  EXPECT_EQ(ids(*first), ids(*again));
  EXPECT_EQ(first->list_sha256, again->list_sha256);
  EXPECT_NE(ids(*first), ids(*other));
  EXPECT_NE(first->list_sha256, other->list_sha256);
}

TEST_F(Mixture, MistakesAreNamed) {
  EXPECT_THAT(error(MixtureOptions(), "train"), HasSubstr("no part of the mixture has a list 'train'"));
  EXPECT_THAT(error(MixtureOptions(*dynamic_cast<MixtureOptions*>(config().options.get())), "train.txt"),
              HasSubstr("a mixture's list is train, val or test, found 'train.txt'"));
  EXPECT_THAT(error(MixtureOptions(*dynamic_cast<MixtureOptions*>(config().options.get())), "test"),
              HasSubstr("no part of the mixture has a list 'test'"));
  DataConfig data;
  try {
    Config::parse("name: mixture\nparts:\n  - {weight: 0, data: {name: folders}}\n", "c.yaml").read(data);
    FAIL();
  } catch (const ConfigError& error) {
    EXPECT_THAT(error.what(), HasSubstr("c.yaml:3:14: parts.0.weight: must be at least"));
  }
  try {
    Config::parse("name: mixture\nparts:\n  - {data: {name: folders, task: portrait}}\n", "c.yaml")
        .read(data);
    FAIL();
  } catch (const ConfigError& error) {
    EXPECT_THAT(error.what(), HasSubstr("unknown key 'task' in 'parts.0.data'"));
  }
}

TEST_F(Mixture, SkippedEntriesOfThePartsAreListed) {
  write_text("one/list.txt", "a.jpg\ngone.jpg\n");
  DataConfig data;
  Config::parse("name: mixture\nparts: [{train: list.txt, data: {root: " + root().string() + "/one}}]\n",
                "c.yaml")
      .read(data);
  const auto dataset = data.options->open("train", OnError::kSkip);
  EXPECT_EQ(dataset->size(), 1);
  ASSERT_EQ(dataset->skipped.size(), 1u);
  EXPECT_THAT(dataset->skipped[0], HasSubstr("gone.jpg: no such image"));
}

TEST_F(Mixture, TheEffectiveConfigurationReadsBackTheSame) {
  DataConfig data = config("size: 7\n");
  const std::string yaml = ConfigWriter::yaml(data);
  DataConfig again;
  Config::parse(yaml, "effective").read(again);
  EXPECT_EQ(ConfigWriter::yaml(again), yaml);
  EXPECT_THAT(yaml, HasSubstr("name: backgrounds"));
}

TEST_F(Mixture, RootsOfPartsBecomeAbsolute) {
  MixtureOptions options;
  options.parts.resize(2);
  options.parts[0].data.options->root = "data/x/../y";
  options.make_absolute();
  EXPECT_EQ(options.parts[0].data.options->root, (std::filesystem::current_path() / "data/y").string());
  EXPECT_EQ(options.parts[1].data.options->root, "");
}

/// A data set from outside of the library: the folders of a fixed name.
struct OwnOptions : FoldersOptions {
  OwnOptions() { images = "photos"; }
};

const DatasetRegistry& own_datasets() {
  static const auto registry =
      DatasetRegistry(datasets()).add("own", std::make_shared<OwnOptions>).replace("mixture", [] {
        return std::make_shared<MixtureOptions>(own_datasets());
      });
  return registry;
}

TEST_F(Mixture, ThePartsMayBeDataSetsFromOutsideOfTheLibrary) {
  write("three/photos/x.jpg", "three/Labels/x.png", 1);
  const std::string yaml =
      "name: mixture\nparts:\n  - {train: '*', data: {name: own, root: " + root().string() +
      "/three}}\n  - {data: {root: elsewhere}}\n";
  DataConfig data;
  data.registry = &own_datasets();
  Config::parse(yaml, "c.yaml").read(data);
  EXPECT_EQ(ids(*data.options->open("train", OnError::kFail)), "0/x");
  const auto& parts = dynamic_cast<const MixtureOptions&>(*data.options).parts;
  EXPECT_EQ(parts.at(1).data.name, "folders");
  EXPECT_EQ(parts.at(1).data.options->root, "elsewhere");
  DataConfig without;
  EXPECT_THROW(Config::parse(yaml, "c.yaml").read(without), ConfigError);
  EXPECT_EQ(own_datasets().names(), [] {
    auto names = datasets().names();
    names.push_back("own");
    return names;
  }());
  EXPECT_THROW(DatasetRegistry(datasets()).replace("none", std::make_shared<OwnOptions>), std::logic_error);
}

TEST_F(Mixture, PartsDoNotShareTheirOptions) {
  const DataConfig data = config("size: 3\n");
  const auto& read = dynamic_cast<const MixtureOptions&>(*data.options).parts;
  MixtureOptions made;
  made.parts.resize(3);
  for (const std::vector<MixturePart>* parts : {&read, &std::as_const(made.parts)}) {
    std::set<const DatasetOptions*> options;
    for (const auto& part : *parts) options.insert(part.data.options.get());
    EXPECT_EQ(options.size(), 3u);
  }
  DataConfig defaults;  // of parts that say nothing
  Config::parse("name: mixture\nparts: [{train: a}, {train: b}]\n", "c.yaml").read(defaults);
  const auto& parts = dynamic_cast<const MixtureOptions&>(*defaults.options).parts;
  EXPECT_NE(parts.at(0).data.options, parts.at(1).data.options);
}

TEST_F(Mixture, ListFilesOfPartsBecomeAbsoluteAndOtherWordsStay) {
  write_list("one/own.txt", "a.jpg\n");
  write_list("here/list.txt", "b.jpg\n");
  write_list("here/all", "c.jpg\n");
  const std::filesystem::path before = std::filesystem::current_path();
  std::filesystem::current_path(root() / "here");
  MixtureOptions options;
  options.parts.resize(1);
  options.parts[0].data.options->root = "../one";
  options.parts[0].train = "own.txt";
  options.parts[0].val = "list.txt";
  options.parts[0].test = "*.jpg";
  MixtureOptions others;
  others.parts.resize(1);
  others.parts[0].data = Selection<DatasetOptions>("backgrounds", datasets());
  others.parts[0].data.options->root = "../empty";
  others.parts[0].train = "all";
  others.parts[0].val = "gone.txt";
  options.make_absolute();
  others.make_absolute();
  std::filesystem::current_path(before);
  EXPECT_EQ(options.parts[0].train, (root() / "one/own.txt").string());
  EXPECT_EQ(options.parts[0].val, (root() / "here/list.txt").string());
  EXPECT_EQ(options.parts[0].test, "*.jpg");
  EXPECT_EQ(others.parts[0].train, "all");
  EXPECT_EQ(others.parts[0].val, "gone.txt");
}

struct DataSection {
  DataConfig data;
  void fields(Fields& f) { f.group("data", data, "the data set"); }
};

/// The lines "data: ..." and the block of the mixture in data/README.md.
std::vector<std::string> documented_sections() {
  const std::string text = read_file(std::string(PORTRAITSEG_SOURCE_DIR) + "/data/README.md");
  std::vector<std::string> sections;
  for (std::size_t at = 0; (at = text.find("\ndata:", at)) != std::string::npos;) {
    const bool line = text.compare(at + 1, 7, "data: {") == 0;
    const std::size_t end = text.find(line ? "\n" : "\n```", at + 1);
    sections.push_back(text.substr(at + 1, end - at));
    at = end;
  }
  return sections;
}

TEST(Datasets, WhatTheirPageTellsToWriteIsRead) {
  std::set<std::string> names;
  for (const auto& section : documented_sections()) {
    DataSection config;
    EXPECT_NO_THROW(Config::parse(section, "data/README.md").read(config)) << section;
    names.insert(config.data.name);
  }
  names.insert("backgrounds");  // within the mixture
  EXPECT_EQ(names.size(), datasets().names().size());
}

TEST(Datasets, EveryOneStatesItsOptions) {
  for (const auto& name : datasets().names()) {
    DataConfig data;
    Config::parse("name: " + name, "c.yaml").read(data);
    EXPECT_THAT(ConfigWriter::yaml(data), HasSubstr("name: " + name + "\n"));
    if (name != "mixture") {
      const std::string unset = [&] {
        try {
          data.options->open("all", OnError::kFail);
        } catch (const UserError& error) {
          return std::string(error.what());
        }
        return std::string("no error");
      }();
      EXPECT_THAT(unset, HasSubstr("data.root is")) << name;
    }
  }
}

}  // namespace
}  // namespace portraitseg
