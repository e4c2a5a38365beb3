#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "nn/kernels/kernels.h"

namespace portraitseg::kernels {
namespace {

using std::int64_t;

constexpr int kCanary = 12345;

/// Numbers in [-1, 1), the same ones every time.
class Numbers {
 public:
  double next() {
    state_ = state_ * 6364136223846793005u + 1442695040888963407u;
    return static_cast<double>(state_ >> 40) / (1 << 23) - 1;
  }

 private:
  std::uint64_t state_ = 7;
};

/// A map as a slice of a wider one: `before` channels before and pitch - before - channels behind it are not its own.
template <class T>
struct Field {
  int64_t height, width, channels, before, pitch;
  std::vector<T> values;

  Field(int64_t h, int64_t w, int64_t c, int64_t before_channels, int64_t behind)
      : height(h), width(w), channels(c), before(before_channels), pitch(before + c + behind) {
    // The last pixel ends with its own channels: what is read or written behind them is behind the allocation.
    values.assign(static_cast<std::size_t>(height * width * pitch - behind), T(kCanary));
    values.shrink_to_fit();
  }

  T& at(int64_t y, int64_t x, int64_t c) {
    return values[static_cast<std::size_t>((y * width + x) * pitch + before + c)];
  }
  void fill(Numbers& numbers) {
    for (int64_t i = 0; i < height * width * channels; ++i) {
      at(i / channels / width, i / channels % width, i % channels) = static_cast<T>(numbers.next());
    }
  }
  Map<T> map() { return {values.data() + before, height, width, channels, pitch}; }
  Map<const T> const_map() { return {values.data() + before, height, width, channels, pitch}; }

  void expect_untouched(int64_t first_row, int64_t end_row) {
    for (int64_t i = 0; i < static_cast<int64_t>(values.size()); ++i) {
      const int64_t channel = i % pitch - before, row = i / pitch / width;
      if (channel >= 0 && channel < channels && row >= first_row && row < end_row) continue;
      ASSERT_EQ(values[static_cast<std::size_t>(i)], T(kCanary)) << "row " << row << ", channel " << channel;
    }
  }
};

template <class T>
std::vector<T> padded_values(int64_t channels, Numbers& numbers) {
  std::vector<T> values(static_cast<std::size_t>(padded(channels)), T(0));
  for (int64_t c = 0; c < channels; ++c) values[static_cast<std::size_t>(c)] = static_cast<T>(numbers.next());
  return values;
}

/// Dense weights, or their gradient [kernel y][kernel x][in][padded(out)], whose one panel holds all outputs.
template <class T>
struct Weights {
  int64_t kernel_y, kernel_x, in, out, panel;
  std::vector<T> values;

  Weights(const Window& window, int64_t in_channels, int64_t out_channels, int64_t panel_outputs = 16)
      : kernel_y(window.kernel[0]),
        kernel_x(window.kernel[1]),
        in(in_channels),
        out(out_channels),
        panel(panel_outputs) {
    values.assign(static_cast<std::size_t>(window.kernel[0] * kernel_x * in * padded(out)), T(0));
  }
  T& at(int64_t ky, int64_t kx, int64_t i, int64_t o) {
    const int64_t row = ((o / panel * kernel_y + ky) * kernel_x + kx) * in + i;
    return values[static_cast<std::size_t>(row * panel + o % panel)];
  }
  void fill(const Window& window, Numbers& numbers) {
    for (int64_t i = 0; i < window.kernel[0] * kernel_x * in * out; ++i) {
      at(i / out / in / kernel_x, i / out / in % kernel_x, i / out % in, i % out) =
          static_cast<T>(numbers.next());
    }
  }
};

struct Case {
  int64_t in, out, height, width;  ///< height and width of the input (fine map) of a convolution
  Window window;
};

int64_t coarse_size(const Case& c, int axis) {
  const int64_t fine = axis == 0 ? c.height : c.width;
  return (fine + 2 * c.window.padding[axis] - c.window.dilation[axis] * (c.window.kernel[axis] - 1) - 1) /
             c.window.stride[axis] +
         1;
}

std::string name(const Case& c) {
  const Window& w = c.window;
  const auto pair = [](const int64_t(&v)[2]) { return std::to_string(v[0]) + "," + std::to_string(v[1]); };
  return std::to_string(c.in) + " -> " + std::to_string(c.out) + " at " + std::to_string(c.height) + "x" +
         std::to_string(c.width) + " kernel " + pair(w.kernel) + " stride " + pair(w.stride) + " padding " +
         pair(w.padding) + " dilation " + pair(w.dilation);
}

std::vector<Case> cases() {
  std::vector<Case> cases;
  const int64_t channels[][2] = {{1, 1},   {3, 2},   {12, 16}, {16, 18},  {48, 2},  {5, 1},    {24, 24},
                                 {20, 33}, {7, 48},  {32, 64}, {9, 80},   {96, 4},  {130, 96}, {18, 20},
                                 {40, 7},  {100, 1}, {17, 8},  {19, 112}, {2, 144}, {31, 15},  {4, 240}};
  for (const auto& [in, out] : channels) cases.push_back({in, out, 5, 7, {}});
  cases.push_back({960, 40, 7, 7, {}});
  cases.push_back({16, 112, 20, 23, {}});
  cases.push_back({100, 80, 20, 23, {}});  // weights that exceed the first cache, more than a block of pixels
  cases.push_back({16, 2, 20, 23, {}});
  for (const auto& [in, out] : {std::pair{150, 21}, {200, 16}, {130, 8}})
    cases.push_back({in, out, 5, 7, {}});  // right factors that many tiles share
  cases.push_back({120, 24, 26, 11, {}});  // the same, of more pixels than are copied
  const Window windows[] = {
      {{3, 3}, {1, 1}, {1, 1}, {1, 1}}, {{3, 3}, {2, 2}, {1, 1}, {1, 1}}, {{4, 4}, {2, 2}, {1, 1}, {1, 1}},
      {{1, 1}, {2, 2}, {0, 0}, {1, 1}}, {{3, 3}, {1, 1}, {4, 4}, {4, 4}}, {{5, 1}, {1, 1}, {2, 0}, {1, 1}},
      {{1, 5}, {1, 1}, {0, 2}, {1, 1}}, {{3, 2}, {2, 3}, {0, 1}, {2, 1}}, {{3, 3}, {2, 2}, {2, 2}, {2, 2}},
      {{7, 7}, {3, 2}, {3, 3}, {1, 1}}, {{2, 2}, {3, 3}, {0, 0}, {1, 1}}, {{1, 1}, {1, 1}, {1, 2}, {1, 1}},
      {{1, 1}, {1, 1}, {2, 0}, {1, 1}}, {{3, 3}, {1, 1}, {9, 9}, {9, 9}}, {{3, 3}, {3, 3}, {3, 3}, {2, 4}},
      {{5, 2}, {4, 3}, {2, 1}, {2, 1}}};
  for (const Window& window : windows) {
    for (const auto& [in, out] : {std::pair{3, 12}, {8, 2}, {2, 2}, {5, 1}, {17, 24}, {33, 16}, {6, 40}}) {
      cases.push_back({in, out, 10, 11, window});
    }
  }
  for (const Window& window : {windows[0], windows[1]}) cases.push_back({150, 21, 13, 9, window});
  for (const int i : {0, 1, 2}) {  // rows of several tiles
    for (const auto& [in, out] : {std::pair{2, 8}, {6, 16}, {17, 24}})
      cases.push_back({in, out, 6, 67, windows[i]});
  }
  return cases;
}

/// A part of an epilogue is there where its bit is set.
enum { kBias = 1, kResidual = 2, kScale = 4, kSlope = 8, kResidualIsOut = 16, kIsRelu = 32 };

template <class T>
struct Call {
  Numbers numbers;
  std::vector<T> bias, scale, slope;
  Field<T> in, out, residual;
  int parts;

  Call(int64_t in_channels, int64_t out_channels, const int64_t (&in_size)[2], const int64_t (&out_size)[2],
       bool sliced, int epilogue_parts)
      : bias(padded_values<T>(out_channels, numbers)),
        scale(padded_values<T>(out_channels, numbers)),
        slope(padded_values<T>(out_channels, numbers)),
        in(in_size[0], in_size[1], in_channels, sliced ? 3 : 0, sliced ? 2 : 0),
        out(out_size[0], out_size[1], out_channels, sliced ? 1 : 0, sliced ? 4 : 0),
        residual(out_size[0], out_size[1], out_channels, sliced ? 2 : 0, sliced ? 1 : 0),
        parts(epilogue_parts) {
    in.fill(numbers);
    residual.fill(numbers);
    if (parts & kResidualIsOut) out = residual;
    if (parts & kIsRelu) std::fill(slope.begin(), slope.end(), T(0));
  }

  Epilogue<T> epilogue() {
    Epilogue<T> e;
    if (parts & kBias) e.bias = bias.data();
    if (parts & kResidual) {
      const Map<T> map = parts & kResidualIsOut ? out.map() : residual.map();
      e.residual = map.data;
      e.residual_pitch = map.pitch;
    }
    if (parts & kScale) e.residual_scale = scale.data();
    if (parts & kSlope) e.slope = slope.data();
    return e;
  }

  double finished(double sum, int64_t y, int64_t x, int64_t c) {
    const auto i = static_cast<std::size_t>(c);
    if (parts & kBias) sum += bias[i];
    if (parts & kResidual) sum += (parts & kScale ? double{scale[i]} : 1.) * residual.at(y, x, c);
    if (parts & kSlope && sum <= 0) sum *= slope[i];
    return sum;
  }
};

/// Calls body(fine y, fine x, coarse y, coarse x, kernel y, kernel x) for all that meet.
template <class Body>
void for_each_meeting(const Case& c, const int64_t (&fine)[2], const int64_t (&coarse)[2], Body body) {
  const Window& w = c.window;
  for (int64_t y = 0; y < coarse[0]; ++y) {
    for (int64_t x = 0; x < coarse[1]; ++x) {
      for (int64_t ky = 0; ky < w.kernel[0]; ++ky) {
        for (int64_t kx = 0; kx < w.kernel[1]; ++kx) {
          const int64_t fine_y = y * w.stride[0] - w.padding[0] + ky * w.dilation[0];
          const int64_t fine_x = x * w.stride[1] - w.padding[1] + kx * w.dilation[1];
          if (fine_y < 0 || fine_y >= fine[0] || fine_x < 0 || fine_x >= fine[1]) continue;
          body(fine_y, fine_x, y, x, ky, kx);
        }
      }
    }
  }
}

template <class T>
double tolerance(double products) {
  return (sizeof(T) == 4 ? 1e-6 : 1e-14) * (4 + products);
}

/// Where a row (axis 0) or column of the kernel lies in the weight of a transposed convolution: behind those of other outputs whose
/// first one comes before, and behind those of the same outputs that come after it.
int64_t transposed_place(const Window& window, int axis, int64_t tap) {
  const auto first_alike = [&](int64_t t) {
    int64_t first = 0;
    while ((t - first) * window.dilation[axis] % window.stride[axis] != 0) ++first;
    return first;
  };
  int64_t place = 0;
  for (int64_t other = 0; other < window.kernel[axis]; ++other) {
    const int64_t first = first_alike(other), own = first_alike(tap);
    place += first < own || (first == own && other > tap) ? 1 : 0;
  }
  return place;
}

/// One call of `convolve` or `convolve_transposed` on the rows [begin, end), against plain loops.
template <class T>
void expect_convolution(const Kernels<T>& kernels, const Case& c, bool transposed, bool sliced, int parts,
                        Rows rows) {
  const int64_t fine[2] = {c.height, c.width}, coarse[2] = {coarse_size(c, 0), coarse_size(c, 1)};
  Call<T> call(c.in, c.out, transposed ? coarse : fine, transposed ? fine : coarse, sliced, parts);
  Weights<T> weights(c.window, c.in, c.out);
  weights.fill(c.window, call.numbers);

  std::vector<double> sums(static_cast<std::size_t>(call.out.height * call.out.width * c.out), 0.);
  for_each_meeting(
      c, fine, coarse, [&](int64_t fy, int64_t fx, int64_t cy, int64_t cx, int64_t ky, int64_t kx) {
        const int64_t pixel = transposed ? fy * c.width + fx : cy * coarse[1] + cx;
        const int64_t row = transposed ? transposed_place(c.window, 0, ky) : ky;
        const int64_t column = transposed ? transposed_place(c.window, 1, kx) : kx;
        for (int64_t i = 0; i < c.in; ++i) {
          const double value = transposed ? call.in.at(cy, cx, i) : call.in.at(fy, fx, i);
          for (int64_t o = 0; o < c.out; ++o) {
            sums[static_cast<std::size_t>(pixel * c.out + o)] += value * weights.at(row, column, i, o);
          }
        }
      });

  (transposed ? kernels.convolve_transposed : kernels.convolve)(
      call.in.const_map(), weights.values.data(), c.window, call.epilogue(), call.out.map(), rows);
  const double allowed = tolerance<T>(static_cast<double>(c.window.kernel[0] * c.window.kernel[1] * c.in));
  for (int64_t i = 0; i < static_cast<int64_t>(sums.size()); ++i) {
    const int64_t y = i / c.out / call.out.width, x = i / c.out % call.out.width;
    if (y < rows.begin || y >= rows.end) continue;
    const double expected = call.finished(sums[static_cast<std::size_t>(i)], y, x, i % c.out);
    ASSERT_NEAR(call.out.at(y, x, i % c.out), expected, allowed)
        << "row " << y << ", column " << x << ", channel " << i % c.out;
  }
  if (!(parts & kResidualIsOut)) call.out.expect_untouched(rows.begin, rows.end);
}

template <class T>
void expect_weight_gradient(const Kernels<T>& table, const Case& c, bool sliced) {
  const int64_t fine[2] = {c.height, c.width}, coarse[2] = {coarse_size(c, 0), coarse_size(c, 1)};
  Call<T> call(c.in, c.out, fine, coarse, sliced, 0);
  call.out.fill(call.numbers);
  Weights<T> gradient(c.window, c.in, c.out, padded(c.out)), expected = gradient;
  gradient.fill(c.window, call.numbers);
  std::vector<double> sums(gradient.values.begin(), gradient.values.end());
  for_each_meeting(
      c, fine, coarse, [&](int64_t fy, int64_t fx, int64_t cy, int64_t cx, int64_t ky, int64_t kx) {
        for (int64_t i = 0; i < c.in; ++i) {
          for (int64_t o = 0; o < c.out; ++o) {
            sums[static_cast<std::size_t>(&expected.at(ky, kx, i, o) - expected.values.data())] +=
                double{call.in.at(fy, fx, i)} * call.out.at(cy, cx, o);
          }
        }
      });
  for (const kernels::Rows rows : {kernels::Rows{0, coarse[0] / 3}, kernels::Rows{coarse[0] / 3, coarse[0]}})
    table.convolve_weight_gradient(call.in.const_map(), call.out.const_map(), c.window,
                                   gradient.values.data(), rows);
  const double allowed = tolerance<T>(static_cast<double>(coarse[0] * coarse[1]));
  for (std::size_t i = 0; i < sums.size(); ++i)
    ASSERT_NEAR(gradient.values[i], sums[i], allowed) << "weight " << i;
}

template <class T>
class ConvolutionKernels : public testing::Test {
 public:
  /// Calls body(kernels, case) for every instruction set that this processor has.
  template <class Body>
  void for_each_case(Body body) {
    for (const Kernels<T>* const* kernels = all_kernels<T>(); *kernels; ++kernels) {
      for (const Case& c : cases()) {
        SCOPED_TRACE(std::string((*kernels)->instruction_set) + ": " + name(c));
        body(**kernels, c);
        if (testing::Test::HasFatalFailure()) return;
      }
    }
  }
};

using Types = testing::Types<float, double>;
TYPED_TEST_SUITE(ConvolutionKernels, Types);

TYPED_TEST(ConvolutionKernels, ConvolveEqualsPlainLoops) {
  this->for_each_case([](const Kernels<TypeParam>& kernels, const Case& c) {
    for (const bool sliced : {false, true}) {
      expect_convolution(kernels, c, false, sliced, kBias | kSlope, {0, coarse_size(c, 0)});
    }
  });
}

TYPED_TEST(ConvolutionKernels, ConvolveTransposedEqualsPlainLoops) {
  this->for_each_case([](const Kernels<TypeParam>& kernels, const Case& c) {
    for (const bool sliced : {false, true}) {
      expect_convolution(kernels, c, true, sliced, kBias | kSlope, {0, c.height});
    }
  });
}

TYPED_TEST(ConvolutionKernels, OnlyTheRowsAskedForAreWritten) {
  this->for_each_case([](const Kernels<TypeParam>& kernels, const Case& c) {
    const int64_t height = coarse_size(c, 0);
    for (const Rows rows : {Rows{0, 1}, Rows{1, height}, Rows{height / 2, height / 2 + 1}, Rows{1, 1}}) {
      if (rows.begin < rows.end) expect_convolution(kernels, c, false, true, 0, rows);
    }
    for (const Rows rows : {Rows{0, 1}, Rows{3, 5}, Rows{1, c.height}, Rows{2, 2}}) {
      expect_convolution(kernels, c, true, true, 0, rows);
    }
  });
}

TYPED_TEST(ConvolutionKernels, EveryPartOfAnEpilogueCanBeLeftOut) {
  this->for_each_case([](const Kernels<TypeParam>& kernels, const Case& c) {
    for (int parts = 0; parts < 64; ++parts) {
      if (parts & kResidualIsOut && !(parts & kResidual)) continue;
      if (parts & kIsRelu && !(parts & kSlope)) continue;
      expect_convolution(kernels, c, false, true, parts, {0, coarse_size(c, 0)});
    }
    expect_convolution(kernels, c, true, true, kBias | kResidual | kScale | kSlope | kResidualIsOut,
                       {0, c.height});
  });
}

TYPED_TEST(ConvolutionKernels, WeightGradientEqualsPlainLoops) {
  this->for_each_case([](const Kernels<TypeParam>& kernels, const Case& c) {
    for (const bool sliced : {false, true}) expect_weight_gradient(kernels, c, sliced);
  });
}

}  // namespace
}  // namespace portraitseg::kernels
