#include <filesystem>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "portraitseg/core/error.h"
#include "portraitseg/core/file.h"
#include "portraitseg/sweep/cost.h"
#include "portraitseg/sweep/plan.h"

#include "support/temporary_folder.h"

namespace portraitseg {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsSubsetOf;
using ::testing::SizeIs;

/// Sweeps over base.yaml, which trains SINet.
class SweepPlans : public ::testing::Test {
 protected:
  SweepPlans() { write_file(folder_.path() / "base.yaml", "trainer: {epochs: 7, batch_size: 4}\n"); }

  SweepPlan load(const std::string& yaml, const std::vector<std::string>& overrides = {}) const {
    write_file(folder_.path() / "sweep.yaml", "base: base.yaml\n" + yaml);
    return SweepPlan::load(folder_.path() / "sweep.yaml", overrides);
  }

  static std::vector<std::string> labels(const SweepPlan& plan) {
    std::vector<std::string> all;
    for (const Trial& trial : plan.trials) all.push_back(trial.label());
    return all;
  }

  static std::vector<std::string> ids(const SweepPlan& plan) {
    std::vector<std::string> all;
    for (const Trial& trial : plan.trials) all.push_back(trial.id);
    return all;
  }

  std::string refusal(const std::string& yaml) const {
    try {
      load(yaml);
    } catch (const UserError& error) {
      return error.what();
    }
    return "nothing was wrong";
  }

  testing::TemporaryFolder folder_;
};

TEST_F(SweepPlans, AGridHasEveryCombinationTheLastAxisChangingFastest) {
  const SweepPlan plan = load("axes: {model.decoder: [none, gau], trainer.seed: [1, 2]}\n");
  EXPECT_EQ(plan.name, "sweep");
  EXPECT_THAT(plan.axes, ElementsAre("model.decoder", "trainer.seed"));
  EXPECT_THAT(labels(plan),
              ElementsAre("model.decoder=none, trainer.seed=1", "model.decoder=none, trainer.seed=2",
                          "model.decoder=gau, trainer.seed=1", "model.decoder=gau, trainer.seed=2"));
  EXPECT_THAT(ids(plan), ::testing::Each(SizeIs(12)));
  EXPECT_EQ(plan.trials[3].plan.stages.front().config.trainer.seed, 2);
  EXPECT_EQ(plan.trials[3].plan.stages.front().config.trainer.epochs, 7);
}

TEST_F(SweepPlans, ARangeIsEvenlySpacedOrByAFactor) {
  EXPECT_THAT(labels(load("axes: {optimizer.lr: {from: 1e-4, to: 1e-2, count: 3, scale: log}}\n")),
              ElementsAre("optimizer.lr=0.0001", "optimizer.lr=0.001", "optimizer.lr=0.01"));
  EXPECT_THAT(labels(load("axes: {optimizer.lr: {from: 0.1, to: 0.4, count: 4}}\n")),
              ElementsAre("optimizer.lr=0.1", "optimizer.lr=0.2", "optimizer.lr=0.3", "optimizer.lr=0.4"));
  EXPECT_THAT(labels(load("axes: {trainer.epochs: {from: 1, to: 10, count: 3, integer: true}}\n")),
              ElementsAre("trainer.epochs=1", "trainer.epochs=6", "trainer.epochs=10"));
}

TEST_F(SweepPlans, ANamedAxisSetsSeveralKeysAtOnce) {
  const SweepPlan plan = load(
      "axes:\n"
      "  loss:\n"
      "    plain: {}\n"
      "    band:\n"
      "      losses: [{name: cross_entropy}, {name: cross_entropy, target: edge_band, weight: 0.25}]\n"
      "      trainer.edge_kernel: 9\n");
  EXPECT_THAT(labels(plan), ElementsAre("loss=plain", "loss=band"));
  EXPECT_THAT(plan.trials[0].plan.stages.front().config.losses, SizeIs(1));
  const RunConfig& band = plan.trials[1].plan.stages.front().config;
  ASSERT_THAT(band.losses, SizeIs(2));
  EXPECT_EQ(band.losses[1].weight, 0.25);
  EXPECT_EQ(band.trainer.edge_kernel, 9);
}

TEST_F(SweepPlans, OverridesHoldForEveryTrial) {
  const SweepPlan plan =
      load("set: [trainer.epochs=3]\naxes: {trainer.seed: [1, 2]}\n", {"trainer.batch_size=2"});
  for (const Trial& trial : plan.trials) {
    EXPECT_EQ(trial.plan.stages.front().config.trainer.epochs, 3);
    EXPECT_EQ(trial.plan.stages.front().config.trainer.batch_size, 2);
  }
}

TEST_F(SweepPlans, ExcludedCombinationsAreLeftOutHoweverTheirNumbersAreWritten) {
  EXPECT_THAT(labels(load("axes: {model.decoder: [none, gau], optimizer.lr: [0.01, 5e-3]}\n"
                          "exclude: [{model.decoder: gau, optimizer.lr: 1e-2}]\n")),
              ElementsAre("model.decoder=none, optimizer.lr=0.01", "model.decoder=none, optimizer.lr=0.005",
                          "model.decoder=gau, optimizer.lr=0.005"));
}

TEST_F(SweepPlans, ExplicitTrialsComeBesidesTheAxesOrAlone) {
  const SweepPlan both = load(
      "axes: {model.decoder: [none, gau]}\n"
      "trials: [{trainer.seed: 5}, {trainer.batch_size: 8, model.decoder: reverse}]\n");
  EXPECT_THAT(both.axes, ElementsAre("model.decoder", "trainer.seed", "trainer.batch_size"));
  EXPECT_THAT(labels(both), ElementsAre("model.decoder=none", "model.decoder=gau", "trainer.seed=5",
                                        "model.decoder=reverse, trainer.batch_size=8"));
  EXPECT_THAT(labels(load("trials: [{}, {trainer.seed: 2}]\n")), ElementsAre("the base", "trainer.seed=2"));
}

TEST_F(SweepPlans, ARandomSearchRepeatsItselfAndMoreTrialsKeepTheFirst) {
  const std::string axes =
      "axes: {optimizer.lr: {from: 1e-4, to: 1e-2, scale: log}, model.decoder: [none, gau, reverse]}\n";
  const SweepPlan six = load(axes + "search: {name: random, trials: 6}\n");
  EXPECT_EQ(ids(six), ids(load(axes + "search: {name: random, trials: 6}\n")));
  const auto eight = ids(load(axes + "search: {name: random, trials: 8}\n"));
  EXPECT_EQ(ids(six), std::vector<std::string>(eight.begin(), eight.begin() + 6));
  EXPECT_NE(ids(six), ids(load(axes + "search: {name: random, trials: 6, seed: 2}\n")));
  std::set<double> rates;
  for (const Trial& trial : six.trials) {
    const double lr = std::stod(trial.value("optimizer.lr"));
    EXPECT_GE(lr, 1e-4);
    EXPECT_LE(lr, 1e-2);
    rates.insert(lr);
  }
  EXPECT_THAT(rates, SizeIs(6));
}

TEST_F(SweepPlans, ARandomSearchHasNoTrialTwice) {
  const std::string axes = "axes: {model.decoder: [none, gau], trainer.seed: [1, 2, 3]}\n";
  const auto all = ids(load(axes + "search: {name: random, trials: 6}\n"));
  EXPECT_THAT(std::set<std::string>(all.begin(), all.end()), SizeIs(6));
  EXPECT_THAT(refusal(axes + "search: {name: random, trials: 7}\n"),
              HasSubstr("7 different ones are wanted"));
}

TEST_F(SweepPlans, IdsDependOnTheTrialAloneAndAWiderPlanKeepsThem) {
  const auto narrow = ids(load("axes: {model.decoder: [none, gau], trainer.seed: [1, 2]}\n"));
  const auto swapped = ids(load("axes: {trainer.seed: [2, 1], model.decoder: [gau, none]}\n"));
  EXPECT_THAT(swapped, ::testing::UnorderedElementsAreArray(narrow));
  EXPECT_THAT(
      narrow,
      IsSubsetOf(ids(load("axes: {model.decoder: [reverse, none, gau], trainer.seed: [1, 2, 3]}\n"))));
  EXPECT_THAT(ids(load("trials: [{model.decoder: gau, trainer.seed: 2}]\n")), ElementsAre(narrow[3]));
}

TEST_F(SweepPlans, WhatChangesNoResultDoesNotCountInAnId) {
  const auto id = [&](const std::string& override) {
    return load("trials: [{}]\n", {override}).trials.front().id;
  };
  const std::string plain = id("trainer.epochs=7");
  for (const char* same :
       {"data.workers=5", "data.cache.mib=100", "device.threads=3", "trainer.checkpoint_every=2"})
    EXPECT_EQ(id(same), plain) << same;
  for (const char* other : {"data.cache.max_side=100", "trainer.seed=2", "device.precision=float64"})
    EXPECT_NE(id(other), plain) << other;
}

TEST_F(SweepPlans, MistakesNameTheirPlace) {
  struct Mistake {
    std::string yaml;
    std::vector<std::string> words;
  };
  const std::vector<Mistake> mistakes = {
      {"axes: {model.decodr: [none]}\n", {"sweep.yaml:2:23: ", "did you mean 'decoder'?"}},
      {"axes: {model.decoder: []}\n", {"sweep.yaml:2:8: axes.model.decoder: has no values"}},
      {"axes: {model.decoder: }\n", {"axes.model.decoder: has no values"}},
      {"axes: {model.decoder: none}\n", {"sweep.yaml:2:23: axes.model.decoder: expected a list of values"}},
      {"axes: {}\n", {"sweep.yaml:2:7: axes: there are none"}},
      {"axes:\n  model.decoder: [none, gua]\n",
       {"sweep.yaml:3:25: ", "unknown value 'gua'", "did you mean 'gau'?"}},
      {"axes: {optimizer.lr: [0.1, -1]}\n", {"sweep.yaml:2:28: optimizer.lr: must be at least"}},
      {"axes: {trainer.seed: [1, 2, 1]}\n",
       {"sweep.yaml:2:29: axes.trainer.seed: the value 1 is there twice"}},
      {"axes: {optimizer.lr: {from: 1, to: 0.1, count: 3}}\n", {"to: must be above from"}},
      {"axes: {optimizer.lr: {from: 0, to: 0.1, count: 3, scale: log}}\n",
       {"from: must be above 0 on a log scale"}},
      {"axes: {optimizer.lr: {from: 0.1, to: 1}}\n", {"axes.optimizer.lr: a grid needs a count"}},
      {"axes: {optimizer.lr: {from: 0.1, count: 3}}\n", {"axes.optimizer.lr: a range needs from and to"}},
      {"axes: {optimizer.lr: {from: 0.1, until: 1}}\n", {"sweep.yaml:2:34: unknown key 'until'"}},
      {"axes: {data.workers: [1, 2]}\n",
       {"two trials are the same training: data.workers=1 and data.workers=2"}},
      {"axes: {trainer.seed: [1]}\ntrials: [{trainer.seed: 1}]\n",
       {"sweep.yaml:3:10: two trials are the same"}},
      {"axes: {trainer.seed: [1]}\nset: [trainer.seed=3]\n",
       {"trainer.seed is set by 'trainer.seed=3', too"}},
      {"axes: {trainer.seed: [1], named: {a: {trainer.seed: 2}}}\n", {"set by the axis trainer.seed, too"}},
      {"axes: {trainer.seed: [1]}\nexclude: [{trainer.sed: 1}]\n",
       {"sweep.yaml:3:12: exclude", "'trainer.seed'?"}},
      {"axes: {trainer.seed: [1]}\nexclude: [{trainer.seed: 2}]\n", {"has no value '2'"}},
      {"axes: {trainer.seed: [1]}\nexclude: [{trainer.seed: 1}]\n", {"no trials"}},
      {"axes: {trainer.seed: [1, 2]}\nbudget: {trials: 1}\n",
       {"sweep.yaml:3:9: budget.trials: the plan has 2 trials"}},
      {"axes: {trainer.seed: [1]}\nsearch: {trials: 3}\n", {"search.trials: is of a random search"}},
      {"axes: {trainer.seed: [1]}\nsearch: {name: random}\n", {"needs a number of trials"}},
      {"search: {name: random, trials: 2}\n", {"search: there are no axes"}},
      {"set: [trainer.epoch=1]\naxes: {trainer.seed: [1]}\n",
       {"--set trainer.epoch=1", "did you mean 'epochs'?"}},
      {"data: {name: eg1800}\n", {"sweep.yaml:2:7: data", "a training's key"}},
      {"axis: {trainer.seed: [1]}\n", {"sweep.yaml:2:1: unknown key 'axis'", "did you mean 'axes'?"}},
      {"", {"no trials"}}};
  for (const Mistake& mistake : mistakes) {
    const std::string message = refusal(mistake.yaml);
    for (const auto& word : mistake.words) EXPECT_THAT(message, HasSubstr(word)) << mistake.yaml;
    EXPECT_EQ(message.find('\n'), std::string::npos) << message;
  }
}

TEST_F(SweepPlans, APapersFiguresAreOfValuesThatThereAre) {
  const std::string axes = "axes: {model.decoder: [none, gau], optimizer.lr: [1e-2]}\n";
  const SweepPlan plan = load(
      axes + "paper: {source: Table 4, figures: [{model.decoder: gau, optimizer.lr: 0.010, miou: 94.77}]}\n");
  const auto variants = read_paper(plan.paper, {{"model.decoder", {"gau"}}, {"optimizer.lr", {"0.01"}}});
  ASSERT_THAT(variants, SizeIs(1));
  EXPECT_EQ(variants[0].values.at("optimizer.lr"), "0.01");
  EXPECT_EQ(variants[0].figures.at("miou"), 94.77);
  EXPECT_THAT(read_paper(load(axes).paper, {}), SizeIs(0));

  const auto refused = [&](const std::string& figures) {
    return refusal(axes + "paper:\n  source: Table 4\n  figures:\n    - " + figures + "\n");
  };
  EXPECT_THAT(refused("{model.decoder: gua, miou: 1}"),
              HasSubstr("sweep.yaml:6:23: paper: model.decoder has no value 'gua'; did you mean 'gau'?"));
  EXPECT_THAT(refused("{model.decodr: gau, miou: 1}"),
              HasSubstr("sweep.yaml:6:8: paper: 'model.decodr' is neither an axis nor a figure; did you mean "
                        "'model.decoder'?"));
  EXPECT_THAT(refused("{model.decoder: gau, mioo: 1}"), HasSubstr("did you mean 'miou'?"));
  EXPECT_THAT(refused("{model.decoder: gau, miou: high}"),
              HasSubstr("sweep.yaml:6:34: paper: expected a number for miou"));
  EXPECT_THAT(refused("{model.decoder: gau}"),
              HasSubstr("an entry needs the value of an axis, and a figure"));
  EXPECT_THAT(refused("gau"), HasSubstr("paper: expected a map"));
  EXPECT_THAT(refused("{model.decoder: gau, miou: 1}\n    - {model.decoder: gau, miou: 2}"),
              HasSubstr("sweep.yaml:7:7: paper: these values are there twice"));
  EXPECT_THAT(refusal(axes + "paper: {figures: [{model.decoder: gau, miou: 1}]}\n"),
              HasSubstr("need their source"));
  EXPECT_THAT(refusal(axes + "paper: {sorce: x}\n"), HasSubstr("did you mean 'source'?"));
  EXPECT_EQ(load(axes + "paper: {protocol: native}\n").paper.protocol, "native");
  EXPECT_THAT(refusal(axes + "paper: {protocol: clovva}\n"),
              AllOf(HasSubstr("did you mean 'clova'?"), HasSubstr("known: ''")));
}

TEST_F(SweepPlans, ABaseThatIsMissingOrWrongIsRefused) {
  const auto refusal_of = [&](const std::string& yaml) -> std::string {
    write_file(folder_.path() / "sweep.yaml", yaml);
    try {
      SweepPlan::load(folder_.path() / "sweep.yaml");
    } catch (const UserError& error) {
      return error.what();
    }
    return "";
  };
  EXPECT_THAT(refusal_of("axes: {trainer.seed: [1]}\n"), HasSubstr("base: say which configuration"));
  EXPECT_THAT(refusal_of("base: none.yaml\naxes: {trainer.seed: [1]}\n"),
              HasSubstr("sweep.yaml:1:7: base: no file"));
  write_file(folder_.path() / "wrong.yaml", "trainer: {epochs: [\n");
  EXPECT_THAT(refusal_of("base: wrong.yaml\naxes: {trainer.seed: [1]}\n"),
              HasSubstr("wrong.yaml:2:1: not YAML"));
}

TEST_F(SweepPlans, StagesAreVariedTogetherOrByTheirName) {
  write_file(folder_.path() / "base.yaml",
             "trainer: {epochs: 4}\n"
             "stages:\n"
             "  - {name: encoder, model: {name: sinet_encoder}}\n"
             "  - {name: full, init_from: encoder/best, model: {name: sinet}}\n");
  const SweepPlan plan = load("axes: {trainer.seed: [1, 2], stages.full.model.decoder: [none, gau]}\n");
  ASSERT_THAT(plan.trials, SizeIs(4));
  for (const Stage& stage : plan.trials[3].plan.stages) EXPECT_EQ(stage.config.trainer.seed, 2);
  EXPECT_NE(plan.trials[2].plan.stages[1].config.yaml(), plan.trials[3].plan.stages[1].config.yaml());
  EXPECT_EQ(plan.trials[2].plan.stages[0].config.yaml(), plan.trials[3].plan.stages[0].config.yaml());
}

TEST_F(SweepPlans, EarlyStoppingHasItsRungsBelowTheTrialsEpochs) {
  const std::string nine = "axes: {trainer.seed: {from: 1, to: 9, count: 9, integer: true}}\n";
  EXPECT_TRUE(load(nine).early_stopping.rungs.empty());
  const Halving halving = load(nine + "early_stopping: {name: asha, first: 2}\n").early_stopping;
  EXPECT_THAT(halving.rungs, ElementsAre(2, 6));
  EXPECT_EQ(halving.factor, 3);
  EXPECT_EQ(halving.figure, "iou_foreground");
  const Halving other =
      load(nine + "early_stopping: {name: asha, first: 2, factor: 5, figure: boundary_f1_5}\n")
          .early_stopping;
  EXPECT_THAT(other.rungs, ElementsAre(2));
  EXPECT_EQ(other.figure, "boundary_f1_5");
}

TEST_F(SweepPlans, TrialsThatEarlyStoppingCannotCompareAreRefused) {
  const std::string three = "axes: {trainer.seed: [1, 2, 3]}\n", asha = "early_stopping: {name: asha, ";
  const std::vector<std::pair<std::string, std::string>> mistakes = {
      {three + "early_stopping: {name: hyperband}\n", "sweep.yaml:3:24: early_stopping.name: unknown value"},
      {three + "early_stopping: {first: 3}\n", "sweep.yaml:3:25: early_stopping.first: is of {name: asha}"},
      {three + "early_stopping: {name: asha}\n", "sweep.yaml:3:17: early_stopping.first: say after how many"},
      {three + asha + "first: 0}\n", "sweep.yaml:3:37: early_stopping.first: must be at least 1"},
      {three + asha + "first: 3, factor: 1}\n", "early_stopping.factor: must be at least 2"},
      {three + asha + "first: 7}\n", "sweep.yaml:3:37: early_stopping.first: must be below the 7 epochs"},
      {three + asha + "first: 3, figure: miuo}\n",
       "sweep.yaml:3:48: early_stopping.figure: the validation of trainer.seed=1 has no 'miuo'; did you mean "
       "'miou'?"},
      {three + asha + "first: 1}\n", "it takes at least 9 trials for one to be trained to its end, found 3"},
      {"axes: {trainer.epochs: [7, 8]}\n" + asha + "first: 3}\n",
       "sweep.yaml:3:17: early_stopping: needs trials of the same length: trainer.epochs=7 and "
       "trainer.epochs=8 "
       "have 7 and 8 epochs"},
      {"axes: {evaluation.select_by: [miou, iou_foreground]}\n" + asha + "first: 3}\n",
       "they are selected by miou and iou_foreground"},
      {"axes: {data.val_list: [a.txt, b.txt]}\n" + asha + "first: 3}\n", "on other data"},
      {"axes: {evaluation.protocol: [clova, native]}\n" + asha + "first: 3}\n", "by other protocols"}};
  for (const auto& [yaml, words] : mistakes) EXPECT_THAT(refusal(yaml), HasSubstr(words)) << yaml;
}

TEST_F(SweepPlans, NetworksThatTakeTheSameTimeShareAKey) {
  const SweepPlan plan = load(
      "axes: {trainer.seed: [1, 2]}\n"
      "trials: [{optimizer.lr: 0.7}, {trainer.batch_size: 2}, {model.decoder: gau}]\n");
  std::set<std::string> keys;
  for (const Trial& trial : plan.trials) keys.insert(network_key(trial.plan));
  EXPECT_THAT(keys, SizeIs(3));
}

TEST(Makespan, EachWorkerTakesTheNextTrialWhenItIsFree) {
  EXPECT_EQ(makespan({}, 2), 0);
  EXPECT_EQ(makespan({3, 1, 1, 1}, 1), 6);
  EXPECT_EQ(makespan({3, 1, 1, 1}, 2), 3);
  EXPECT_EQ(makespan({1, 1, 3}, 2), 4);
}

}  // namespace
}  // namespace portraitseg
