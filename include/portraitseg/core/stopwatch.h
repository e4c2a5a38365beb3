#pragma once

#include <chrono>

namespace portraitseg {

inline double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// Runs from its construction on.
class Stopwatch {
 public:
  double seconds() const { return seconds_since(start_); }
  double ms() const { return 1000 * seconds(); }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

}  // namespace portraitseg
