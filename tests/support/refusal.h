#pragma once

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include <gmock/gmock.h>

#include "support/command.h"

namespace portraitseg::testing {

/// Exit code 2, one line on stderr with the words, nothing on stdout.
inline void expect_refusal(const Workplace& place, const std::vector<std::string>& arguments,
                           const std::vector<std::string>& words) {
  const Ending ending = place.command(arguments).run();
  EXPECT_EQ(ending.exit_code, 2);
  EXPECT_EQ(ending.out, "");
  EXPECT_EQ(lines_of(ending.err).size(), 1U) << ending.err;
  for (const auto& word : words) EXPECT_THAT(ending.err, ::testing::HasSubstr(word));
}

/// The call must be refused: exit code 2, one line on stderr that holds the words, nothing on stdout, and the folder
/// as it was before.
inline void expect_refusal(const Workplace& place, const Command& command,
                           const std::vector<std::string>& words) {
  const auto before = contents(place.path());
  const Ending ending = command.run();
  EXPECT_EQ(ending.exit_code, 2);
  EXPECT_EQ(ending.out, "");
  EXPECT_THAT(ending.err, ::testing::StartsWith("portraitseg: "));
  EXPECT_EQ(std::count(ending.err.begin(), ending.err.end(), '\n'), 1) << ending.err;
  for (const auto& word : words) EXPECT_THAT(ending.err, ::testing::HasSubstr(word));
  const auto after = contents(place.path());
  for (const auto& [name, bytes] : before) {
    const auto now = after.find(name);
    EXPECT_TRUE(now != after.end() && now->second == bytes) << name << " was changed";
  }
  std::string written;
  for (const auto& [name, unused] : after) {
    if (before.count(name) != 0) continue;
    written += " " + name;
    std::filesystem::remove_all(place / name);  // or the next call finds it
  }
  EXPECT_EQ(written, "");
}

}  // namespace portraitseg::testing
