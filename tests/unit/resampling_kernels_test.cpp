#include <gtest/gtest.h>

#include "nn/kernels/kernels.h"
#include "support/feature_map.h"

namespace portraitseg::kernels {
namespace {

using testing::dot;
using testing::EpilogueParts;
using testing::expect_rows;
using testing::FeatureMap;
using testing::for_each_kernels;
using testing::kNear;

struct Case {
  std::int64_t channels, in_height, in_width, out_height, out_width;
};

constexpr Case kCases[] = {
    {2, 7, 7, 28, 28},     {2, 14, 14, 28, 28},    {2, 28, 28, 56, 56},  {2, 9, 30, 18, 60},
    {2, 56, 56, 112, 112}, {48, 7, 7, 14, 14},     {24, 14, 14, 56, 56}, {18, 5, 9, 11, 13},
    {3, 16, 300, 8, 150},  {3, 11, 150, 13, 301},  {1, 2, 600, 3, 601},  {2, 1, 1, 4, 4},
    {5, 4, 4, 1, 1},       {2, 300, 17, 10, 1000}, {2, 6, 8, 6, 8},      {2, 1, 5, 3, 7}};

/// Between which inputs an output lies, and how far; as the formulas of PyTorch's documentation have it.
struct Position {
  std::int64_t low, high;
  double weight;
};
Position position(std::int64_t i, std::int64_t in, std::int64_t out, bool align_corners) {
  double at = 0;
  if (align_corners) {
    at = out == 1 ? 0 : static_cast<double>(i * (in - 1)) / static_cast<double>(out - 1);
  } else {
    at = std::max(0.0,
                  (static_cast<double>(i) + 0.5) * static_cast<double>(in) / static_cast<double>(out) - 0.5);
  }
  const auto low = std::min(static_cast<std::int64_t>(at), in - 1);
  return {low, std::min(low + 1, in - 1), at - static_cast<double>(low)};
}

template <class T>
class ResamplingKernels : public ::testing::Test {};
using Types = ::testing::Types<float, double>;
TYPED_TEST_SUITE(ResamplingKernels, Types);

TYPED_TEST(ResamplingKernels, UpsampleIsBilinearInBothConventions) {
  using T = TypeParam;
  unsigned parts = 0;
  for (const Case& c : kCases) {
    for (const bool align_corners : {false, true}) {
      for (const std::int64_t beside : {0, 3}) {
        ++parts;
        SCOPED_TRACE(::testing::Message()
                     << c.channels << ": " << c.in_height << " x " << c.in_width << " to " << c.out_height
                     << " x " << c.out_width << ", align " << align_corners);
        FeatureMap<T> in(c.in_height, c.in_width, c.channels, beside);
        in.randomise(1);
        const EpilogueParts<T> end(c.out_height, c.out_width, c.channels, parts % 5 == 0 ? parts : 0);
        const Rows rows{parts % 4 == 0 ? c.out_height / 2 : 0, c.out_height};
        for_each_kernels<T>([&](const Kernels<T>& kernels) {
          FeatureMap<T> out(c.out_height, c.out_width, c.channels, beside);
          kernels.upsample(in.view(), align_corners, end.epilogue(), out.map(), rows);
          const auto expected = [&](auto y, auto x, auto channel) {
            const Position py = position(y, c.in_height, c.out_height, align_corners);
            const Position px = position(x, c.in_width, c.out_width, align_corners);
            const auto row = [&](std::int64_t from) {
              return (1 - px.weight) * static_cast<double>(in.at(from, px.low, channel)) +
                     px.weight * static_cast<double>(in.at(from, px.high, channel));
            };
            return end((1 - py.weight) * row(py.low) + py.weight * row(py.high), y, x, channel);
          };
          expect_rows(out, rows, expected, 10);  // positions round in T
        });
      }
    }
  }
}

TYPED_TEST(ResamplingKernels, UpsampleGradientIsTheAdjoint) {
  using T = TypeParam;
  for (const Case& c : kCases) {
    for (const bool align_corners : {false, true}) {
      for (const std::int64_t beside : {0, 3}) {
        SCOPED_TRACE(::testing::Message()
                     << c.channels << ": " << c.in_height << " x " << c.in_width << " to " << c.out_height
                     << " x " << c.out_width << ", align " << align_corners);
        FeatureMap<T> in(c.in_height, c.in_width, c.channels),
            gradient(c.out_height, c.out_width, c.channels, beside);
        in.randomise(1);
        gradient.randomise(2);
        FeatureMap<double> expected(c.in_height, c.in_width, c.channels);
        expected.fill(0);
        gradient.for_each([&](auto y, auto x, auto channel) {
          const Position py = position(y, c.in_height, c.out_height, align_corners);
          const Position px = position(x, c.in_width, c.out_width, align_corners);
          const double g = static_cast<double>(gradient.at(y, x, channel));
          expected.at(py.low, px.low, channel) += g * (1 - py.weight) * (1 - px.weight);
          expected.at(py.low, px.high, channel) += g * (1 - py.weight) * px.weight;
          expected.at(py.high, px.low, channel) += g * py.weight * (1 - px.weight);
          expected.at(py.high, px.high, channel) += g * py.weight * px.weight;
        });
        for_each_kernels<T>([&](const Kernels<T>& kernels) {
          FeatureMap<T> back(c.in_height, c.in_width, c.channels, 2 * beside),
              out(c.out_height, c.out_width, c.channels);
          kernels.upsample_gradient(gradient.view(), align_corners, back.map());
          expect_rows(
              back, {0, c.in_height}, [&](auto y, auto x, auto k) { return expected.at(y, x, k); }, 30);
          kernels.upsample(in.view(), align_corners, {}, out.map(), {0, c.out_height});
          const double forward = dot(out, gradient), backward = dot(in, back);
          EXPECT_NEAR(forward, backward, 100 * kNear<T> * (1 + std::abs(forward)));
        });
      }
    }
  }
}

TYPED_TEST(ResamplingKernels, AveragePoolAndItsGradient) {
  using T = TypeParam;
  for (const std::int64_t channels : {1, 2, 12, 16, 24, 48}) {
    for (const std::int64_t size : {2, 3, 4}) {
      SCOPED_TRACE(::testing::Message() << channels << " channels, size " << size);
      FeatureMap<T> in(5 * size, 7 * size, channels, size - 2), gradient(5, 7, channels, 4 - size);
      in.randomise(1);
      gradient.randomise(2);
      for_each_kernels<T>([&](const Kernels<T>& kernels) {
        FeatureMap<T> out(5, 7, channels, 1), back(5 * size, 7 * size, channels, 1);
        kernels.average_pool(in.view(), size, out.map(), {1, 5});
        expect_rows(out, {1, 5}, [&](auto y, auto x, auto c) {
          double sum = 0;
          for (std::int64_t i = 0; i < size * size; ++i) {
            sum += static_cast<double>(in.at(y * size + i / size, x * size + i % size, c));
          }
          return sum / static_cast<double>(size * size);
        });
        const Rows rows{3, 5 * size - 1};
        kernels.average_pool_gradient(gradient.view(), size, back.map(), rows);
        expect_rows(back, rows, [&](auto y, auto x, auto c) {
          return static_cast<double>(gradient.at(y / size, x / size, c)) / static_cast<double>(size * size);
        });
      });
    }
  }
}

}  // namespace
}  // namespace portraitseg::kernels
