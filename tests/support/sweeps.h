#pragma once

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "support/command.h"
#include "support/runs.h"

namespace portraitseg::testing {

/// Axes of twelve trials.
constexpr const char* kTwelveTrials =
    "axes:\n"
    "  model.decoder: [information_blocking, none]\n"
    "  optimizer.lr: {from: 0.01, to: 0.04, count: 2, scale: log}\n"
    "  trainer.seed: [1, 2, 3]\n";

/// A Workplace with sweep.yaml, whose trials train in about a second.
class Sweeps : public ::testing::Test {
 protected:
  void write_sweep(const std::string& axes,
                   const std::string& settings = "trainer.epochs=2, trainer.checkpoint_every=2") const {
    write_bytes(place_ / "sweep.yaml",
                "base: config.yaml\nset: ['preprocessing.size=[32, 32]', " + settings + "]\n" + axes);
  }

  /// Trials of `epochs` epochs that are stopped early.
  void write_halving_sweep(int epochs, const std::string& axes) const {
    write_sweep(axes, "trainer.epochs=" + std::to_string(epochs));
  }

  /// `sweep --config sweep.yaml --output OUTPUT --workers 2 --threads 1`
  Command sweep(const std::string& output, const std::vector<std::string>& more = {}) const {
    std::vector<std::string> arguments = {"sweep",     "--config", "sweep.yaml", "--output", output,
                                          "--workers", "2",        "--threads",  "1"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return place_.command(arguments);
  }
  Command resume(const std::string& output, const std::vector<std::string>& more = {}) const {
    std::vector<std::string> arguments = {"sweep", "--resume", output};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return place_.command(arguments);
  }

  nlohmann::json plan(const std::string& output) const {
    const Ending ending =
        place_.command({"sweep", "plan", "--config", "sweep.yaml", "--output", output, "--json", "-"}).run();
    EXPECT_EQ(ending.exit_code, 0) << ending.err;
    return nlohmann::json::parse(ending.out);
  }

  /// The whole lines of a sweep's journal so far.
  std::vector<nlohmann::json> journal(const std::string& output) const {
    std::string text = bytes_of(place_ / output / "journal.jsonl");
    text.resize(text.rfind('\n') + 1);  // npos + 1 is 0
    std::vector<nlohmann::json> events;
    for (const auto& line : lines_of(text)) events.push_back(nlohmann::json::parse(line));
    return events;
  }

  std::size_t count(const std::string& output, const std::string& event) const {
    const auto events = journal(output);
    return static_cast<std::size_t>(
        std::count_if(events.begin(), events.end(), [&](const auto& e) { return e.at("event") == event; }));
  }

  /// Process ids of the workers that have started and not ended, as far as the journal knows.
  std::vector<pid_t> workers(const std::string& output) const {
    std::map<std::string, pid_t> running;
    for (const auto& event : journal(output)) {
      running.erase(event.at("trial"));
      if (event.at("event") == "started") running[event.at("trial")] = event.at("pid");
    }
    std::vector<pid_t> pids;
    for (const auto& [unused, pid] : running) pids.push_back(pid);
    return pids;
  }

  bool is_training(const std::string& output) const {
    for (const auto& event : journal(output)) {
      if (std::filesystem::exists(place_ / output / "trials" / event.at("trial") /
                                  "checkpoints/last.safetensors"))
        return true;
    }
    return false;
  }

  /// Finished sweeps have the same results, one a trial, and the same run folders.
  void expect_same_trials(const std::string& output, const std::string& expected, std::size_t trials) const {
    EXPECT_EQ(bytes_of(place_ / output / "results.csv"), bytes_of(place_ / expected / "results.csv"));
    EXPECT_EQ(lines_of(bytes_of(place_ / output / "results.csv")).size(), trials + 1);
    std::set<std::string> finished;
    for (const auto& event : journal(output)) {
      EXPECT_EQ(finished.count(event.at("trial")), 0U) << "after its end: " << event;
      if (event.at("event") == "finished") finished.insert(event.at("trial"));
    }
    EXPECT_EQ(finished.size(), trials);
    for (const auto& trial : finished)
      expect_same_run(place_ / output / "trials" / trial, place_ / expected / "trials" / trial);
  }

  /// Whoever went on from a rung was among the best third of those that had reached it before.
  /// @return how many went on
  std::size_t expect_promotions_of_the_best(const std::string& output) const {
    std::map<std::string, std::size_t> position;  // in the sweep: of equal figures the earlier one is better
    const auto trials = plan(output).at("trials");
    for (const auto& trial : trials) position.emplace(trial.at("id").get<std::string>(), position.size());
    std::map<int, std::map<std::string, double>> rungs;
    std::map<std::string, int> at;  // the epoch of the rung that a trial waits at
    std::size_t promotions = 0;
    for (const auto& event : journal(output)) {
      const std::string trial = event.at("trial");
      if (event.at("event") == "rung") {
        at[trial] = event.at("rung").at("epoch").get<int>();
        const auto value = event.at("rung").at("value").get<double>();
        EXPECT_TRUE(rungs[at[trial]].emplace(trial, value).second) << "for the second time: " << event;
      }
      if (event.at("event") != "started" || at.count(trial) == 0) continue;
      const auto& rung = rungs.at(at.at(trial));
      const auto better = std::count_if(rung.begin(), rung.end(), [&](const auto& other) {
        const double own = rung.at(trial);
        return other.second > own || (other.second == own && position.at(other.first) < position.at(trial));
      });
      EXPECT_LT(static_cast<std::size_t>(better), rung.size() / 3) << event;
      at.erase(trial);
      ++promotions;
    }
    return promotions;
  }

  /// Every finished trial is what one call of `train` leaves. @return how many there are
  std::size_t expect_the_bytes_of_trainings_alone(const std::string& output) const {
    std::size_t finished = 0;
    for (const auto& event : journal(output)) {
      if (event.at("event") != "finished") continue;
      const std::string id = event.at("trial");
      const std::filesystem::path trials = std::filesystem::path(output) / "trials";
      if (!std::filesystem::exists(place_ / id)) {
        expect_ends(place_.command({"train", "--config", (trials / (id + ".yaml")).string(), "--output", id,
                                    "--set", "device.threads=1"}),
                    0);
      }
      expect_same_run(place_ / trials / id, place_ / id);
      ++finished;
    }
    return finished;
  }

  void expect_ends(const Command& command, int exit_code) const {
    const Ending ending = command.run();
    EXPECT_EQ(ending.exit_code, exit_code) << ending.err;
  }

  const Workplace place_;
};

/// Waits for the end of a sweep, which may take longer than one training.
inline Ending wait(Process& process) {
  for (int i = 0; i < 4 && process.running(); ++i) process.wait_until([] { return false; });
  return process.wait();
}

}  // namespace portraitseg::testing
