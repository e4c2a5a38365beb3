#include "portraitseg/engine/machine_speed.h"

#include <algorithm>
#include <chrono>
#include <functional>
#include <thread>
#include <vector>

namespace portraitseg {
namespace {

constexpr std::int64_t kRepeats = 5;  // the best counts

/// Twelve sums that do not wait for each other hide the latency, and fit sixteen registers.
constexpr int kSums = 12;

template <int kBytes>
struct FloatsOf {
  typedef float type __attribute__((vector_size(kBytes)));
};

/// Forced inline: it is compiled for the instruction set of whoever calls it.
template <int kBytes>
__attribute__((always_inline)) inline float add_products(std::int64_t rounds, float factor) {
  using Floats = typename FloatsOf<kBytes>::type;
  Floats sums[kSums], factors = Floats{} + factor;
  for (int i = 0; i < kSums; ++i) {  // all different, or the compiler adds up one for all
    for (std::size_t lane = 0; lane < sizeof(Floats) / sizeof(float); ++lane)
      sums[i][lane] = factor * static_cast<float>(i + kSums * static_cast<int>(lane));
  }
  for (std::int64_t round = 0; round < rounds; ++round) {
    for (int i = 0; i < kSums; ++i) sums[i] = sums[i] * factors + factors;
  }
  Floats total = sums[0];
  for (int i = 1; i < kSums; ++i) total += sums[i];
  float all = 0;
  for (std::size_t lane = 0; lane < sizeof(Floats) / sizeof(float); ++lane) all += total[lane];
  return all;
}

struct Products {
  float (*run)(std::int64_t rounds, float factor);
  std::int64_t width;  ///< products a sum and round
};

#if defined(__x86_64__)
__attribute__((target("avx512f,fma"))) float add_products_avx512(std::int64_t rounds, float factor) {
  return add_products<64>(rounds, factor);
}
__attribute__((target("avx2,fma"))) float add_products_avx2(std::int64_t rounds, float factor) {
  return add_products<32>(rounds, factor);
}
#endif
float add_products_plain(std::int64_t rounds, float factor) {
  return add_products<16>(rounds, factor);
}

Products products() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f")) return {add_products_avx512, 16};
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return {add_products_avx2, 8};
#endif
  return {add_products_plain, 4};
}

/// Seconds of `work(thread)` on all threads at once, the best of some repeats.
double best_seconds(std::int64_t threads, const std::function<void(std::int64_t)>& work) {
  double best = 1e30;
  for (std::int64_t repeat = 0; repeat < kRepeats; ++repeat) {
    const auto start = std::chrono::steady_clock::now();
    std::vector<std::thread> others;
    for (std::int64_t i = 1; i < threads; ++i) others.emplace_back(work, i);
    work(0);
    for (auto& thread : others) thread.join();
    best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  return best;
}

double measure_products(std::int64_t threads) {
  constexpr std::int64_t kRounds = 2000000;
  const Products loop = products();
  std::vector<float> totals(static_cast<std::size_t>(threads));  // or the compiler leaves the loop out
  const double seconds = best_seconds(threads, [&](std::int64_t thread) {
    totals[static_cast<std::size_t>(thread)] = loop.run(kRounds, 0.5F);
  });
  return static_cast<double>(threads * kRounds * kSums * loop.width) / seconds;
}

double measure_memory(std::int64_t threads) {
  constexpr std::int64_t kFloats = (256 << 20) / 3 / sizeof(float);  // each of three arrays
  std::vector<float> a(kFloats), b(kFloats, 1), c(kFloats, 2);
  const double seconds = best_seconds(threads, [&](std::int64_t thread) {
    float* const out = a.data();
    const float *const left = b.data(), *const right = c.data();
    const std::int64_t end = kFloats * (thread + 1) / threads;
    for (std::int64_t i = kFloats * thread / threads; i < end; ++i) out[i] = left[i] + 0.5F * right[i];
  });
  return static_cast<double>(3 * kFloats * static_cast<std::int64_t>(sizeof(float))) / seconds;
}

}  // namespace

MachineSpeed measure_machine(std::int64_t threads) {
  return {measure_products(threads), measure_memory(threads)};
}

}  // namespace portraitseg
