#pragma once

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "support/command.h"

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
  void write_sweep(const std::string& axes) const {
    write_bytes(place_ / "sweep.yaml",
                "base: config.yaml\n"
                "set: [trainer.epochs=2, 'preprocessing.size=[32, 32]', trainer.checkpoint_every=2]\n" +
                    axes);
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
    for (const auto& trial : finished) {
      for (const char* file :
           {"config.yaml", "metrics.csv", "checkpoints/last.safetensors", "checkpoints/best.safetensors"}) {
        const std::filesystem::path name = std::filesystem::path("trials") / trial / file;
        ASSERT_TRUE(std::filesystem::exists(place_ / expected / name)) << name;
        EXPECT_TRUE(bytes_of(place_ / output / name) == bytes_of(place_ / expected / name))
            << name << " differs";
      }
    }
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
