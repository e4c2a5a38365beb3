// Weights into the program and out of it: weights convert, show, diff; summary; model.init_from.
#include <filesystem>

#include <gmock/gmock.h>

#include "support/command.h"

namespace portraitseg::testing {
namespace {

namespace fs = std::filesystem;

using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;
using Json = nlohmann::json;

class Weights : public ::testing::Test {
 protected:
  Ending run(const std::vector<std::string>& arguments) const { return place.command(arguments).run(); }

  Ending succeed(const std::vector<std::string>& arguments) const {
    Ending ending = run(arguments);
    EXPECT_EQ(ending.exit_code, 0) << ending.err;
    return ending;
  }

  /// Exit code 2, one line on stderr, nothing on stdout. @return the line
  std::string refusal(const std::vector<std::string>& arguments) const {
    const Ending ending = run(arguments);
    EXPECT_EQ(ending.exit_code, 2) << ending.err;
    EXPECT_EQ(ending.out, "");
    EXPECT_THAT(lines_of(ending.err), SizeIs(1)) << ending.err;
    return ending.err;
  }

  /// A short training of `model` in `output`.
  void train(const std::string& output, const std::vector<std::string>& overrides = {}) const {
    std::vector<std::string> all = {"trainer.epochs=1"};
    all.insert(all.end(), overrides.begin(), overrides.end());
    const Ending trained = place.train(output, all).run();
    ASSERT_EQ(trained.exit_code, 0) << trained.err;
  }

  Workplace place;
};

TEST_F(Weights, ConvertedOnesCarryTheirConfigurationInEveryFormat) {
  train("run");
  const std::string best = "run/checkpoints/best.safetensors";
  /// All that is said of the evaluation but which file it was.
  const auto figures_of = [&](const char* option, const std::string& network) {
    auto result =
        nlohmann::json::parse(succeed({"evaluate", option, network, "--json", "-"}).out).at("results").at(0);
    EXPECT_EQ(result.erase("weights") + result.erase("weights_sha256"), 2U);
    return result.dump();
  };
  const std::string figures = figures_of("--run", "run");
  succeed({"weights", "convert", best, "w.pth"});
  succeed({"weights", "convert", "w.pth", "w.safetensors"});
  succeed({"weights", "convert", "w.safetensors", "again.pth"});
  for (const std::string file : {"w.pth", "w.safetensors"}) {
    EXPECT_EQ(figures_of("--weights", file), figures) << file;
  }
  EXPECT_EQ(bytes_of(place / "w.pth"), bytes_of(place / "again.pth"));
  const auto plain = Safetensors::parse(bytes_of(place / "w.safetensors"));
  EXPECT_THAT(plain.metadata.dump(),
              AllOf(HasSubstr("portraitseg.config"), Not(HasSubstr("portraitseg.progress"))));
  for (const auto& [key, entry] : plain.header.items()) EXPECT_THAT(key, Not(HasSubstr("training."))) << key;
}

TEST_F(Weights, ConvertChecksTheConfigurationThatItStores) {
  train("run");
  const std::string best = "run/checkpoints/best.safetensors";
  EXPECT_THAT(refusal({"weights", "convert", best, "w.pth", "--config", "config.yaml", "--set",
                       "model.name=portraitnet"}),
              AllOf(HasSubstr("best.safetensors: weights of another network"), HasSubstr("missing")));
  EXPECT_FALSE(fs::exists(place / "w.pth"));
  EXPECT_THAT(refusal({"weights", "convert", best, "w.onnx"}), HasSubstr("w.onnx"));
  EXPECT_THAT(refusal({"weights", "convert", "none.pth", "w.pth"}), HasSubstr("none.pth: cannot open"));
  EXPECT_THAT(refusal({"weights", "convert", "config.yaml", "w.pth"}), HasSubstr("config.yaml: "));
  EXPECT_THAT(refusal({"weights", "convert", best, "no/such/folder/w.pth"}), HasSubstr("no/such/folder"));
  EXPECT_THAT(refusal({"weights", "convert", best, "w.pth", "--set", "model.num_classes=3"}),
              HasSubstr("--config"));
}

TEST_F(Weights, NothingIsWrittenOverWhatIsRead) {
  train("run");
  const std::string best = "run/checkpoints/best.safetensors";
  const std::string before = bytes_of(place / best);
  fs::create_symlink(fs::absolute(place / best), place / "link.pth");
  EXPECT_THAT(refusal({"weights", "convert", best, best}), HasSubstr("is the file that is read"));
  EXPECT_THAT(refusal({"weights", "convert", best, "link.pth"}), HasSubstr("is the file that is read"));
  EXPECT_THAT(refusal({"weights", "show", best, "--json", best}), HasSubstr("is the file that is read"));
  EXPECT_THAT(refusal({"weights", "diff", "link.pth", best, "--json", best}),
              HasSubstr("is the file that is read"));
  EXPECT_THAT(refusal({"summary", "--weights", best, "--json", best}), HasSubstr("is the file that is read"));
  EXPECT_THAT(refusal({"evaluate", "--weights", best, "--json", best}),
              HasSubstr("is the file that is read"));
  EXPECT_EQ(bytes_of(place / best), before);
}

TEST_F(Weights, ShowSaysWhatAFileHolds) {
  train("run");
  const std::string best = "run/checkpoints/best.safetensors";
  const std::string table = succeed({"weights", "show", best}).out;
  EXPECT_THAT(table,
              AllOf(HasSubstr("encoder.level1.conv.weight"), HasSubstr("float32"), HasSubstr("[12, 3, 3, 3]"),
                    HasSubstr("name: sinet"), HasSubstr("geometry: squash")));
  const auto json = Json::parse(succeed({"weights", "show", best, "--json", "-"}).out);
  EXPECT_EQ(json.at("tensors").at(0).at("shape"), Json({12, 3, 3, 3}));
  EXPECT_TRUE(json.at("metadata").contains("portraitseg.config"));
}

TEST_F(Weights, DiffSaysWhereFilesDiffer) {
  train("run");
  train("other", {"trainer.seed=2"});
  const std::string best = "run/checkpoints/best.safetensors";
  succeed({"weights", "convert", best, "w.pth"});
  succeed({"weights", "convert", "w.pth", "w.safetensors"});
  EXPECT_THAT(last_line(succeed({"weights", "diff", "w.pth", "w.safetensors"}).out),
              HasSubstr("identical: 393 tensors equal bit for bit"));
  const auto json = Json::parse(
      succeed({"weights", "diff", "w.pth", "other/checkpoints/best.safetensors", "--json", "-"}).out);
  EXPECT_FALSE(json.at("identical"));
  EXPECT_TRUE(json.at("only_in_first").empty());
  EXPECT_FALSE(json.at("only_in_second").empty()) << "the optimiser's";
  EXPECT_THAT(json.at("different").at("encoder.level1.conv.weight").get<std::string>(),
              HasSubstr("values differ by"));
}

TEST_F(Weights, InitFromTakesWhatFitsAndSaysSo) {
  train("stage1", {"model.name=sinet_encoder", "losses=[{name: cross_entropy}]"});
  const std::string encoder = "model.init_from=stage1/checkpoints/best.safetensors";
  const Ending stage2 = place.train("stage2", {"trainer.epochs=1", encoder}).run();
  ASSERT_EQ(stage2.exit_code, 0) << stage2.err;
  EXPECT_THAT(stage2.err,
              AllOf(HasSubstr("initialised from "), HasSubstr("  320 taken: encoder.level1.conv.weight, "),
                    HasSubstr(" not in the file: "), HasSubstr(" ...; all in log.txt"),
                    Not(HasSubstr("bn_2.running_var")), Not(HasSubstr("of another shape")),
                    Not(HasSubstr("in the file alone"))));
  for (const auto& line : lines_of(stage2.err)) EXPECT_LT(line.size(), 250U) << line;
  EXPECT_THAT(bytes_of(place / "stage2/log.txt"),
              AllOf(HasSubstr("320 taken: "), HasSubstr("bn_2.running_var")));

  // The file is needed at the start alone: a run goes on without it.
  fs::remove_all(place / "stage1");
  EXPECT_EQ(place.resume("stage2").run().exit_code, 0);
}

TEST_F(Weights, InitFromAFileThatDoesNotFitIsRefusedBeforeThereIsARun) {
  write_bytes(place / "broken.pth", "no weights");
  const auto start = [&](const std::string& file) {
    return refusal(
        {"train", "--config", "config.yaml", "--output", "run", "--set", "model.init_from=" + file});
  };
  EXPECT_THAT(start("none.pth"), HasSubstr("none.pth: cannot open"));
  EXPECT_THAT(start("broken.pth"), HasSubstr("broken.pth: no weights file"));
  train("other", {"model.name=extremec3net", "losses=[{name: lovasz_hinge}]"});
  EXPECT_THAT(start("other/checkpoints/best.safetensors"), HasSubstr("fits the network in no key and shape"));
  EXPECT_FALSE(fs::exists(place / "run"));
}

/// A file with torchvision's keys and shapes; the values say nothing.
std::string torchvision_mobilenet_v2() {
  Safetensors file;
  file.header = nlohmann::ordered_json::object();
  for (const auto& line :
       lines_of(bytes_of(PORTRAITSEG_SOURCE_DIR "/tests/golden/keys/torchvision_mobilenet_v2.txt"))) {
    const Json shape = Json::parse(line.substr(line.find(' ') + 1));
    if (shape.empty()) continue;  // num_batches_tracked
    std::size_t count = 1;
    for (const auto& size : shape) count *= size.get<std::size_t>();
    std::vector<float> values(count);
    for (std::size_t i = 0; i < count; ++i) values[i] = 0.01F * static_cast<float>(i % 11 + 1);
    const std::size_t begin = file.data.size();
    file.data.append(reinterpret_cast<const char*>(values.data()), count * sizeof(float));
    file.header[line.substr(0, line.find(' '))] = {
        {"dtype", "F32"}, {"shape", shape}, {"data_offsets", {begin, file.data.size()}}};
  }
  return file.bytes();
}

TEST_F(Weights, TorchvisionsMobileNetV2InitialisesPortraitNet) {
  const auto convert = [](const std::string& in, const std::string& out) {
    return std::vector<std::string>{"weights", "convert", in, out, "--from", "torchvision_mobilenet_v2"};
  };
  write_bytes(place / "mobilenet.safetensors", torchvision_mobilenet_v2());
  succeed({"weights", "convert", "mobilenet.safetensors", "mobilenet.pth"});
  const std::string said = succeed(convert("mobilenet.pth", "encoder.safetensors")).out;
  EXPECT_THAT(said, HasSubstr("encoder.safetensors: 260 tensors of PortraitNet's encoder"));
  EXPECT_THAT(last_line(said), AllOf(HasSubstr("left out: features.18.0.weight, features.18.1.weight, "),
                                     EndsWith("classifier.1.weight, classifier.1.bias")));
  const Ending trained =
      place
          .train("run", {"trainer.epochs=1", "model.name=portraitnet", "model.boundary_head=false",
                         "model.init_from=encoder.safetensors"})
          .run();
  ASSERT_EQ(trained.exit_code, 0) << trained.err;
  EXPECT_THAT(trained.err, AllOf(HasSubstr("  260 taken: stage0.0.weight, "),
                                 Not(HasSubstr("of another shape")), Not(HasSubstr("in the file alone"))));

  fs::remove(place / "encoder.safetensors");
  EXPECT_THAT(
      refusal(convert("run/checkpoints/best.safetensors", "encoder.safetensors")),
      HasSubstr("best.safetensors: no MobileNetV2 1.0 of torchvision: features.0.0.weight is missing"));
  auto with_config = convert("mobilenet.pth", "encoder.safetensors");
  with_config.insert(with_config.end(), {"--config", "config.yaml"});
  EXPECT_THAT(refusal(with_config), AllOf(HasSubstr("--from"), HasSubstr("--config")));
  EXPECT_THAT(
      refusal({"weights", "convert", "mobilenet.pth", "encoder.safetensors", "--from", "mobilenet_v3"}),
      AllOf(HasSubstr("mobilenet_v3"), HasSubstr("torchvision_mobilenet_v2")));
  EXPECT_FALSE(fs::exists(place / "encoder.safetensors"));
  const std::string before = bytes_of(place / "mobilenet.pth");
  EXPECT_THAT(refusal(convert("mobilenet.pth", "mobilenet.pth")), HasSubstr("is the file that is read"));
  EXPECT_EQ(bytes_of(place / "mobilenet.pth"), before);
}

TEST_F(Weights, SummaryCountsAsThePapersDo) {
  const auto json =
      Json::parse(succeed({"summary", "--model", "portraitnet", "--size", "224x224", "--json", "-"}).out);
  EXPECT_EQ(json.at("parameters"), 2080904);
  EXPECT_EQ(json.at("multiply_adds"), 368462752);
  EXPECT_EQ(json.at("multiply_adds_clova"), 325110688);
  EXPECT_EQ(json.at("outputs").at("boundary"), Json({1, 2, 224, 224}));
  EXPECT_THAT(succeed({"summary", "--config", "config.yaml"}).out, HasSubstr("86,910"));
  EXPECT_THAT(refusal({"summary", "--model", "sinet", "--size", "100x100"}), HasSubstr("multiples of 32"));
  EXPECT_THAT(refusal({"summary", "--model", "sinett"}), HasSubstr("did you mean 'sinet'"));
  EXPECT_THAT(refusal({"summary", "--model", "sinet", "--size", "224"}), HasSubstr("224"));
  EXPECT_THAT(refusal({"summary"}), HasSubstr("--model"));
}

/// The fields of a loss that a single channel needs, and the other way round, are refused before the first step.
TEST_F(Weights, LossAndNumberOfClassesMustFit) {
  EXPECT_THAT(
      refusal({"train", "--config", "config.yaml", "--output", "run", "--set", "model.name=extremec3net"}),
      AllOf(HasSubstr("cross_entropy needs"), HasSubstr("model.num_classes")));
  EXPECT_FALSE(fs::exists(place / "run"));
  train("run", {"model.name=extremec3net", "losses=[{name: lovasz_hinge}]"});
}

}  // namespace
}  // namespace portraitseg::testing
