#include "nn/kernels/kernels.h"

#include <algorithm>
#include <numeric>

#include <gtest/gtest.h>

#include "support/feature_map.h"

namespace portraitseg::kernels {
namespace {

using testing::channel_values;
using testing::EpilogueParts;
using testing::expect_rows;
using testing::FeatureMap;
using testing::for_each_kernels;
using testing::kNear;
using testing::set_some_to_zero;

template <class T>
double at(const FeatureMap<T>& map, std::int64_t y, std::int64_t x, std::int64_t c) {
  return static_cast<double>(map.at(y, x, c));
}

template <class T>
double at(const std::vector<T>& values, std::int64_t c) {
  return static_cast<double>(values[static_cast<std::size_t>(c)]);
}

/// Calls body(height, width, channels, beside); the last says how many channels of a wider map lie on either side.
template <class Body>
void for_each_shape(Body body) {
  for (const std::int64_t channels : {1, 2, 3, 8, 12, 16, 18, 24, 27, 48, 96, 300}) {
    for (const std::int64_t beside : {0, 2}) {
      SCOPED_TRACE(::testing::Message() << channels << " channels, " << beside << " beside");
      body(5, 7, channels, beside);
      if (channels < 30) body(31, 33, channels, beside);
    }
  }
  body(1, 1, 2, 0);
  for (const std::int64_t beside : {0, 2})
    body(3, 2, 1100, beside);  // more channels than are summed up together
}

template <class T>
class MapKernels : public ::testing::Test {};
using Types = ::testing::Types<float, double>;
TYPED_TEST_SUITE(MapKernels, Types);

TYPED_TEST(MapKernels, MomentsAreExactFarFromZero) {
  using T = TypeParam;
  for_each_shape([](auto height, auto width, auto channels, auto beside) {
    FeatureMap<T> in(height, width, channels, beside);
    in.randomise(1);
    in.for_each([&](auto y, auto x, auto c) { in.at(y, x, c) += static_cast<T>(100 * (c % 3)); });
    const double count = static_cast<double>(height * width);
    for_each_kernels<T>([&](const Kernels<T>& kernels) {
      std::vector<double> mean(static_cast<std::size_t>(channels) + 1, -1), squares = mean;
      Map<const T> upper = in.view(), lower = in.view();
      upper.height = height / 3;
      lower.data += upper.height * width * upper.pitch;
      lower.height -= upper.height;
      if (upper.height > 0) kernels.moments(upper, 0, mean.data(), squares.data());
      kernels.moments(lower, upper.height * width, mean.data(), squares.data());
      for (std::int64_t c = 0; c < channels; ++c) {
        double sum = 0, expected = 0;
        in.for_each([&](auto y, auto x, auto k) { sum += k == c ? at(in, y, x, c) : 0; });
        in.for_each([&](auto y, auto x, auto k) {
          const double difference = at(in, y, x, c) - sum / count;
          expected += k == c ? difference * difference : 0;
        });
        ASSERT_NEAR(at(mean, c), sum / count, 100 * kNear<T>);
        ASSERT_NEAR(at(squares, c), expected, 2 * kNear<T> * (1 + expected));
      }
      EXPECT_EQ(mean.back(), -1);
      EXPECT_EQ(squares.back(), -1);
    });
  });
}

TYPED_TEST(MapKernels, MomentsOfManyPixelsAreSummedUpInDouble) {
  using T = TypeParam;
  const T value = static_cast<T>(100.1);
  FeatureMap<T> in(280, 280, 8);
  in.fill(value);
  for_each_kernels<T>([&](const Kernels<T>& kernels) {
    std::vector<double> mean(8), squares(8);
    kernels.moments(in.view(), 0, mean.data(), squares.data());
    for (const double of_channel : mean) EXPECT_NEAR(of_channel, static_cast<double>(value), 20 * kNear<T>);
    for (const double of_channel : squares) EXPECT_NEAR(of_channel, 0, 20 * kNear<T>);
  });
}

TYPED_TEST(MapKernels, ScaleShiftAppliesEveryPartOfTheEpilogue) {
  using T = TypeParam;
  unsigned parts = 16;  // so that slices meet slopes of which some are 0
  for_each_shape([&](auto height, auto width, auto channels, auto beside) {
    for (int repeat = 0; repeat < 6; ++repeat, ++parts) {
      FeatureMap<T> in(height, width, channels, beside);
      in.randomise(1);
      const std::vector<T> scale = channel_values<T>(channels, 2);
      const EpilogueParts<T> end(height, width, channels, parts);
      const Rows rows{repeat == 0 ? height / 2 : 0, height};
      for_each_kernels<T>([&](const Kernels<T>& kernels) {
        FeatureMap<T> out(height, width, channels, beside);
        const bool scaled = repeat % 2 == 0;
        kernels.scale_shift(in.view(), scaled ? scale.data() : nullptr, end.epilogue(), out.map(), rows);
        expect_rows(out, rows, [&](auto y, auto x, auto c) {
          return end((scaled ? at(scale, c) : 1) * at(in, y, x, c), y, x, c);
        });
      });
    }
  });
}

TYPED_TEST(MapKernels, ScaleShiftAddsAResidualInItsPlace) {
  using T = TypeParam;
  for_each_shape([&](auto height, auto width, auto channels, auto beside) {
    FeatureMap<T> in(height, width, channels, beside), residual(height, width, channels, beside);
    in.randomise(1);
    residual.randomise(2);
    for_each_kernels<T>([&](const Kernels<T>& kernels) {
      FeatureMap<T> out = residual;
      Epilogue<T> end;
      end.residual = out.map().data;
      end.residual_pitch = out.pitch();
      kernels.scale_shift(in.view(), nullptr, end, out.map(), {0, height});
      in.for_each([&](auto y, auto x, auto c) {
        ASSERT_NEAR(at(out, y, x, c), at(in, y, x, c) + at(residual, y, x, c), kNear<T>);
      });
    });
  });
}

enum class Slopes { kNone, kZero, kAny };

/// act(scale * x + shift) with a gradient by it.
template <class T>
struct Normalised {
  FeatureMap<T> x, gradient;
  std::vector<T> scale, shift, slope;
  bool has_slope;

  Normalised(std::int64_t height, std::int64_t width, std::int64_t channels, std::int64_t beside,
             Slopes slopes)
      : x(height, width, channels, beside),
        gradient(height, width, channels, beside),
        scale(channel_values<T>(channels, 3)),
        shift(channel_values<T>(channels, 4)),
        slope(channel_values<T>(channels, 5)),
        has_slope(slopes != Slopes::kNone) {
    if (slopes == Slopes::kZero) set_some_to_zero(slope);
    x.randomise(6);
    gradient.randomise(7);
  }
  Normalisation<T> normalisation() const {
    return {scale.data(), shift.data(), has_slope ? slope.data() : nullptr};
  }
  double value(std::int64_t y, std::int64_t x_position, std::int64_t c) const {
    return at(scale, c) * at(x, y, x_position, c) + at(shift, c);
  }
  double inner_gradient(std::int64_t y, std::int64_t x_position, std::int64_t c) const {
    const bool negative = has_slope && value(y, x_position, c) < 0;
    return at(gradient, y, x_position, c) * (negative ? at(slope, c) : 1);
  }
};

/// @param of_slope whether the gradient by the slope is asked for; else any value may be there
template <class T>
void expect_normalise_sums(const Normalised<T>& layer, std::int64_t channels, bool of_slope) {
  const std::vector<T> mean = channel_values<T>(channels, 8);
  std::vector<double> expected(static_cast<std::size_t>(3 * channels), 0.5);
  layer.x.for_each([&](auto y, auto x, auto c) {
    const double d = layer.inner_gradient(y, x, c);
    expected[static_cast<std::size_t>(c)] += d;
    expected[static_cast<std::size_t>(channels + c)] += d * (at(layer.x, y, x, c) - at(mean, c));
    expected[static_cast<std::size_t>(2 * channels + c)] +=
        at(layer.gradient, y, x, c) * std::min(layer.value(y, x, c), 0.0);
  });
  expected.resize(static_cast<std::size_t>((of_slope ? 3 : 2) * channels));
  for_each_kernels<T>([&](const Kernels<T>& kernels) {
    std::vector<double> sums(static_cast<std::size_t>(3 * channels), 0.5);
    kernels.normalise_sums(layer.gradient.view(), layer.x.view(), layer.normalisation(), mean.data(),
                           of_slope, sums.data());
    for (std::size_t i = 0; i < expected.size(); ++i) ASSERT_NEAR(sums[i], expected[i], 10 * kNear<T>) << i;
  });
}

TYPED_TEST(MapKernels, NormaliseSumsAddsTheGradientsOfShiftScaleAndSlope) {
  using Layer = Normalised<TypeParam>;
  for_each_shape([&](auto height, auto width, auto channels, auto beside) {
    expect_normalise_sums(Layer(height, width, channels, beside, Slopes::kNone), channels, false);
    expect_normalise_sums(Layer(height, width, channels, beside, Slopes::kZero), channels, false);
    expect_normalise_sums(Layer(height, width, channels, beside, Slopes::kZero), channels, true);
    expect_normalise_sums(Layer(height, width, channels, beside, Slopes::kAny), channels, true);
  });
}

TYPED_TEST(MapKernels, NormaliseGradientIsLinearInTheGradientAndTheInput) {
  using T = TypeParam;
  unsigned parts = 0;
  for_each_shape([&](auto height, auto width, auto channels, auto beside) {
    for (int repeat = 0; repeat < 12; ++repeat, ++parts) {
      const Normalised<T> layer(height, width, channels, beside, static_cast<Slopes>(parts / 4 % 3));
      const std::vector<T> linear = channel_values<T>(channels, 8), constant = channel_values<T>(channels, 9);
      FeatureMap<T> residual(height, width, channels, parts % 2);
      residual.randomise(10);
      const bool bare = (parts & 1) != 0, added = (parts & 2) != 0;
      const Rows rows{height / 3, height};
      for_each_kernels<T>([&](const Kernels<T>& kernels) {
        FeatureMap<T> out(height, width, channels, beside);
        kernels.normalise_gradient(layer.gradient.view(), layer.x.view(), layer.normalisation(),
                                   bare ? nullptr : linear.data(), bare ? nullptr : constant.data(),
                                   added ? residual.view() : Map<const T>{}, out.map(), rows);
        expect_rows(out, rows, [&](auto y, auto x, auto c) {
          const double d = at(layer.scale, c) * layer.inner_gradient(y, x, c);
          const double own = bare ? 0 : at(linear, c) * at(layer.x, y, x, c) + at(constant, c);
          return d + own + (added ? at(residual, y, x, c) : 0);
        });
      });
    }
  });
}

TYPED_TEST(MapKernels, ChannelsMeetTheirValuesAndPixelsTheirs) {
  using T = TypeParam;
  for_each_shape([](auto height, auto width, auto channels, auto beside) {
    FeatureMap<T> in(height, width, channels, beside), pixels(height, width, 1, beside);
    in.randomise(1);
    pixels.randomise(2);
    std::vector<T> values = channel_values<T>(channels, 3);
    values.resize(static_cast<std::size_t>(channels));  // so that a check of memory sees a read behind it
    const Rows all{0, height};
    for_each_kernels<T>([&](const Kernels<T>& kernels) {
      FeatureMap<T> sum(height, width, channels, beside), product = sum, pixel_product = sum;
      kernels.add_channel_values(in.view(), values.data(), T(0.25), sum.map());
      expect_rows(sum, all, [&](auto y, auto x, auto c) { return at(in, y, x, c) + 0.25 * at(values, c); });
      kernels.multiply_channels(in.view(), values.data(), product.map());
      expect_rows(product, all, [&](auto y, auto x, auto c) { return at(in, y, x, c) * at(values, c); });
      kernels.multiply_pixels(in.view(), pixels.view(), pixel_product.map());
      expect_rows(pixel_product, all,
                  [&](auto y, auto x, auto c) { return at(in, y, x, c) * at(pixels, y, x, 0); });
    });
  });
}

TYPED_TEST(MapKernels, SumsOverPixelsAndOverChannels) {
  using T = TypeParam;
  for_each_shape([](auto height, auto width, auto channels, auto beside) {
    FeatureMap<T> a(height, width, channels, beside), b(height, width, channels, 0);
    a.randomise(1);
    b.randomise(2);
    for_each_kernels<T>([&](const Kernels<T>& kernels) {
      std::vector<T> means(static_cast<std::size_t>(channels)), dots = means;
      kernels.channel_means(a.view(), means.data());
      kernels.dot_channels(a.view(), b.view(), dots.data());
      for (std::int64_t c = 0; c < channels; ++c) {
        double sum = 0, dot = 0;
        a.for_each([&](auto y, auto x, auto k) {
          sum += k == c ? at(a, y, x, c) : 0;
          dot += k == c ? at(a, y, x, c) * at(b, y, x, c) : 0;
        });
        ASSERT_NEAR(at(means, c), sum / static_cast<double>(height * width), kNear<T>);
        ASSERT_NEAR(at(dots, c), dot, 10 * kNear<T>);
      }
      FeatureMap<T> out(height, width, 1, beside);
      kernels.dot_pixels(a.view(), b.view(), out.map());
      expect_rows(out, {0, height}, [&](auto y, auto x, auto) {
        double dot = 0;
        for (std::int64_t c = 0; c < channels; ++c) dot += at(a, y, x, c) * at(b, y, x, c);
        return dot;
      });
    });
  });
}

TYPED_TEST(MapKernels, ConfidenceIsTheLargestSoftmaxAndTiesGoToTheFirst) {
  using T = TypeParam;
  for_each_shape([](auto height, auto width, auto channels, auto beside) {
    FeatureMap<T> in(height, width, channels, beside), gradient(height, width, 1, beside);
    in.randomise(1);
    gradient.randomise(2);
    in.for_each([&](auto y, auto x, auto c) {
      in.at(y, x, c) *= 8;
      if (x == 0) in.at(y, x, c) = 90;  // ties
      if (x == 1) in.at(y, x, c) = c == 0 ? -100 : 100;
    });
    const auto probability = [&](auto y, auto x, auto c) {
      double sum = 0;
      for (std::int64_t k = 0; k < channels; ++k) sum += std::exp(at(in, y, x, k) - at(in, y, x, c));
      return 1 / sum;
    };
    const auto largest = [&](auto y, auto x) {
      std::int64_t best = 0;
      for (std::int64_t c = 1; c < channels; ++c) best = in.at(y, x, c) > in.at(y, x, best) ? c : best;
      return best;
    };
    for_each_kernels<T>([&](const Kernels<T>& kernels) {
      FeatureMap<T> out(height, width, 1, beside), back(height, width, channels, beside);
      kernels.confidence(in.view(), out.map());
      expect_rows(out, {0, height}, [&](auto y, auto x, auto) { return probability(y, x, largest(y, x)); });
      kernels.confidence_gradient(gradient.view(), in.view(), back.map());
      expect_rows(back, {0, height}, [&](auto y, auto x, auto c) {
        const double first = c == largest(y, x) ? 1 : 0;
        return at(gradient, y, x, 0) * probability(y, x, largest(y, x)) * (first - probability(y, x, c));
      });
    });
  });
}

TYPED_TEST(MapKernels, ChannelsAreGathered) {
  using T = TypeParam;
  for_each_shape([](auto height, auto width, auto channels, auto beside) {
    FeatureMap<T> in(height, width, channels + 3, beside);
    in.randomise(1);
    std::vector<std::int32_t> source(static_cast<std::size_t>(channels));
    for (std::size_t c = 0; c < source.size(); ++c) {
      source[c] = static_cast<std::int32_t>((c * 7 + 5) % static_cast<std::size_t>(channels + 3));
    }
    for_each_kernels<T>([&](const Kernels<T>& kernels) {
      FeatureMap<T> out(height, width, channels, beside);
      kernels.gather_channels(in.view(), source.data(), out.map());
      expect_rows(out, {0, height},
                  [&](auto y, auto x, auto c) { return at(in, y, x, source[static_cast<std::size_t>(c)]); });
    });
  });
}

TYPED_TEST(MapKernels, PlanesThereAndBack) {
  using T = TypeParam;
  for_each_shape([](auto height, auto width, auto channels, auto beside) {
    std::vector<T> planes(static_cast<std::size_t>(channels * height * width));
    std::iota(planes.begin(), planes.end(), T(1));
    for_each_kernels<T>([&](const Kernels<T>& kernels) {
      const Rows rows{height / 3, height};
      FeatureMap<T> map(height, width, channels, beside);
      kernels.from_planes(planes.data(), map.map(), rows);
      expect_rows(map, rows,
                  [&](auto y, auto x, auto c) { return at(planes, (c * height + y) * width + x); });
      std::vector<T> back(planes.size(), T(-1));
      kernels.to_planes(map.view(), back.data(), rows);
      for (std::int64_t i = 0; i < channels * height * width; ++i) {
        const bool inside = i / width % height >= rows.begin;
        ASSERT_EQ(at(back, i), inside ? at(planes, i) : -1) << i;
      }
    });
  });
}

}  // namespace
}  // namespace portraitseg::kernels
