// Every data set in its own layout, from its folder to a trained network, and the same after `dataset convert`.
#include "support/layouts.h"

#include <filesystem>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <opencv2/imgcodecs.hpp>

#include "support/command.h"
#include "support/temporary_folder.h"

namespace portraitseg::testing {
namespace {

namespace fs = std::filesystem;

using ::testing::AllOf;
using ::testing::HasSubstr;
using Arguments = std::vector<std::string>;

class Layouts : public ::testing::TestWithParam<Layout> {
 protected:
  void SetUp() override { masks_ = GetParam().write(path() / "set"); }

  fs::path path() const { return folder_.path(); }

  Ending run(const Arguments& arguments) const {
    return Command(arguments).in(path()).environment("OMP_WAIT_POLICY", "passive").run();
  }

  /// A run of one step, with the section data.
  void write_config(const std::string& file, const std::string& data) const {
    write_bytes(path() / file,
                "model: {name: sinet, num_classes: " + std::to_string(GetParam().classes) +
                    "}\npreprocessing: {size: [32, 32]}\n" + data +
                    "augment: {affine: {rotation_deg: 10, scale: [0.9, 1.1], shift: 0.05}}\n"
                    "trainer: {epochs: 1, batch_size: 8}\n"
                    "device: {name: cpu, threads: 1}\n" +
                    (GetParam().classes > 2 ? "evaluation: {protocol: mmseg, select_by: miou}\n" : ""));
  }

  std::string original_data() const {
    std::string keys = GetParam().data;
    if (GetParam().name != "Mixture") keys += ", root: set";
    return "data: {" + keys + ", train_list: '" + GetParam().list + "', val_list: '" + GetParam().list +
           "', workers: 1}\n";
  }

  /// Expects as many images as there are masks and nothing wrong with them.
  void verify(const std::string& config, const std::string& list) const {
    const Ending ending = run({"dataset", "verify", "--config", config, "--list", list, "--json", "-"});
    ASSERT_EQ(ending.exit_code, 0) << ending.out << ending.err;
    EXPECT_EQ(nlohmann::json::parse(ending.out).at("lists").at(0).at("images"), masks_.size());
  }

  /// The masks in plain/ are those of the layout's images, each of which is in the list.
  void expect_masks(const fs::path& list) const {
    const auto lines = lines_of(bytes_of(path() / "plain" / list));
    EXPECT_EQ(lines.size(), masks_.size());
    for (const auto& line : lines) {
      const std::string id = line.substr(0, line.rfind('.'));
      const cv::Mat& mask = masks_.at(id.substr(0, id.find('#')));  // a mixture's second pass over a part
      const cv::Mat written =
          cv::imread((path() / "plain/Labels" / (id + ".png")).string(), cv::IMREAD_UNCHANGED);
      ASSERT_EQ(written.size(), mask.size()) << id;
      EXPECT_EQ(cv::norm(written, mask, cv::NORM_L1), 0) << id;
    }
  }

  /// @return the last line of metrics.csv without the lists' hash
  std::vector<std::string> train(const std::string& config, const std::string& list) const {
    const std::string output = "run_" + config;
    const Ending ending = run({"train", "--config", config, "--output", output, "--set",
                               "data.train_list=" + list, "--set", "data.val_list=" + list});
    EXPECT_EQ(ending.exit_code, 0) << ending.err;
    std::vector<std::string> cells;
    std::istringstream line(last_line(bytes_of(path() / output / "metrics.csv")));
    for (std::string cell; std::getline(line, cell, ',');) {
      if (cell.size() != 64) cells.push_back(cell);
    }
    return cells;
  }

  TemporaryFolder folder_;
  Masks masks_;
};

Layout layout_called(const std::string& name) {
  for (auto& layout : layouts()) {
    if (layout.name == name) return layout;
  }
  throw std::logic_error("no layout " + name);
}

TEST_P(Layouts, IsVerifiedTrainedOnAndConvertedToTheSame) {
  const std::string list = GetParam().list;
  write_config("original.yaml", original_data());
  verify("original.yaml", list);
  const Ending converted =
      run({"dataset", "convert", "--config", "original.yaml", "--list", list, "--output", "plain"});
  ASSERT_EQ(converted.exit_code, 0) << converted.err;
  ASSERT_THAT(converted.out, AllOf(HasSubstr("\ndata:\n"), HasSubstr(GetParam().converted)));
  const std::string section = converted.out.substr(converted.out.find("data:"));
  write_config("converted.yaml", section + "  workers: 1\n");
  const std::string key = "  train_list: ";
  const std::size_t at = section.find(key) + key.size();
  const std::string own_list = section.substr(at, section.find('\n', at) - at);
  expect_masks(fs::path(own_list).filename());
  if (GetParam().data.find("metadata") != std::string::npos) {
    EXPECT_THAT(bytes_of(path() / "plain/attributes.csv"), HasSubstr("id,user_id\ntrain/00001,user1\n"));
  }
  verify("converted.yaml", own_list);
  const auto original = train("original.yaml", list), again = train("converted.yaml", own_list);
  ASSERT_GT(original.size(), 8U);
  EXPECT_GT(std::stod(original.at(3)), 0);  // the loss
  EXPECT_EQ(original, again);
}

TEST(RunOfRelativePaths, IsResumedFromAnotherFolder) {
  const TemporaryFolder here, elsewhere;
  layout_called("EasyPortraitV2").write(here.path() / "sets/easyportrait");
  layout_called("Eg1800Clova").write(here.path() / "sets/eg1800");
  fs::create_directories(here.path() / "tables");
  fs::rename(here.path() / "sets/easyportrait/meta.csv", here.path() / "tables/meta.csv");
  save(here.path() / "lists/three.txt", std::string("train/00001\ntrain/00002\ntrain/00003\n"));
  save(here.path() / "val.txt", std::string("train/00004\n"));
  save(here.path() / "c.yaml",
       std::string("model: {name: sinet}\n"
                   "preprocessing: {size: [32, 32]}\n"
                   "data:\n"
                   "  name: mixture\n"
                   "  train_list: train\n"
                   "  val_list: val\n"
                   "  workers: 1\n"
                   "  parts:\n"
                   "    - {train: lists/three.txt, val: val.txt, data: {name: easyportrait, "
                   "root: sets/easyportrait, metadata: tables/meta.csv}}\n"
                   "    - {train: train.txt, data: {name: eg1800, root: sets/eg1800}}\n"
                   "trainer: {epochs: 1, batch_size: 8}\n"
                   "device: {name: cpu, threads: 1}\n"));
  const auto run = [](const Arguments& arguments, const fs::path& folder) {
    return Command(arguments).in(folder).environment("OMP_WAIT_POLICY", "passive").run();
  };
  const Ending trained = run({"train", "--config", "c.yaml", "--output", "run"}, here.path());
  ASSERT_EQ(trained.exit_code, 0) << trained.err;
  save(elsewhere.path() / "lists/three.txt", std::string("train/00001\n"));  // others of the same names
  save(elsewhere.path() / "tables/meta.csv", std::string("image_name\n"));
  const std::string metrics = bytes_of(here.path() / "run/metrics.csv");
  const std::string path = (here.path() / "run").string();
  const Ending resumed = run({"train", "--resume", path}, elsewhere.path());
  EXPECT_EQ(resumed.exit_code, 0) << resumed.err;
  EXPECT_EQ(bytes_of(here.path() / "run/metrics.csv"), metrics);
  const Ending evaluated = run({"evaluate", "--run", path, "--json", "-"}, elsewhere.path());
  EXPECT_EQ(evaluated.exit_code, 0) << evaluated.err;
}

INSTANTIATE_TEST_SUITE_P(Every, Layouts, ::testing::ValuesIn(layouts()),
                         [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace portraitseg::testing
