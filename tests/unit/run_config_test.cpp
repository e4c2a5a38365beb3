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

TEST(RunConfig, APriorNeedsItsChannel) {
  const std::string augment = kLosses + "augment:\n  prior: {probability: 0.5}\n";
  EXPECT_THAT(error(augment), AllOf(HasSubstr("test:3:"), HasSubstr("augment.prior.probability"),
                                    HasSubstr("preprocessing.prior_channel")));
  EXPECT_EQ(error(augment + "preprocessing: {prior_channel: true}"), "no error");
  EXPECT_EQ(error(kLosses + "preprocessing: {prior_channel: true}"), "no error");
}

}  // namespace
}  // namespace portraitseg
