#include <algorithm>
#include <filesystem>

#include <gmock/gmock.h>
#include <opencv2/imgcodecs.hpp>

#include "support/command.h"
#include "support/refusal.h"

namespace portraitseg::testing {
namespace {

namespace fs = std::filesystem;

using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::StartsWith;

using Arguments = std::vector<std::string>;
using Words = std::vector<std::string>;

struct Refusal {
  const char* name;
  Arguments arguments;
  Words words;
};

void expect_refusals(const Workplace& place, const std::vector<Refusal>& refusals) {
  for (const auto& [name, arguments, words] : refusals) {
    SCOPED_TRACE(name);
    expect_refusal(place, place.command(arguments), words);
  }
}

Arguments train_with(const std::string& override) {
  return {"train", "--config", "config.yaml", "--output", "run", "--set", override};
}

TEST(Memory, ThatDoesNotSufficeIsOneLineThatNamesTheBatch) {
#ifdef __SANITIZE_ADDRESS__
  GTEST_SKIP() << "AddressSanitizer needs all addresses";
#endif
  const Workplace place;
  // The images of one batch alone are 12 GiB.
  expect_refusal(place, place.command(train_with("preprocessing.size=[16384, 16384]")).limit_memory(8L << 30),
                 {"out of memory with batches of 4 images of 16384x16384", "trainer.batch_size"});
}

TEST(Memory, ThatDoesNotHoldAWeightsFileIsOneLineThatNamesIt) {
#ifdef __SANITIZE_ADDRESS__
  GTEST_SKIP() << "AddressSanitizer needs all addresses";
#endif
  const Workplace place;
  write_bytes(place / "large.pth", "PK");
  fs::resize_file(place / "large.pth", std::uintmax_t{64} << 30);  // of which the disk stores nothing
  const Ending ending = place.command({"weights", "show", "large.pth"}).limit_memory(8L << 30).run();
  EXPECT_EQ(ending.exit_code, 2);
  EXPECT_EQ(ending.err, "portraitseg: large.pth: is larger than the memory\n");
}

TEST(Precision, OfFp16OnTheCpuIsRefused) {
  const Workplace place;
  expect_refusal(place, place.command(train_with("device.precision=fp16")),
                 {"device.precision", "fp16", "CUDA"});
}

TEST(CudaGraphs, OnTheCpuAreRefused) {
  const Workplace place;
  expect_refusal(place, place.command(train_with("device.cuda_graphs=true")), {"device.cuda_graphs", "CUDA"});
}

TEST(WrongCommandLine, IsRefusedInOneLine) {
  const Workplace place;
  expect_refusals(
      place,
      {{"no verb", {}, {"portraitseg --help"}},
       {"unknown verb", {"trian"}, {"not expected: trian; did you mean 'train'?"}},
       {"unknown options in their order",
        {"evaluate", "--run", "run", "--protocl", "clova", "--perturbation=none"},
        {"not expected: --protocl clova --perturbation=none; did you mean '--protocol'? (see portraitseg "
         "evaluate --help)"}},
       {"unknown option",
        {"train", "--config", "config.yaml", "--ouptut", "run"},
        {"--ouptut", "(see portraitseg train --help)"}},
       {"unknown option of a verb's verb",
        {"dataset", "stats", "--rot", "data"},
        {"--rot", "(see portraitseg dataset stats --help)"}},
       {"unknown verb's verb", {"dataset", "stat"}, {"not expected: stat; did you mean 'stats'?"}},
       {"no verb's verb", {"dataset"}, {"preview", "(see portraitseg dataset --help)"}},
       {"neither configuration nor run", {"train"}, {"train needs --config", "--resume"}},
       {"both",
        {"train", "--config", "config.yaml", "--resume", "run"},
        {"--config and --resume exclude each other"}},
       {"resume with overrides", {"train", "--resume", "run", "--set", "trainer.epochs=9"}, {"--set"}},
       {"resume with output", {"train", "--resume", "run", "--output", "other"}, {"--output"}},
       {"resume of nothing",
        {"train", "--resume", "nowhere"},
        {"nowhere: holds no run: there is no such folder"}},
       {"resume of a folder that is no run", {"train", "--resume", "data"}, {"data", "holds no run"}},
       {"neither run nor weights", {"evaluate"}, {"--run", "--weights"}},
       {"two networks, three configurations",
        {"evaluate", "--weights", "a", "--weights", "b", "--config", "c", "--config", "d", "--config", "e"},
        {"2 networks, but 3 times --config"}},
       {"evaluate a folder that is no run", {"evaluate", "--run", "data"}, {"data", "holds no run"}},
       {"threads 0", {"evaluate", "--run", "data", "--threads", "0"}, {"--threads"}},
       {"batch size 0", {"evaluate", "--run", "data", "--batch-size", "0"}, {"--batch-size"}},
       {"missing weights", {"evaluate", "--weights", "none.safetensors"}, {"none.safetensors"}}});
}

TEST(WrongConfiguration, IsRefusedWithItsPlace) {
  const Workplace place;
  write_bytes(place / "unknown.yaml", "trainer:\n  epohcs: 3\n");
  write_bytes(place / "type.yaml", "trainer:\n  epochs: three\n");
  write_bytes(place / "range.yaml", "trainer:\n  batch_size: 0\n");
  write_bytes(place / "syntax.yaml", "trainer: {epochs: 3\n");
  write_bytes(place / "binary.yaml", bytes_of(place / "data/Images/00001.jpg"));
  const auto train = [](const char* config) {
    return Arguments{"train", "--config", config, "--output", "run"};
  };
  expect_refusals(
      place, {{"missing file", train("none.yaml"), {"none.yaml"}},
              {"unknown key", train("unknown.yaml"), {"unknown.yaml:2:3", "epohcs", "did you mean 'epochs'"}},
              {"wrong type", train("type.yaml"), {"type.yaml:2:11", "trainer.epochs", "an integer", "three"}},
              {"out of range", train("range.yaml"), {"range.yaml:2:15", "trainer.batch_size", "at least 1"}},
              {"no YAML", train("syntax.yaml"), {"syntax.yaml:"}},
              {"an image", train("binary.yaml"), {"binary.yaml"}},
              {"unknown key in --set", train_with("trainer.epohcs=3"), {"--set", "epohcs", "epochs"}},
              {"--set without value", train_with("trainer.epochs"), {"--set", "trainer.epochs"}},
              {"unknown network", train_with("model.name=sinnet"), {"sinnet", "sinet"}},
              {"unknown data set", train_with("data.name=folder"), {"folder", "folders"}},
              {"unknown protocol", train_with("evaluation.protocol=clover"), {"clover", "clova"}},
              {"unknown device", train_with("device.name=tpu"), {"tpu", "cpu", "cuda"}},
              {"a device that is not there", train_with("device.name=cuda:99"), {"cuda:99"}},
              {"no losses", train_with("losses=[]"), {"losses"}}});
}

TEST(WrongConfiguration, ThatOnlyTheNetworkCanJudgeIsRefusedBeforeTheRunFolderIsMade) {
  const Workplace place;
  expect_refusals(place,
                  {{"height no multiple of 32", train_with("preprocessing.size=[60, 64]"), {"32", "60"}},
                   {"width no multiple of 32", train_with("preprocessing.size=[64, 100]"), {"32", "100"}},
                   {"one class weight for two classes",
                    train_with("losses=[{name: cross_entropy, class_weights: [1]}]"),
                    {"class_weights", "2 classes"}},
                   {"an output that the network lacks",
                    train_with("losses=[{name: cross_entropy, output: boundary}]"),
                    {"boundary"}}});
}

TEST(WrongData, IsRefusedBeforeTheRunFolderIsMade) {
  const Workplace place;
  write_bytes(place / "data/empty.txt", "\n \n");
  write_bytes(place / "data/stranger.txt", "00001.jpg\n77777.jpg\n");
  fs::copy(place / "data/Images/00001.jpg", place / "data/Images/maskless.jpg");
  write_bytes(place / "data/maskless.txt", "00001.jpg\nmaskless.jpg\n");
  for (const char* stem : {"black1", "black2"}) {
    fs::copy(place / "data/Images/00001.jpg", place / "data/Images" / (std::string(stem) + ".jpg"));
    cv::imwrite((place / "data/Labels" / (std::string(stem) + ".png")).string(),
                cv::Mat::zeros(64, 64, CV_8UC1));
  }
  write_bytes(place / "data/black.txt", "black1.jpg\nblack2.jpg\n");
  expect_refusals(
      place,
      {{"missing root", train_with("data.root=nowhere"), {"nowhere"}},
       {"missing root of EG1800", train_with("data={name: eg1800, root: nowhere}"), {"nowhere"}},
       {"a root that is no EG1800", train_with("data={name: eg1800, root: data/Images}"), {"data/Images"}},
       {"missing training list", train_with("data.train_list=none.txt"), {"none.txt"}},
       {"missing validation list", train_with("data.val_list=none.txt"), {"none.txt"}},
       {"empty list", train_with("data.train_list=empty.txt"), {"empty.txt", "empty"}},
       {"missing image", train_with("data.train_list=stranger.txt"), {"77777.jpg", "no such image"}},
       {"image without mask", train_with("data.train_list=maskless.txt"), {"maskless.png", "without mask"}},
       {"all-background masks", train_with("data.train_list=black.txt"), {"black.txt", "all background"}},
       {"all-background masks in validation",
        train_with("data.val_list=black.txt"),
        {"black.txt", "all background"}}});
}

/// Puts something wrong into the data that shows only when an image is read.
struct Damage {
  const char* name;
  const char* file;
  void (*harm)(const fs::path& file);
  Words words;
};

const std::vector<Damage>& damages() {
  static const std::vector<Damage> list = {
      {"truncated JPEG",
       "data/Images/00025.jpg",
       [](const fs::path& file) { write_bytes(file, bytes_of(file).substr(0, bytes_of(file).size() / 2)); },
       {"Images/00025.jpg", "truncated"}},
      {"text for an image",
       "data/Images/00025.jpg",
       [](const fs::path& file) { write_bytes(file, "hello\n"); },
       {"Images/00025.jpg"}},
      {"truncated mask",
       "data/Labels/00025.png",
       [](const fs::path& file) { write_bytes(file, bytes_of(file).substr(0, bytes_of(file).size() / 2)); },
       {"Labels/00025.png", "truncated"}},
      {"mask of another size",
       "data/Labels/00025.png",
       [](const fs::path& file) { cv::imwrite(file.string(), cv::Mat(32, 48, CV_8UC1, cv::Scalar(255))); },
       {"Labels/00025.png", "32x48", "64x64"}}};
  return list;
}

/// A workplace with a finished training of one epoch in run/.
class WrongInput : public ::testing::Test {
 protected:
  void SetUp() override {
    const Ending ending = place.train("run", {"trainer.epochs=1"}).run();
    ASSERT_EQ(ending.exit_code, 0) << ending.err;
  }
  Safetensors checkpoint() const {
    return Safetensors::parse(bytes_of(place / "run/checkpoints/last.safetensors"));
  }

  Workplace place;
};

using WrongImage = WrongInput;
using WrongWeights = WrongInput;
using WrongCheckpoint = WrongInput;
using WrongEvaluation = WrongInput;
using WrongOutput = WrongInput;

TEST_F(WrongImage, IsNamedInOneLineByEvaluate) {
  for (const auto& [name, file, harm, words] : damages()) {
    SCOPED_TRACE(name);
    const std::string good = bytes_of(place / file);
    harm(place / file);
    expect_refusal(place, place.command({"evaluate", "--run", "run", "--output", "out", "--json", "f.json"}),
                   words);
    write_bytes(place / file, good);
  }
}

TEST(WrongTrainingImage, IsNamedAndOnceMendedTheRunGoesOnAsIfNothingHadBeen) {
  const Workplace place;
  ASSERT_EQ(place.train("whole", {"trainer.epochs=1"}).run().exit_code, 0);
  const fs::path file = place / "data/Images/00011.jpg";
  const std::string good = bytes_of(file);
  write_bytes(file, good.substr(0, good.size() / 2));
  const Ending ending = place.train("run", {"trainer.epochs=1"}).run();
  EXPECT_EQ(ending.exit_code, 2);
  EXPECT_THAT(last_line(ending.err),
              MatchesRegex("portraitseg: .*/data/Images/00011\\.jpg: truncated JPEG.*"));
  EXPECT_TRUE(fs::is_empty(place / "run/checkpoints"));
  write_bytes(file, good);
  const Ending resumed = place.resume("run").run();
  EXPECT_EQ(resumed.exit_code, 0) << resumed.err;
  EXPECT_TRUE(bytes_of(place / "run/checkpoints/last.safetensors") ==
              bytes_of(place / "whole/checkpoints/last.safetensors"));
}

TEST(SkippedTrainingImage, IsCountedAndReportedAndTheTrainingGoesOn) {
  const Workplace place;
  const fs::path train_image = place / "data/Images/00011.jpg", val_image = place / "data/Images/00027.jpg";
  for (const fs::path& file : {train_image, val_image})
    write_bytes(file, bytes_of(file).substr(0, bytes_of(file).size() / 2));
  fs::remove(place / "data/Labels/00012.png");
  const Ending ending = place.train("run", {"trainer.epochs=2", "data.on_error=skip"}).run();
  EXPECT_EQ(ending.exit_code, 0) << ending.err;
  EXPECT_EQ(lines_of(bytes_of(place / "run/metrics.csv")).size(), 3U);
  const std::string log = bytes_of(place / "run/log.txt");
  for (const char* reason :
       {"00012.png: image without mask", "00011.jpg: truncated", "00027.jpg: truncated"}) {
    EXPECT_THAT(ending.err, HasSubstr(reason));
    EXPECT_THAT(log, HasSubstr(reason));
  }
}

TEST(SkippedTrainingImage, IsNotEveryOne) {
  const Workplace place;
  for (int i = 1; i <= 24; ++i) {
    const std::string name = (i < 10 ? "0000" : "000") + std::to_string(i) + ".jpg";
    write_bytes(place / "data/Images" / name, "no image");
  }
  const Ending ending = place.train("run", {"trainer.epochs=1", "data.on_error=skip"}).run();
  EXPECT_EQ(ending.exit_code, 2) << "nothing was learnt, yet: " << ending.err;
  EXPECT_THAT(last_line(ending.err), StartsWith("portraitseg: "));
}

TEST_F(WrongWeights, OfAnotherNetworkListTheKeys) {
  Safetensors renamed = checkpoint();
  auto header = nlohmann::ordered_json::object();
  std::string missing;
  for (const auto& [key, entry] : renamed.header.items()) {
    const bool first =
        missing.empty() && key.find("weight") != std::string::npos && key.rfind("training.", 0) != 0;
    if (first) missing = key;
    header[first ? "stranger.weight" : key] = entry;
  }
  renamed.header = header;
  write_bytes(place / "renamed.safetensors", renamed.bytes());

  Safetensors reshaped = checkpoint();
  std::string mis_shaped;
  for (auto& [key, entry] : reshaped.header.items()) {
    if (entry.at("shape").size() != 4 || key.rfind("training.", 0) == 0) continue;
    mis_shaped = key;
    std::swap(entry["shape"][0], entry["shape"][1]);
    if (entry["shape"][0] != entry["shape"][1]) break;
  }
  write_bytes(place / "reshaped.safetensors", reshaped.bytes());

  Safetensors bare = checkpoint();
  bare.metadata.clear();
  write_bytes(place / "bare.safetensors", bare.bytes());

  const auto evaluate = [](const char* weights) {
    return Arguments{"evaluate", "--weights", weights, "--json", "f.json"};
  };
  expect_refusals(
      place,
      {{"renamed",
        evaluate("renamed.safetensors"),
        {"renamed.safetensors", "1 missing (" + missing + ")", "1 unexpected (stranger.weight)"}},
       {"reshaped", evaluate("reshaped.safetensors"), {"reshaped.safetensors", "mis-shaped (", mis_shaped}},
       {"three classes",
        {"evaluate", "--run", "run", "--set", "model.num_classes=3"},
        {"best.safetensors", "mis-shaped ("}},
       {"without configuration", evaluate("bare.safetensors"), {"bare.safetensors", "--config"}}});
  const Ending ending =
      place.command({"evaluate", "--weights", "bare.safetensors", "--config", "config.yaml", "--json", "-"})
          .run();
  EXPECT_EQ(ending.exit_code, 0) << ending.err;
}

TEST_F(WrongWeights, DamagedAreRefused) {
  const std::string good = bytes_of(place / "run/checkpoints/last.safetensors");
  const std::vector<std::pair<const char*, std::string>> files = {
      {"empty", ""},
      {"cut in the header", good.substr(0, 1000)},
      {"cut in the data", good.substr(0, good.size() - 1000)},
      {"one byte too few", good.substr(0, good.size() - 1)},
      {"one byte too many", good + "x"},
      {"header of 2^63 bytes", std::string(7, '\0') + '\x80' + good.substr(8)},
      {"header damaged", good.substr(0, 100) + std::string(20, '\xff') + good.substr(120)},
      {"a list for a header", std::string("\x02\0\0\0\0\0\0\0[]", 10)},
      {"an image", bytes_of(place / "data/Images/00001.jpg")}};
  for (const auto& [name, bytes] : files) {
    SCOPED_TRACE(name);
    write_bytes(place / "w.safetensors", bytes);
    expect_refusal(place,
                   place.command({"evaluate", "--weights", "w.safetensors", "--config", "config.yaml"}),
                   {"w.safetensors"});
  }
}

TEST_F(WrongCheckpoint, IsRefusedOnResume) {
  const fs::path last = place / "run/checkpoints/last.safetensors";
  const std::string good = bytes_of(last);
  Safetensors no_progress = checkpoint(), bad_progress = checkpoint(), no_moment = checkpoint(),
              bad_moment = checkpoint(), bad_generator = checkpoint();
  no_progress.metadata.erase("portraitseg.progress");
  bad_progress.metadata["portraitseg.progress"] = "{\"epoch\": 1";
  no_moment.header.erase(no_moment.header.find("training.adam.steps"));
  const auto reshape = [](Safetensors& file, const std::string& prefix) {
    for (auto& [key, entry] : file.header.items()) {
      if (key.rfind(prefix, 0) != 0) continue;
      nlohmann::ordered_json size = 1;
      for (const auto& side : entry.at("shape")) size = size.get<int>() * side.get<int>();
      entry["shape"] = {1, 1, 1, 1, size};
      if (prefix == "training.generator.cpu") {  // half the state
        entry["shape"] = {size.get<int>() / 2};
        entry["data_offsets"][1] = entry["data_offsets"][0].get<int>() + size.get<int>() / 2;
        file.data.resize(entry["data_offsets"][1].get<std::size_t>());
      }
      return;
    }
  };
  reshape(bad_moment, "training.adam.mean.");
  reshape(bad_generator, "training.generator.cpu");
  const std::vector<std::pair<const char*, std::string>> files = {
      {"cut off", good.substr(0, good.size() / 2)}, {"empty", ""},
      {"no progress", no_progress.bytes()},         {"progress damaged", bad_progress.bytes()},
      {"no step count", no_moment.bytes()},         {"a moment of another shape", bad_moment.bytes()},
      {"half a generator", bad_generator.bytes()}};
  for (const auto& [name, bytes] : files) {
    SCOPED_TRACE(name);
    write_bytes(last, bytes);
    expect_refusal(place, place.resume("run"), {"last.safetensors"});
  }
}

TEST_F(WrongCheckpoint, IsRefusedWithTheBestOneWhereThatIsWhole) {
  const fs::path last = place / "run/checkpoints/last.safetensors",
                 best = place / "run/checkpoints/best.safetensors";
  const std::string hint =
      "; to go on from the best epoch, copy run/checkpoints/best.safetensors to its place";
  const std::string good = bytes_of(last), half = good.substr(0, good.size() / 2);
  write_bytes(last, half);
  expect_refusal(place, place.resume("run"), {"last.safetensors: ", hint});
  fs::copy_file(best, last, fs::copy_options::overwrite_existing);
  const Ending ending = place.resume("run").run();
  EXPECT_EQ(ending.exit_code, 0) << ending.err;
  EXPECT_TRUE(bytes_of(last) == good) << "the best epoch was the last one";
  for (const fs::path& file : {last, best}) write_bytes(file, half);
  const Ending both = place.resume("run").run();
  EXPECT_EQ(both.exit_code, 2);
  EXPECT_THAT(both.err, ::testing::Not(HasSubstr("copy")));
}

TEST_F(WrongEvaluation, IsRefusedInOneLine) {
  write_bytes(place / "data/empty.txt", "");
  write_bytes(place / "a_file", "");
  fs::create_directory(place / "unfinished");
  fs::copy(place / "run/config.yaml", place / "unfinished/config.yaml");
  const auto evaluate = [](Arguments more) {
    more.insert(more.begin(), {"evaluate", "--run", "run"});
    return more;
  };
  expect_refusals(place,
                  {{"unknown protocol", evaluate({"--protocol", "clover"}), {"clover", "clova", "native"}},
                   {"one of two unknown", evaluate({"--protocol", "clova,nativ"}), {"nativ", "native"}},
                   {"no number of images", evaluate({"--protocol", "clova_batch:0"}), {"clova_batch:0"}},
                   {"unknown metric", evaluate({"--metrics", "boundary"}), {"boundary", "boundary_f1"}},
                   {"metric of classes", evaluate({"--metrics", "classes"}), {"classes", "clova"}},
                   {"unknown device", evaluate({"--set", "device.name=gpu"}), {"gpu", "cuda"}},
                   {"missing root", evaluate({"--root", "nowhere"}), {"nowhere"}},
                   {"missing list", evaluate({"--list", "none.txt"}), {"none.txt"}},
                   {"empty list", evaluate({"--list", "empty.txt"}), {"empty.txt", "empty"}},
                   {"missing --data", evaluate({"--data", "none.yaml"}), {"none.yaml"}},
                   {"unknown key", evaluate({"--set", "data.rot=x"}), {"data", "rot", "root"}},
                   {"size", evaluate({"--set", "preprocessing.size=[60, 64]"}), {"32", "60"}},
                   {"no checkpoint yet", {"evaluate", "--run", "unfinished"}, {"best.safetensors"}}});
}

TEST_F(WrongOutput, OfFiguresIsRefused) {
  write_bytes(place / "a_file", "");
  const auto evaluate = [&](const Arguments& more) {
    Arguments arguments = {"evaluate", "--run", "run"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return place.command(arguments);
  };
  ASSERT_EQ(evaluate({"--output", "out"}).run().exit_code, 0);
  expect_refusal(place, evaluate({"--output", "out"}), {"out", "already holds an evaluation"});
  for (const Arguments& more : {Arguments{"--output", "a_file"},
                                {"--output", "a_file/below"},
                                {"--json", "nowhere/figures.json"},
                                {"--json", "a_file/figures.json"},
                                {"--json", "data"}}) {
    SCOPED_TRACE(more[0] + " " + more[1]);
    expect_refusal(place, evaluate(more), {more[1]});
  }
  expect_refusal(place, evaluate({"--output", "a_file"}),
                 {"a_file: cannot be made a folder", "a_file is a file"});
  expect_refusal(place, evaluate({"--output", "a_file", "--resume"}), {"a_file is a file"});
}

TEST(WrongPlaceForJson, IsRefusedByEveryVerbBeforeItBegins) {
  const Workplace place;
  // None of these could do its work either: the place is the first thing that is looked at.
  const std::vector<Arguments> verbs = {{"benchmark", "--model", "none"},
                                        {"evaluate", "--run", "none"},
                                        {"summary", "--model", "none"},
                                        {"weights", "show", "none"},
                                        {"weights", "diff", "none", "none"},
                                        {"dataset", "stats", "--root", "none"},
                                        {"dataset", "verify", "--root", "none"},
                                        {"dataset", "extend", "crop", "--root", "none", "--output", "out"}};
  for (Arguments arguments : verbs) {
    SCOPED_TRACE(arguments[0] + " " + arguments[1]);
    arguments.insert(arguments.end(), {"--json", "nowhere/f.json"});
    expect_refusal(place, place.command(arguments), {"nowhere/f.json: cannot be written: No such file"});
  }
}

TEST_F(WrongOutput, FolderThatHoldsSomethingIsLeftAlone) {
  fs::create_directory(place / "full");
  write_bytes(place / "full/thesis.tex", "precious");
  write_bytes(place / "a_file", "precious");
  const auto train = [](const char* output) {
    return Arguments{"train", "--config", "config.yaml", "--output", output};
  };
  expect_refusals(place, {{"a run", train("run"), {"run", "already holds a run", "--resume"}},
                          {"not empty", train("full"), {"full", "not empty"}},
                          {"a file", train("a_file"), {"a_file"}},
                          {"below a file", train("a_file/run"), {"a_file"}},
                          {"data set over something else",
                           {"dataset", "synthesize", "--output", "full", "--train", "1", "--val", "1"},
                           {"full"}}});
  fs::create_directory(place / "empty");
  EXPECT_EQ(place.train("empty", {"trainer.epochs=1"}).run().exit_code, 0);
}

}  // namespace
}  // namespace portraitseg::testing
