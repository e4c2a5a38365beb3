#include <algorithm>
#include <filesystem>
#include <map>
#include <set>

#include <gmock/gmock.h>
#include <opencv2/imgcodecs.hpp>

#include "support/command.h"
#include "support/refusal.h"

namespace portraitseg::testing {
namespace {

namespace fs = std::filesystem;

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using Arguments = std::vector<std::string>;
using Json = nlohmann::json;

Json json_of(const Ending& ending) {
  return Json::parse(ending.out);  // throws, hence fails, if anything else was printed
}

TEST(DatasetVerify, EndsWith0AndCountsWhereAllIsFine) {
  const Workplace place;
  for (const Arguments& source : {Arguments{"--config", "config.yaml"},
                                  Arguments{"--root", "data", "--list", "train.txt", "--list", "val.txt"}}) {
    Arguments arguments = {"dataset", "verify"};
    arguments.insert(arguments.end(), source.begin(), source.end());
    const Ending ending = place.command(arguments).run();
    EXPECT_EQ(ending.exit_code, 0) << ending.err;
    EXPECT_EQ(ending.err, "");
    EXPECT_THAT(ending.out, AllOf(HasSubstr("train.txt"), HasSubstr("24 of 64x64"),
                                  HasSubstr("32 distinct images"), HasSubstr("no errors, no remarks")));
  }
}

TEST(DatasetVerify, EndsWith2AndNamesListAndImage) {
  const Workplace place;
  write_bytes(place / "data/val.txt", bytes_of(place / "data/val.txt") + "00001.jpg\ncopy.jpg\nlost.jpg\n");
  fs::copy(place / "data/Images/00002.jpg", place / "data/Images/copy.jpg");
  fs::copy(place / "data/Labels/00003.png", place / "data/Labels/copy.png");
  const std::string image = bytes_of(place / "data/Images/00010.jpg");
  write_bytes(place / "data/Images/00010.jpg", image.substr(0, image.size() / 2));
  cv::imwrite((place / "data/Labels/00012.png").string(), cv::Mat(64, 64, CV_8UC1, cv::Scalar(255)));

  const Ending table =
      place.command({"dataset", "verify", "--config", "config.yaml", "--json", "f.json"}).run();
  EXPECT_EQ(table.exit_code, 2);
  EXPECT_EQ(table.err, "");
  for (const char* line :
       {"error   left_out        val.txt    ", "Images/lost.jpg: no such image\n",
        "error   unusable        train.txt  ", "Images/00010.jpg: truncated JPEG",
        "error   leakage         val.txt    00001: the id is in train.txt, too\n",
        "error   leakage         val.txt    copy: has the pixels of 00002 in train.txt, but has another "
        "mask\n",
        "remark  all_foreground  train.txt  00012: the mask has no background\n", "4 errors, 1 remark\n"})
    EXPECT_THAT(table.out, HasSubstr(line));

  const Ending ending = place.command({"dataset", "verify", "--config", "config.yaml", "--json", "-"}).run();
  EXPECT_EQ(ending.exit_code, 2);
  EXPECT_EQ(ending.err, "");
  const Json json = json_of(ending);
  EXPECT_EQ(json, Json::parse(bytes_of(place / "f.json")));
  EXPECT_EQ(json.at("errors"), 4);
  EXPECT_EQ(json.at("remarks"), 1);
  EXPECT_EQ(json.at("lists")[0].at("images"), 23);
  EXPECT_EQ(json.at("lists")[0].at("unusable"), 1);
  EXPECT_EQ(json.at("findings")[0].at("id"), nullptr);
  EXPECT_EQ(json.at("findings")[1].at("id"), "00010");
  EXPECT_EQ(json.at("findings")[2].at("id"), "00001");
  EXPECT_EQ(json.at("findings")[2].at("problem"), "leakage");
  EXPECT_EQ(json.at("findings")[2].at("severity"), "error");
}

TEST(DatasetVerify, TakesEveryListOfAFolderThatOpens) {
  const Workplace place;
  fs::remove(place / "data/test.txt");  // of no images
  write_bytes(place / "data/readme.txt", "Portraits, drawn.\n");
  const Ending ending = place.command({"dataset", "verify", "--root", "data", "--json", "-"}).run();
  EXPECT_EQ(ending.exit_code, 0) << ending.err;
  EXPECT_EQ(json_of(ending).at("lists").size(), 2U);
  EXPECT_THAT(ending.err, AllOf(HasSubstr("no list: "), HasSubstr("readme.txt")));
}

TEST(DatasetStats, PrintsFiguresThatAConfigurationTakes) {
  const Workplace place;
  const Ending ending =
      place.command({"dataset", "stats", "--config", "config.yaml", "--json", "-", "--order", "bgr"}).run();
  EXPECT_EQ(ending.exit_code, 0) << ending.err;
  const Json list = json_of(ending).at("lists").at(0);
  EXPECT_EQ(list.at("list"), "train.txt");
  EXPECT_EQ(list.at("images"), 24);
  EXPECT_EQ(list.at("class_pixels")[0].get<int>() + list.at("class_pixels")[1].get<int>(), 24 * 64 * 64);

  const Json rgb = json_of(place
                               .command({"dataset", "stats", "--config", "config.yaml", "--json", "-",
                                         "--order", "rgb", "--workers", "0"})
                               .run())
                       .at("lists")[0];
  EXPECT_EQ(rgb.at("per_image").at("mean")[0], list.at("per_image").at("mean")[2]);
  EXPECT_EQ(rgb.at("class_weights"), list.at("class_weights"));

  const Ending table = place.command({"dataset", "stats", "--config", "config.yaml"}).run();
  EXPECT_EQ(table.exit_code, 0);
  const std::string yaml = table.out.substr(
      table.out.find("preprocessing:"), table.out.find("class_weights:") - table.out.find("preprocessing:"));
  write_bytes(place / "measured.yaml", "extends: config.yaml\n" + yaml);
  EXPECT_EQ(place.command({"config", "check", "measured.yaml"}).run().exit_code, 0) << yaml;
}

TEST(DatasetSplit, WritesListsThatTrainAndOverwritesNone) {
  const Workplace place;
  const Arguments arguments = {"dataset", "split", "--root",   "data",          "--list",   "train.txt",
                               "--seed",  "3",     "--shares", "0.5,0.25,0.25", "--output", "lists"};
  const Ending ending = place.command(arguments).run();
  EXPECT_EQ(ending.exit_code, 0) << ending.err;
  std::vector<std::string> all;
  for (const auto& [file, count] :
       {std::pair<const char*, std::size_t>{"train.txt", 12}, {"val.txt", 6}, {"test.txt", 6}}) {
    const auto lines = lines_of(bytes_of(place / "lists" / file));
    EXPECT_EQ(lines.size(), count) << file;
    all.insert(all.end(), lines.begin(), lines.end());
  }
  std::sort(all.begin(), all.end());
  EXPECT_EQ(all, lines_of(bytes_of(place / "data/train.txt")));
  const auto before = contents(place / "lists");
  expect_refusal(place, arguments, {"lists/train.txt", "already exists"});
  EXPECT_EQ(contents(place / "lists"), before);
  EXPECT_EQ(place
                .train("run",
                       {"trainer.epochs=1", "data.train_list=lists/train.txt", "data.val_list=lists/val.txt"})
                .run()
                .exit_code,
            0);
}

TEST(DatasetSplit, KeepsGroupsTogether) {
  const Workplace place;
  const Ending ending = place
                            .command({"dataset", "split", "--root", "data", "--list", "train.txt",
                                      "--group-regex", "^000(.)", "--shares", "0.6,0.4", "--output", "lists"})
                            .run();
  EXPECT_EQ(ending.exit_code, 0) << ending.err;
  std::map<char, std::set<std::string>> parts;
  for (const char* part : {"train.txt", "val.txt"}) {
    for (const auto& line : lines_of(bytes_of(place / "lists" / part))) parts[line[3]].insert(part);
  }
  EXPECT_EQ(parts.size(), 3U);
  for (const auto& [group, in] : parts) EXPECT_EQ(in.size(), 1U) << group;
  EXPECT_FALSE(fs::exists(place / "lists/test.txt"));
}

TEST(DatasetConvert, WritesAFolderThatTrains) {
  const Workplace place;
  const Arguments arguments = {"dataset", "convert", "--config", "config.yaml", "--output", "plain"};
  const Ending ending = place.command(arguments).run();
  EXPECT_EQ(ending.exit_code, 0) << ending.err;
  const std::string section =
      "data:\n  name: folders\n  root: plain\n  train_list: train.txt\n  val_list: val.txt\n  classes: 2\n";
  EXPECT_EQ(ending.out, "plain: 32 images in 2 lists, 32 written now\n" + section);
  const auto before = contents(place / "plain");
  EXPECT_EQ(place.command(arguments).run().out, "plain: 32 images in 2 lists, 0 written now\n" + section);
  EXPECT_TRUE(contents(place / "plain") == before);
  expect_refusal(place, {"dataset", "convert", "--config", "config.yaml", "--output", "data"},
                 {"data: holds something else"});
  write_bytes(place / "plain.yaml", "extends: config.yaml\n" + section);
  EXPECT_EQ(place.command({"config", "check", "plain.yaml"}).run().exit_code, 0);
  EXPECT_EQ(place.command({"train", "--config", "plain.yaml", "--output", "run", "--set", "trainer.epochs=1"})
                .run()
                .exit_code,
            0);
}

/// Labels of 0..6 in a folder whose name YAML has to quote.
TEST(DatasetConvert, PrintsASectionThatAConfigurationTakes) {
  const Workplace place;
  for (const auto& entry : fs::directory_iterator(place / "data/Labels")) {
    cv::Mat labels = cv::imread(entry.path().string(), cv::IMREAD_GRAYSCALE) / 255;
    labels.row(40).setTo(6);
    cv::imwrite(entry.path().string(), labels);
  }
  write_bytes(place / "data.yaml", "root: data\nclasses: 7\nmirrored: [[5, 6], [3, 4]]\n");
  const Ending ending = place
                            .command({"dataset", "convert", "--data", "data.yaml", "--list", "*[02468].jpg",
                                      "--output", "the plain: one"})
                            .run();
  EXPECT_EQ(ending.exit_code, 0) << ending.err;
  const std::string section = ending.out.substr(ending.out.find("data:"));
  EXPECT_EQ(section,
            "data:\n  name: folders\n  root: \"the plain: one\"\n  train_list: 02468.txt\n  classes: 7\n"
            "  mirrored: [[3, 4], [5, 6]]\n");
  write_bytes(place / "plain.yaml", section);
  const Ending check = place.command({"config", "check", "plain.yaml"}).run();
  EXPECT_EQ(check.exit_code, 0) << check.err;
  const Ending verify =
      place.command({"dataset", "verify", "--config", "plain.yaml", "--list", "02468.txt", "--json", "-"})
          .run();
  EXPECT_EQ(verify.exit_code, 0) << verify.err;
  EXPECT_EQ(json_of(verify).at("lists")[0].at("images"), 16);
}

TEST(AnotherRoot, KeepsWhatTheConfigurationSaysBelowTheRoot) {
  const Workplace place;
  fs::create_directories(place / "other/Images/a");
  fs::create_directories(place / "other/Labels/a");
  for (const char* name : {"00001", "00002"}) {
    fs::copy(place / "data/Images" / (std::string(name) + ".jpg"), place / "other/Images/a");
    fs::copy(place / "data/Labels" / (std::string(name) + ".png"), place / "other/Labels/a");
  }
  fs::create_directories(place / "other/lists");
  write_bytes(place / "other/lists/one.txt", "a/00001.jpg\n");
  write_bytes(place / "other/two.txt", "a/00001.jpg\na/00002.jpg\n");
  const auto images = [&](const std::string& list) {
    write_bytes(place / "data.yaml", "root: data\ntrain_list: " + list + "\nval_list: gone.txt\n");
    const Ending ending =
        place.command({"dataset", "stats", "--data", "data.yaml", "--root", "other", "--json", "-"}).run();
    EXPECT_EQ(ending.exit_code, 0) << ending.err;
    return json_of(ending).at("lists")[0].at("images").get<int>();
  };
  EXPECT_EQ(images("'*/*2.jpg'"), 1);
  EXPECT_EQ(images("lists/one.txt"), 1);
  EXPECT_EQ(images((place / "data/two.txt").string()), 2);
}

TEST(AnotherRoot, IsRefusedForAMixtureWhosePartsHaveTheirOwn) {
  const Workplace place;
  ASSERT_EQ(place.train("run", {"trainer.epochs=1"}).run().exit_code, 0);
  write_bytes(place / "mixture.yaml",
              "name: mixture\ntrain_list: train\nval_list: val\n"
              "parts: [{train: train.txt, val: val.txt, data: {root: data}}]\n");
  const std::vector<std::string> words = {"--root", "mixture", "data.parts.0.data.root"};
  expect_refusal(place, {"dataset", "stats", "--data", "mixture.yaml", "--root", "other"}, words);
  expect_refusal(place, {"evaluate", "--run", "run", "--data", "mixture.yaml", "--root", "other"}, words);
  EXPECT_EQ(place.command({"evaluate", "--run", "run", "--data", "mixture.yaml"}).run().exit_code, 0);
}

TEST(Benchmark, MeasuresTheLoaderAlsoWhereImagesAreBroken) {
  const Workplace place;
  const Arguments arguments = {"benchmark", "--loader", "--config", "config.yaml", "--images", "8",
                               "--rounds",  "1",        "--steps",  "4",           "--json",   "-"};
  const Ending fine = place.command(arguments).run();
  ASSERT_EQ(fine.exit_code, 0) << fine.err;
  const Json json = json_of(fine);
  EXPECT_EQ(json.at("images"), 8);
  EXPECT_EQ(json.at("cached_bytes_per_image"), 64 * 64 * 4);
  EXPECT_GT(json.at("from_files").at("ms_per_image"), json.at("cached").at("ms_per_image"));
  EXPECT_GT(json.at("training").at("median_step_s"), 0);
  EXPECT_GE(json.at("training").at("waiting_share"), 0);
  EXPECT_LT(json.at("training").at("waiting_share"), 1);

  Arguments skipping = arguments;
  skipping.insert(skipping.end(), {"--set", "data.on_error=skip"});
  const std::vector<std::string> names = lines_of(bytes_of(place / "data/train.txt"));
  for (std::size_t i = 1; i < names.size(); ++i) write_bytes(place / "data/Images" / names[i], "");
  const Ending one = place.command(skipping).run();
  EXPECT_EQ(one.exit_code, 0) << one.err;
  EXPECT_EQ(place.command(arguments).run().exit_code, 2);
  write_bytes(place / "data/Images" / names[0], "");
  const Ending none = place.command(skipping).run();
  EXPECT_EQ(none.exit_code, 2);
  EXPECT_EQ(lines_of(none.err).size(), 1U);
}

TEST(DatasetPreview, DrawsASheet) {
  const Workplace place;
  const auto preview = [&](const Arguments& more) {
    Arguments arguments = {"dataset", "preview", "--config", "config.yaml", "--output", "sheet.png"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const Ending ending = place.command(arguments).run();
    EXPECT_EQ(ending.exit_code, 0) << ending.err;
    return cv::imread((place / "sheet.png").string());
  };
  const cv::Mat sheet = preview({"--images", "4"});
  EXPECT_EQ(sheet.size(), cv::Size(128, 4 * 64 + 3 * 4));
  EXPECT_EQ(cv::norm(sheet, preview({"--images", "4", "--workers", "0"}), cv::NORM_INF), 0);
  EXPECT_GT(cv::norm(sheet, preview({"--images", "4", "--seed", "9"}), cv::NORM_INF), 0);
  EXPECT_EQ(preview({"--images", "4", "--no-augment"}).size(), cv::Size(132, 132));
}

TEST(WrongDatasetCall, IsRefusedInOneLine) {
  const Workplace place;
  const auto before = contents(place.path());
  const std::vector<std::pair<Arguments, std::vector<std::string>>> calls = {
      {{"verify"}, {"--config", "--data", "--root"}},
      {{"verify", "--name", "folders"}, {"--root"}},
      {{"verify", "--config", "config.yaml", "--data", "x.yaml"}, {"one of"}},
      {{"verify", "--config", "config.yaml", "--name", "eg1800"}, {"one of"}},
      {{"verify", "--root", "data", "--set", "seed=1"}, {"--set"}},
      {{"verify", "--root", "data", "--name", "folder"}, {"folder", "folders"}},
      {{"verify", "--root", "nowhere"}, {"nowhere", "no such folder"}},
      {{"verify", "--root", "data/Images"}, {"data/Images", "no list"}},
      {{"verify", "--root", "data", "--list", "none.txt"}, {"none.txt"}},
      {{"verify", "--config", "none.yaml"}, {"none.yaml"}},
      {{"stats", "--root", "data", "--order", "bgra"}, {"--order", "bgra"}},
      {{"split", "--root", "data"}, {"--output"}},
      {{"split", "--root", "data", "--output", "o", "--shares", "0.5,0.1"}, {"sum"}},
      {{"split", "--root", "data", "--output", "o", "--shares", "1"}, {"--shares"}},
      {{"split", "--root", "data", "--output", "o", "--group-regex", "("}, {"regular expression"}},
      {{"split", "--root", "data", "--output", "o", "--group-by", "user_id"}, {"user_id"}},
      {{"split", "--root", "data", "--output", "o", "--group-by", "a", "--group-regex", "b"}, {"exclude"}},
      {{"split", "--root", "data", "--output", "o", "--list", "a", "--list", "b"}, {"--list"}},
      {{"convert", "--config", "config.yaml"}, {"--output"}},
      {{"convert", "--config", "config.yaml", "--output", "o", "--jpeg-quality", "0"}, {"--jpeg-quality"}},
      {{"preview", "--config", "config.yaml", "--output", "nowhere/s.png"}, {"nowhere/s.png"}},
      {{"preview", "--config", "config.yaml", "--output", "s.png", "--images", "0"}, {"--images"}}};
  for (const auto& [call, words] : calls) {
    Arguments arguments = {"dataset"};
    arguments.insert(arguments.end(), call.begin(), call.end());
    SCOPED_TRACE(::testing::PrintToString(call));
    expect_refusal(place, arguments, words);
  }
  EXPECT_TRUE(contents(place.path()) == before);
}

}  // namespace
}  // namespace portraitseg::testing
