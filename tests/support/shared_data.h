#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>

#include <gtest/gtest.h>

#ifndef PORTRAITSEG_SHARED_DIR
#error "define PORTRAITSEG_SHARED_DIR as the folder that holds golden/, data/ and weights/"
#endif

namespace portraitseg::testing {

/// The folder with golden values, data and weights, which are not part of the repository.
inline std::filesystem::path shared_root() {
  const char* chosen = std::getenv("PORTRAITSEG_SHARED");
  return chosen != nullptr ? chosen : PORTRAITSEG_SHARED_DIR;
}

inline std::filesystem::path golden_path(const std::string& file) {
  return shared_root() / "golden" / file;
}

inline bool has_shared_data() {
  return std::filesystem::is_directory(shared_root() / "golden");
}

}  // namespace portraitseg::testing

/// First line of a test that reads shared data.
#define PORTRAITSEG_NEEDS_SHARED_DATA()                                             \
  do {                                                                              \
    if (!::portraitseg::testing::has_shared_data()) {                               \
      GTEST_SKIP() << "no shared data in " << ::portraitseg::testing::shared_root() \
                   << "; set PORTRAITSEG_SHARED";                                   \
    }                                                                               \
  } while (false)
