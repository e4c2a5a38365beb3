#include <gtest/gtest.h>

#include "nn/kernels/kernels.h"
#include "support/feature_map.h"

namespace portraitseg::kernels {
namespace {

using testing::channel_values;
using testing::EpilogueParts;
using testing::expect_rows;
using testing::FeatureMap;
using testing::for_each_kernels;
using testing::kNear;

struct Case {
  std::int64_t channels, height, width;
  Window window;
};

std::ostream& operator<<(std::ostream& out, const Case& c) {
  const Window& w = c.window;
  return out << c.channels << " x " << c.height << " x " << c.width << ", kernel " << w.kernel[0] << " x "
             << w.kernel[1] << ", stride " << w.stride[0] << ", padding " << w.padding[0] << ' '
             << w.padding[1] << ", dilation " << w.dilation[0] << ' ' << w.dilation[1];
}

Window window(std::int64_t kernel_y, std::int64_t kernel_x, std::int64_t stride, std::int64_t dilation = 1) {
  return {{kernel_y, kernel_x},
          {stride, stride},
          {dilation * (kernel_y - 1) / 2, dilation * (kernel_x - 1) / 2},
          {dilation, dilation}};
}

std::vector<Case> cases() {
  std::vector<Case> list;
  for (const std::int64_t channels : {1, 2, 12, 16, 18, 24, 40}) {
    list.push_back({channels, 7, 7, window(3, 3, 1)});
    list.push_back({channels, 9, 17, window(5, 5, 1)});
    list.push_back({channels, 8, 23, window(3, 3, 2)});
  }
  for (const std::int64_t size : {1, 2, 3, 6, 14, 28}) list.push_back({20, size, size, window(5, 5, 2)});
  for (const std::int64_t dilation : {2, 3, 8}) list.push_back({20, 15, 19, window(3, 3, 1, dilation)});
  for (const std::int64_t kernel : {3, 4, 5, 7, 9, 15}) {
    list.push_back({18, 13, 17, window(kernel, 1, 1)});
    list.push_back({18, 13, 17, window(1, kernel, 1)});
    list.push_back({6, 12, 16, window(1, kernel, 1, 2)});
  }
  list.push_back({8, 12, 15, window(3, 3, 2, 2)});
  list.push_back({8, 12, 15, window(3, 3, 2, 3)});
  list.push_back({8, 13, 16, window(4, 4, 3)});
  list.push_back({8, 13, 16, window(5, 5, 4, 2)});
  list.push_back({24, 10, 11, {{3, 5}, {1, 2}, {0, 4}, {2, 1}}});
  list.push_back({24, 10, 11, {{5, 3}, {2, 1}, {4, 0}, {1, 3}}});
  list.push_back({200, 56, 5, window(5, 5, 1)});
  list.push_back({530, 6, 9, window(3, 3, 2)});
  list.push_back({20, 6, 40, window(3, 3, 1, 3)});
  return list;
}

template <class T>
struct Depthwise {
  Case shape;
  std::int64_t out_height, out_width;
  FeatureMap<T> fine, coarse;
  std::vector<T> weight;

  Depthwise(const Case& of_shape, std::int64_t beside)
      : shape(of_shape),
        out_height(out(0, shape.height)),
        out_width(out(1, shape.width)),
        fine(shape.height, shape.width, shape.channels, beside),
        coarse(out_height, out_width, shape.channels, 2 * beside) {
    const Window& w = shape.window;
    for (std::int64_t tap = 0; tap < w.kernel[0] * w.kernel[1]; ++tap) {
      const auto values = channel_values<T>(shape.channels, static_cast<unsigned>(tap));
      weight.insert(weight.end(), values.begin(), values.end());
    }
  }
  std::int64_t out(int axis, std::int64_t size) const {
    const Window& w = shape.window;
    return (size + 2 * w.padding[axis] - w.dilation[axis] * (w.kernel[axis] - 1) - 1) / w.stride[axis] + 1;
  }
  double weight_at(std::int64_t ky, std::int64_t kx, std::int64_t c) const {
    const std::int64_t tap = ky * shape.window.kernel[1] + kx;
    return static_cast<double>(weight[static_cast<std::size_t>(tap * padded(shape.channels) + c)]);
  }
  std::int64_t fine_position(int axis, std::int64_t coarse_position, std::int64_t k) const {
    const Window& w = shape.window;
    return coarse_position * w.stride[axis] - w.padding[axis] + k * w.dilation[axis];
  }
  /// Calls body(y, x, Y, X, ky, kx): coarse (y, x) and fine (Y, X) meet at this tap; (Y, X) is perhaps outside.
  template <class Body>
  void for_each_tap(Body body) const {
    for (std::int64_t y = 0; y < out_height; ++y) {
      for (std::int64_t x = 0; x < out_width; ++x) {
        for (std::int64_t ky = 0; ky < shape.window.kernel[0]; ++ky) {
          for (std::int64_t kx = 0; kx < shape.window.kernel[1]; ++kx) {
            body(y, x, fine_position(0, y, ky), fine_position(1, x, kx), ky, kx);
          }
        }
      }
    }
  }
};

template <class T>
class DepthwiseKernels : public ::testing::Test {};
using Types = ::testing::Types<float, double>;
TYPED_TEST_SUITE(DepthwiseKernels, Types);

TYPED_TEST(DepthwiseKernels, AreTheSumOverTheWindow) {
  using T = TypeParam;
  unsigned parts = 0;
  for (const Case& shape : cases()) {
    SCOPED_TRACE(::testing::PrintToString(shape));
    Depthwise<T> layer(shape, parts++ % 3);
    layer.fine.randomise(1);
    FeatureMap<double> sum(layer.out_height, layer.out_width, shape.channels);
    sum.fill(0);
    layer.for_each_tap([&](auto y, auto x, auto Y, auto X, auto ky, auto kx) {
      for (std::int64_t c = 0; c < shape.channels; ++c) {
        sum.at(y, x, c) += layer.weight_at(ky, kx, c) * static_cast<double>(layer.fine.padded_at(Y, X, c));
      }
    });
    const EpilogueParts<T> end(layer.out_height, layer.out_width, shape.channels, parts);
    const Rows rows{parts % 2 == 0 ? 0 : layer.out_height / 3, layer.out_height};
    for_each_kernels<T>([&](const Kernels<T>& kernels) {
      FeatureMap<T> out = layer.coarse;
      kernels.depthwise(layer.fine.view(), layer.weight.data(), shape.window, end.epilogue(), out.map(),
                        rows);
      expect_rows(out, rows, [&](auto y, auto x, auto c) { return end(sum.at(y, x, c), y, x, c); });
    });
  }
}

TYPED_TEST(DepthwiseKernels, TransposedAreTheScatteredWindow) {
  using T = TypeParam;
  unsigned parts = 0;
  for (const Case& shape : cases()) {
    SCOPED_TRACE(::testing::PrintToString(shape));
    Depthwise<T> layer(shape, parts++ % 3);
    layer.coarse.randomise(1);
    FeatureMap<double> sum(shape.height, shape.width, shape.channels);
    sum.fill(0);
    layer.for_each_tap([&](auto y, auto x, auto Y, auto X, auto ky, auto kx) {
      if (Y < 0 || Y >= shape.height || X < 0 || X >= shape.width) return;
      for (std::int64_t c = 0; c < shape.channels; ++c) {
        sum.at(Y, X, c) += layer.weight_at(ky, kx, c) * static_cast<double>(layer.coarse.at(y, x, c));
      }
    });
    const EpilogueParts<T> end(shape.height, shape.width, shape.channels, parts);
    const Rows rows{0, parts % 2 == 0 ? shape.height : (shape.height + 1) / 2};
    for_each_kernels<T>([&](const Kernels<T>& kernels) {
      FeatureMap<T> out = layer.fine;
      kernels.depthwise_transposed(layer.coarse.view(), layer.weight.data(), shape.window, end.epilogue(),
                                   out.map(), rows);
      expect_rows(out, rows, [&](auto y, auto x, auto c) { return end(sum.at(y, x, c), y, x, c); });
    });
  }
}

TYPED_TEST(DepthwiseKernels, WeightGradientsAreAdded) {
  using T = TypeParam;
  std::int64_t beside = 0;
  for (const Case& shape : cases()) {
    SCOPED_TRACE(::testing::PrintToString(shape));
    Depthwise<T> layer(shape, beside++ % 3);
    layer.fine.randomise(1);
    layer.coarse.randomise(2);
    std::vector<double> expected(layer.weight.begin(), layer.weight.end());
    layer.for_each_tap([&](auto y, auto x, auto Y, auto X, auto ky, auto kx) {
      for (std::int64_t c = 0; c < shape.channels; ++c) {
        const std::int64_t at = (ky * shape.window.kernel[1] + kx) * padded(shape.channels) + c;
        expected[static_cast<std::size_t>(at)] += static_cast<double>(layer.coarse.at(y, x, c)) *
                                                  static_cast<double>(layer.fine.padded_at(Y, X, c));
      }
    });
    for_each_kernels<T>([&](const Kernels<T>& kernels) {
      std::vector<T> sums = layer.weight;
      const std::int64_t height = layer.coarse.view().height;
      for (const Rows rows : {Rows{0, height / 3}, Rows{height / 3, height}})
        kernels.depthwise_weight_gradient(layer.fine.view(), layer.coarse.view(), shape.window, sums.data(),
                                          rows);
      for (std::size_t i = 0; i < sums.size(); ++i) {
        ASSERT_NEAR(static_cast<double>(sums[i]), expected[i], 10 * kNear<T>) << "weight " << i;
      }
    });
  }
}

TYPED_TEST(DepthwiseKernels, AddToTheirOwnOutput) {
  using T = TypeParam;
  const Case shape{20, 9, 16, window(3, 3, 1)};
  Depthwise<T> layer(shape, 0);
  layer.fine.randomise(1);
  for_each_kernels<T>([&](const Kernels<T>& kernels) {
    FeatureMap<T> plain(9, 16, 20), sum(9, 16, 20);
    kernels.depthwise(layer.fine.view(), layer.weight.data(), shape.window, {}, plain.map(), {0, 9});
    sum.randomise(3);
    const FeatureMap<T> before = sum;
    Epilogue<T> epilogue;
    epilogue.residual = sum.view().data;
    epilogue.residual_pitch = sum.pitch();
    kernels.depthwise(layer.fine.view(), layer.weight.data(), shape.window, epilogue, sum.map(), {0, 9});
    expect_rows(sum, {0, 9}, [&](auto y, auto x, auto c) {
      return static_cast<double>(plain.at(y, x, c)) + static_cast<double>(before.at(y, x, c));
    });
  });
}

}  // namespace
}  // namespace portraitseg::kernels
