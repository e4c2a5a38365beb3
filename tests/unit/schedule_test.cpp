#include "portraitseg/engine/schedule.h"

#include <cmath>

#include <gmock/gmock.h>

namespace portraitseg {
namespace {

using ::testing::HasSubstr;

/// Reads `{name: ..., ...}` as the section of a configuration.
ScheduleOptions read(const std::string& yaml) {
  ScheduleOptions schedule;
  Config::parse(yaml, "test").read(schedule);
  return schedule;
}

std::string error(const std::string& yaml) {
  try {
    read(yaml);
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "no error";
}

double at_epoch(const ScheduleOptions& schedule, std::int64_t epoch, std::int64_t epochs) {
  return schedule.factor({epoch, 0, 1, epochs});
}

TEST(Schedule, DefaultMilestonesAreClovas) {
  const ScheduleOptions schedule;
  EXPECT_EQ(at_epoch(schedule, 149, 300), 1);
  EXPECT_EQ(at_epoch(schedule, 150, 300), 0.5);
  EXPECT_EQ(at_epoch(schedule, 249, 300), 0.5);
  EXPECT_EQ(at_epoch(schedule, 250, 300), 0.25);
  EXPECT_EQ(at_epoch(schedule, 6, 15), 1);
  EXPECT_EQ(at_epoch(schedule, 7, 15), 0.5);
  EXPECT_EQ(at_epoch(schedule, 12, 15), 0.5);
  EXPECT_EQ(at_epoch(schedule, 13, 15), 0.25);
}

TEST(Schedule, GivenMilestonesReplaceThem) {
  const auto schedule = read("{name: multistep, milestones: [2], gamma: 0.1}");
  EXPECT_EQ(at_epoch(schedule, 1, 4), 1);
  EXPECT_EQ(at_epoch(schedule, 3, 4), 0.1);
}

TEST(Schedule, StepIsPortraitNetsByDefault) {
  const auto schedule = read("{name: step}");
  for (const std::int64_t epoch : {0, 19, 20, 39, 40, 1999}) {
    EXPECT_DOUBLE_EQ(at_epoch(schedule, epoch, 2000), std::pow(0.95, static_cast<double>(epoch / 20)))
        << epoch;
    EXPECT_EQ(schedule.factor({epoch, 21, 22, 2000}), at_epoch(schedule, epoch, 2000)) << "within an epoch";
  }
  EXPECT_DOUBLE_EQ(at_epoch(read("{name: step, every: 3, gamma: 0.5}"), 7, 10), 0.25);
}

TEST(Schedule, ExponentialMultipliesEachEpoch) {
  const auto schedule = read("{name: exponential, gamma: 0.9}");
  EXPECT_EQ(at_epoch(schedule, 0, 10), 1);
  EXPECT_DOUBLE_EQ(at_epoch(schedule, 3, 10), 0.9 * 0.9 * 0.9);
}

TEST(Schedule, PolyFallsToNothingAtTheEnd) {
  const auto schedule = read("{name: poly, power: 0.9}");
  EXPECT_EQ(schedule.factor({0, 0, 10, 4}), 1);
  EXPECT_DOUBLE_EQ(schedule.factor({1, 5, 10, 4}), std::pow(25.0 / 40, 0.9));
  EXPECT_DOUBLE_EQ(schedule.factor({3, 9, 10, 4}), std::pow(1.0 / 40, 0.9));
  EXPECT_DOUBLE_EQ(read("{name: poly, power: 2}").factor({2, 0, 10, 4}), 0.25);
}

TEST(Schedule, ByEpochTheStepsOfAnEpochAreAlike) {
  for (const char* name : {"poly", "warmup_poly", "cosine", "one_cycle"}) {
    const std::string start = std::string("{name: ") + name;
    const auto by_epoch = read(start + ", by: epoch}"), by_step = read(start + ", by: step}");
    for (std::int64_t epoch = 0; epoch < 40; ++epoch) {
      EXPECT_EQ(by_epoch.factor({epoch, 7, 10, 40}), by_epoch.factor({epoch, 0, 10, 40})) << name;
      EXPECT_NE(by_step.factor({epoch, 7, 10, 40}), by_step.factor({epoch, 0, 10, 40})) << name;
      EXPECT_EQ(by_step.factor({epoch, 7, 10, 40}), at_epoch(by_epoch, 10 * epoch + 7, 400)) << name;
    }
  }
}

// clovaai/c3_sinet, WarmupPoly(1, 1500) of etc/utils.py.
TEST(Schedule, WarmupPolyIsSinetsOnCityscapes) {
  const auto schedule = read("{name: warmup_poly}");
  EXPECT_NEAR(at_epoch(schedule, 0, 1500), 0.014535834241452423, 1e-14);
  EXPECT_NEAR(at_epoch(schedule, 36, 1500), 0.50035431732434, 1e-14);
  EXPECT_EQ(at_epoch(schedule, 74, 1500), 1);
  EXPECT_EQ(at_epoch(schedule, 75, 1500), 1);
  EXPECT_NEAR(at_epoch(schedule, 76, 1500), 0.9993122758745022, 1e-14);
  EXPECT_NEAR(at_epoch(schedule, 1499, 1500), 0.0008114493803393884, 1e-14);
  EXPECT_EQ(at_epoch(read("{name: warmup_poly, warmup: 0}"), 0, 1500), 1);
}

TEST(Schedule, CosineComesDownToItsLeastFactor) {
  const auto schedule = read("{name: cosine, min_factor: 0.1}");
  EXPECT_EQ(schedule.factor({0, 0, 5, 4}), 1);
  EXPECT_NEAR(schedule.factor({2, 0, 5, 4}), 0.55, 1e-14);
  EXPECT_NEAR(schedule.factor({3, 4, 5, 4}), 0.1 + 0.45 * (1 + std::cos(std::acos(-1.0) * 0.95)), 1e-14);
}

// torch.optim.lr_scheduler.OneCycleLR of PyTorch 1.13 with max_lr 1.
TEST(Schedule, OneCycleIsTorchs) {
  const std::vector<std::pair<std::int64_t, double>> of_20 = {{0, 0.040000000000000036},
                                                              {1, 0.1316718427000253},
                                                              {4, 0.9083281572999747},
                                                              {5, 1.0},
                                                              {6, 0.9874640062350873},
                                                              {12, 0.500002},
                                                              {19, 4e-06}};
  const std::vector<std::pair<std::int64_t, double>> of_33 = {{0, 0.09999999999999998},
                                                              {3, 0.42961224766185047},
                                                              {7, 0.9973620807194619},
                                                              {8, 0.9977382253252558},
                                                              {20, 0.47673283304604075},
                                                              {31, 0.005018570991017727},
                                                              {32, 0.001}};
  const auto defaults = read("{name: one_cycle}");
  for (const auto& [step, factor] : of_20) EXPECT_NEAR(at_epoch(defaults, step, 20), factor, 1e-12) << step;
  const auto other = read("{name: one_cycle, peak: 0.25, div_factor: 10, final_div_factor: 100}");
  for (const auto& [step, factor] : of_33) EXPECT_NEAR(at_epoch(other, step, 33), factor, 1e-12) << step;
}

TEST(Schedule, TheShortestTrainingHasALearningRate) {
  for (const auto& name : schedules().names()) {
    const double factor = at_epoch(read("{name: " + name + "}"), 0, 1);
    EXPECT_GT(factor, 0) << name;
    EXPECT_LE(factor, 1) << name;
  }
}

TEST(Schedule, AnotherSchedulesOptionIsAnUnknownKey) {
  EXPECT_THAT(error("{name: poly,\n milestones: [3]}"), HasSubstr("test:2:2: unknown key 'milestones'"));
  EXPECT_THAT(error("{name: step, by: step}"), HasSubstr("unknown key 'by'"));
  EXPECT_THAT(error("{name: polly}"), HasSubstr("did you mean 'poly'?"));
  EXPECT_THAT(error("{name: cosine, by: batch}"), HasSubstr("unknown value 'batch'"));
}

}  // namespace
}  // namespace portraitseg
