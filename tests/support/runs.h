#pragma once

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>

#include "support/command.h"

namespace portraitseg::testing {

inline const std::filesystem::path kLast = "checkpoints/last.safetensors";
inline const std::filesystem::path kBest = "checkpoints/best.safetensors";

inline std::size_t finished_epochs(const std::filesystem::path& run) {
  const std::size_t lines = lines_of(bytes_of(run / "metrics.csv")).size();
  return lines == 0 ? 0 : lines - 1;
}

/// Bit for bit what an uninterrupted training of the same configuration leaves.
inline void expect_same_run(const std::filesystem::path& run, const std::filesystem::path& expected) {
  namespace fs = std::filesystem;
  for (const fs::path& file : {fs::path("config.yaml"), fs::path("metrics.csv"), kLast, kBest}) {
    ASSERT_TRUE(fs::exists(expected / file)) << expected / file;
    EXPECT_TRUE(bytes_of(run / file) == bytes_of(expected / file)) << run / file << " differs";
  }
}

inline void expect_finishes(const Command& command) {
  const Ending ending = command.run();
  EXPECT_EQ(ending.exit_code, 0) << ending.err;
  EXPECT_EQ(ending.signal, 0);
}

/// A moment to interrupt a training: a while after it has finished that many epochs since it was started.
struct Moment {
  std::ptrdiff_t epochs;
  int delay_ms;
};

/// @return false if the training ended before
inline bool reach(Process& training, const Moment& moment) {
  const bool reached = training.wait_until([&] {
    const auto lines = lines_of(training.err());
    const auto has = [&](const char* start) {
      return std::count_if(lines.begin(), lines.end(),
                           [&](const std::string& line) { return line.rfind(start, 0) == 0; });
    };
    return has("run folder ") > 0 && has("epoch ") >= moment.epochs;
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(moment.delay_ms));
  return reached && training.running();
}

/// The training with this signal at each of the moments in turn, resumed after each; at last it runs to its end.
/// @param after looks at each ending
inline void train_with_interruptions(const Workplace& place, const std::string& output,
                                     const std::vector<std::string>& overrides, int signal,
                                     const std::vector<Moment>& moments,
                                     const std::function<void(const Ending&)>& after) {
  for (const Moment& moment : moments) {
    const bool first = !std::filesystem::exists(place / output / "config.yaml");
    Process training = (first ? place.train(output, overrides) : place.resume(output)).start();
    ASSERT_TRUE(reach(training, moment))
        << "ended before " << moment.epochs << " epochs and " << moment.delay_ms << " ms: " << training.err();
    training.send(signal);
    ASSERT_NO_FATAL_FAILURE(after(training.wait()));
  }
  expect_finishes(place.resume(output));
}

}  // namespace portraitseg::testing
