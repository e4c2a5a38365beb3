#pragma once

#include <cstdint>
#include <initializer_list>
#include <vector>

namespace portraitseg {

/// What a random draw is for. Part of the key of every generator, so that two uses never share a stream.
enum class Purpose : std::uint64_t {
  kShuffle = 1,
  kAugment = 2,
  kSynthesize = 3,
  kInitialise = 4,
  kMix = 5,
  kSplit = 6,
  kCompose = 7,
  kResample = 9
};

/// A generator keyed by (seed, key...): the stream depends on nothing else, neither on the thread that draws
/// from it nor on what was drawn before. SplitMix64 (Steele et al. 2014), the same on every platform.
class Random {
 public:
  explicit Random(std::uint64_t seed, Purpose purpose, std::initializer_list<std::uint64_t> key = {});

  std::uint64_t next();                                       ///< 64 uniform bits
  double uniform();                                           ///< in [0, 1)
  double uniform(double low, double high);                    ///< in [low, high)
  std::int64_t integer(std::int64_t low, std::int64_t high);  ///< low..high, both included
  double normal();                                            ///< mean 0, standard deviation 1
  bool chance(double probability);  ///< true with this probability; always draws once

 private:
  std::uint64_t state_;
};

/// 0..n-1 in random order (Fisher-Yates).
std::vector<std::int64_t> permutation(std::int64_t n, Random& random);

}  // namespace portraitseg
