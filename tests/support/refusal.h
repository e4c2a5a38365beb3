#pragma once

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

}  // namespace portraitseg::testing
