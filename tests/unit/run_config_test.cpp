#include "portraitseg/engine/run_config.h"

#include <string>

#include <gmock/gmock.h>

namespace portraitseg {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

std::string error(const std::string& yaml) {
  try {
    RunConfig::parse(yaml, "test");
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "no error";
}

const std::string kLosses = "losses: [{name: cross_entropy, output: mask, target: label, weight: 1}]\n";

TEST(RunConfig, APriorNeedsItsChannelAndItsNetwork) {
  const std::string prior = kLosses + "augment:\n  prior: {probability: 0.5}\n";
  EXPECT_THAT(error(prior), AllOf(HasSubstr("test:3:"), HasSubstr("augment.prior.probability"),
                                  HasSubstr("preprocessing.prior_channel")));
  const std::string channel = prior + "preprocessing: {prior_channel: true}\n";
  EXPECT_THAT(error(channel), AllOf(HasSubstr("preprocessing.prior_channel"),
                                    HasSubstr("sinet takes 3 channels"), HasSubstr("model.prior_channel")));
  EXPECT_THAT(error(channel + "model: {name: portraitnet}\n"), HasSubstr("portraitnet takes 3 channels"));
  EXPECT_EQ(error(channel + "model: {name: portraitnet, prior_channel: true}\n"), "no error");
}

TEST(RunConfig, ALossThatComparesViewsHasNoTarget) {
  EXPECT_EQ(error("losses: [{name: consistency, weight: 2}]\n"), "no error");
  for (const char* field : {"target: label", "view: deformed"}) {
    EXPECT_THAT(error("losses: [{name: consistency, " + std::string(field) + "}]\n"),
                AllOf(HasSubstr("test:1:"), HasSubstr("losses")))
        << field;
  }
}

TEST(RunConfig, TheSameLossOnBothViewsIsTwoColumns) {
  const auto config = RunConfig::parse(
      "losses: [{name: cross_entropy}, {name: cross_entropy, view: deformed}, {name: consistency}]\n",
      "test");
  EXPECT_EQ(config.losses[0].title(), "cross_entropy.mask.label");
  EXPECT_EQ(config.losses[1].title(), "cross_entropy.mask.label.deformed");
  EXPECT_EQ(config.losses[2].title(), "consistency.mask");
}

}  // namespace
}  // namespace portraitseg
