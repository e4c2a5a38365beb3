#include <gmock/gmock.h>

#include "support/command.h"

namespace portraitseg::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;
using Arguments = std::vector<std::string>;
using Json = nlohmann::json;

Ending benchmark(const TemporaryFolder& place, Arguments arguments) {
  arguments.insert(arguments.begin(), "benchmark");
  return Command(arguments).in(place.path()).environment("OMP_WAIT_POLICY", "passive").run();
}

/// With --json - and as few rounds as give a median.
Json figures(Arguments arguments, const std::string& threads = "1") {
  const TemporaryFolder place;
  arguments.insert(arguments.end(), {"--rounds", "3", "--threads", threads, "--json", "-"});
  const Ending ending = benchmark(place, arguments);
  EXPECT_EQ(ending.exit_code, 0) << ending.err;
  EXPECT_TRUE(contents(place.path()).empty());
  return Json::parse(ending.out);
}

void expect_sane(const Json& json) {
  const double ms = json.at("ms_per_image");
  EXPECT_GT(ms, 0);
  EXPECT_LE(json.at("ms_per_image_min"), ms);
  EXPECT_GE(json.at("ms_per_image_max"), ms);
  EXPECT_NEAR(json.at("images_per_second"), 1000 / ms, 1e-6 / ms);
  EXPECT_GT(json.at("peak_memory_mib"), 10);
  EXPECT_LT(json.at("peak_memory_mib"), 4096);
  EXPECT_EQ(json.at("threads"), 1);
  double sum = 0;
  for (const auto& [kind, share] : json.at("operators").items()) {
    EXPECT_GE(share, 0) << kind;
    sum += share.get<double>();
  }
  EXPECT_NEAR(sum, 1, 1e-6);
  EXPECT_GT(json.at("floor").at("compute_ms_per_image"), 0);
  EXPECT_GT(json.at("floor").at("memory_ms_per_image"), 0);
  EXPECT_LT(json.at("floor").at("compute_ms_per_image"), ms);
}

TEST(NetworkBenchmark, AnInferenceIsMeasuredBesideItsFloor) {
  const Json json = figures({"--model", "sinet", "--size", "64x96", "--batch", "2"});
  EXPECT_EQ(json.at("benchmark"), "inference");
  EXPECT_EQ(json.at("model"), "sinet");
  EXPECT_EQ(json.at("size"), Json({64, 96}));
  EXPECT_EQ(json.at("batch"), 2);
  expect_sane(json);
  EXPECT_EQ(json.at("operators").count("optimizer"), 0U);
}

TEST(NetworkBenchmark, ATrainingStepHasLossBackwardPassAndOptimizer) {
  for (const Arguments& network :
       {Arguments{"sinet"}, {"portraitnet"}, {"extremec3net", "--set", "model.num_classes=1"}}) {
    SCOPED_TRACE(network.front());
    Arguments arguments = {"--train", "--size", "64x64", "--batch", "2", "--model"};
    arguments.insert(arguments.end(), network.begin(), network.end());
    const Json json = figures(arguments);
    EXPECT_EQ(json.at("benchmark"), "training");
    expect_sane(json);
    EXPECT_GT(json.at("operators").at("optimizer"), 0);
    EXPECT_GT(json.at("operators").at("loss"), 0);
  }
}

TEST(NetworkBenchmark, AThreadWithoutAnImageTakesNoShareOfTheTime) {
  const Json json = figures({"--model", "sinet", "--size", "224x224", "--batch", "1"}, "2");
  EXPECT_EQ(json.at("threads"), 2);
  EXPECT_LT(json.at("operators").at("other"), 0.4);
}

TEST(NetworkBenchmark, AConfigurationIsMeasuredWithoutItsData) {
  const TemporaryFolder place;
  write_bytes(place.path() / "config.yaml",
              "preprocessing: {size: [64, 64]}\n"
              "data: {root: nowhere}\n"
              "losses: [{output: mask, target: label}, {output: mask, target: edge_band, weight: 0.5}]\n"
              "trainer: {batch_size: 3, edge_kernel: 5}\n");
  const Ending ending =
      benchmark(place, {"--config", "config.yaml", "--train", "--rounds", "1", "--json", "out.json"});
  ASSERT_EQ(ending.exit_code, 0) << ending.err;
  EXPECT_THAT(ending.out, HasSubstr("floor"));
  const Json json = Json::parse(bytes_of(place.path() / "out.json"));
  EXPECT_EQ(json.at("batch"), 3) << "that of the configuration";
  EXPECT_EQ(json.at("model"), "sinet");
}

TEST(NetworkBenchmark, MistakesAreOneLine) {
  const TemporaryFolder place;
  write_bytes(place.path() / "config.yaml", "losses: [{output: boundary}]\n");
  const std::vector<std::pair<Arguments, const char*>> mistakes = {
      {{}, "--model NAME"},
      {{"--model", "sinett"}, "did you mean 'sinet'"},
      {{"--model", "sinet", "--config", "config.yaml"}, "--model NAME"},
      {{"--loader"}, "--loader"},
      {{"--loader", "--model", "sinet"}, "--loader"},
      {{"--loader", "--config", "config.yaml", "--train"}, "--loader"},
      {{"--model", "sinet", "--images", "3"}, "--loader"},
      {{"--model", "sinet", "--size", "64"}, "--size '64'"},
      {{"--model", "sinet", "--size", "60x64"}, "60x64"},
      {{"--model", "sinet", "--train", "--batch", "0"}, "--batch"},
      {{"--config", "missing.yaml"}, "missing.yaml"},
      {{"--config", "config.yaml", "--train", "--batch", "2"}, "boundary"},
  };
  for (const auto& [arguments, word] : mistakes) {
    const Ending ending = benchmark(place, arguments);
    EXPECT_EQ(ending.exit_code, 2) << word;
    EXPECT_EQ(ending.out, "");
    EXPECT_THAT(ending.err, StartsWith("portraitseg: "));
    EXPECT_THAT(ending.err, HasSubstr(word));
    EXPECT_EQ(lines_of(ending.err).size(), 1U) << ending.err;
  }
}

}  // namespace
}  // namespace portraitseg::testing
