#include "portraitseg/core/random.h"

#include <cmath>
#include <numeric>
#include <utility>

namespace portraitseg {
namespace {

constexpr std::uint64_t kGolden = 0x9e3779b97f4a7c15ULL;

std::uint64_t mix(std::uint64_t z) {
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
  return z ^ (z >> 31);
}

}  // namespace

Random::Random(std::uint64_t seed, Purpose purpose, std::initializer_list<std::uint64_t> key)
    : state_(mix(seed + kGolden)) {
  state_ = mix(state_ ^ (static_cast<std::uint64_t>(purpose) + kGolden));
  for (const std::uint64_t part : key) state_ = mix(state_ ^ (part + kGolden));
}

std::uint64_t Random::next() {
  state_ += kGolden;
  return mix(state_);
}

double Random::uniform() {
  return static_cast<double>(next() >> 11) * 0x1.0p-53;
}

double Random::uniform(double low, double high) {
  return low + (high - low) * uniform();
}

std::int64_t Random::integer(std::int64_t low, std::int64_t high) {
  const auto count = static_cast<double>(high - low + 1);
  return low + static_cast<std::int64_t>(uniform() * count);
}

double Random::normal() {
  // Box-Muller; 1 - u is in (0, 1], so the logarithm is finite.
  const double radius = std::sqrt(-2.0 * std::log(1.0 - uniform()));
  return radius * std::cos(2.0 * M_PI * uniform());
}

bool Random::chance(double probability) {
  return uniform() < probability;
}

std::vector<std::int64_t> permutation(std::int64_t n, Random& random) {
  std::vector<std::int64_t> order(static_cast<std::size_t>(n));
  std::iota(order.begin(), order.end(), std::int64_t{0});
  for (std::int64_t i = n - 1; i > 0; --i) {
    std::swap(order[static_cast<std::size_t>(i)], order[static_cast<std::size_t>(random.integer(0, i))]);
  }
  return order;
}

}  // namespace portraitseg
