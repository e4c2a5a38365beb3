#include "nn/kernels/simd.h"
#include "nn/kernels/table.h"

namespace portraitseg::kernels::PORTRAITSEG_ISA {
namespace {

/// Two channels, as the maps of two classes have, read and written as one word: a part of a longer vector would wait for its own
/// last store.
template <class T>
struct Pair {
  typedef T Vector __attribute__((vector_size(2 * sizeof(T))));
  static Vector load(const T* p) {
    Vector v;
    std::memcpy(&v, p, sizeof v);
    return v;
  }
  static void store(T* p, Vector v) { std::memcpy(p, &v, sizeof v); }
};

template <class T, class Body>
void for_each_lanes_or_pair(std::int64_t channels, Body body) {
  if (channels == 2) {
    body(std::int64_t{0}, Pair<T>{});
  } else {
    for_each_lanes<T>(0, channels, body);
  }
}

/// Where an output position lies between two inputs: low * (1 - weight) + high * weight.
template <class T>
struct Source {
  std::int64_t low, high;
  T weight;
};

/// As PyTorch's area_pixel_compute_source_index does, in T.
template <class T>
Source<T> source(std::int64_t position, std::int64_t in, std::int64_t out, bool align_corners) {
  T at = 0;
  if (align_corners) {
    at = out > 1 ? static_cast<T>(in - 1) / static_cast<T>(out - 1) * static_cast<T>(position) : 0;
  } else {
    const T scale = static_cast<T>(in) / static_cast<T>(out);
    at = scale * (static_cast<T>(position) + T(0.5)) - T(0.5);
    if (at < 0) at = 0;
  }
  const std::int64_t floor = static_cast<std::int64_t>(at), low = floor < in ? floor : in - 1;
  return {low, low + 1 < in ? low + 1 : low, at - static_cast<T>(low)};
}

/// Sources of output columns, at most kMost at a time.
template <class T>
struct SourceColumns {
  static constexpr std::int64_t kMost = 256;
  std::int64_t begin, count;
  Source<T> at[kMost];

  SourceColumns(std::int64_t first, std::int64_t in, std::int64_t out, bool align_corners)
      : begin(first), count(out - first < kMost ? out - first : kMost) {
    for (std::int64_t i = 0; i < count; ++i) at[i] = source<T>(first + i, in, out, align_corners);
  }
};

template <class T>
void upsample(Map<const T> in, bool align_corners, const Epilogue<T>& epilogue, Map<T> out, Rows rows) {
  for (std::int64_t begin = 0; begin < out.width; begin += SourceColumns<T>::kMost) {
    const SourceColumns<T> columns(begin, in.width, out.width, align_corners);
    for (std::int64_t y = rows.begin; y < rows.end; ++y) {
      const Source<T> row = source<T>(y, in.height, out.height, align_corners);
      const T* low_row = in.data + row.low * in.width * in.pitch;
      const T* high_row = in.data + row.high * in.width * in.pitch;
      const T down = row.weight;
      const std::int64_t first = y * out.width + begin;
      for_each_lanes_or_pair<T>(out.channels, [&](std::int64_t c, auto lanes) {
        using Vector = decltype(lanes.load(in.data));
        const Vector bias = epilogue.bias ? lanes.load(epilogue.bias + c) : Vector{};
        const Vector scale =
            epilogue.residual_scale ? lanes.load(epilogue.residual_scale + c) : Vector{} + T(1);
        const Vector slope = epilogue.slope ? lanes.load(epilogue.slope + c) : Vector{} + T(1);
        const auto column = [&](std::int64_t x) {  // blended from both rows
          const Vector low = lanes.load(low_row + x * in.pitch + c);
          return low + down * (lanes.load(high_row + x * in.pitch + c) - low);
        };
        const T* residual =
            epilogue.residual ? epilogue.residual + first * epilogue.residual_pitch + c : nullptr;
        T* to = out.data + first * out.pitch + c;
        std::int64_t at = -2;
        Vector low{}, step{};
        Vector high{};
        for (std::int64_t i = 0; i < columns.count; ++i) {
          const Source<T>& from = columns.at[i];
          if (from.low != at) {
            low = from.low == at + 1 ? high : column(from.low);
            high = column(from.high);
            step = high - low;
            at = from.low;
          }
          Vector v = low + from.weight * step + bias;
          if (residual) v += scale * lanes.load(residual + i * epilogue.residual_pitch);
          lanes.store(to + i * out.pitch, v > 0 ? v : slope * v);
        }
      });
    }
  }
}

template <class T>
void clear(Map<T> map) {
  for (std::int64_t pixel = 0; pixel < map.height * map.width; ++pixel) {
    for_each_lanes<T>(0, map.channels, [&](std::int64_t c, auto lanes) {
      lanes.store(map.data + pixel * map.pitch + c, Vec<T>{});
    });
  }
}

template <class T>
void upsample_gradient(Map<const T> gradient, bool align_corners, Map<T> out) {
  clear(out);
  for (std::int64_t begin = 0; begin < gradient.width; begin += SourceColumns<T>::kMost) {
    const SourceColumns<T> columns(begin, out.width, gradient.width, align_corners);
    for (std::int64_t y = 0; y < gradient.height; ++y) {
      const Source<T> row = source<T>(y, out.height, gradient.height, align_corners);
      T* low_row = out.data + row.low * out.width * out.pitch;
      T* high_row = out.data + row.high * out.width * out.pitch;
      const T down = row.weight, up = 1 - down;
      for_each_lanes_or_pair<T>(out.channels, [&](std::int64_t c, auto lanes) {
        using Vector = decltype(lanes.load(out.data));
        const auto add = [&](std::int64_t x, Vector v) {
          T* low = low_row + x * out.pitch + c;
          T* high = high_row + x * out.pitch + c;
          lanes.store(low, lanes.load(low) + up * v);
          lanes.store(high, lanes.load(high) + down * v);
        };
        const T* from = gradient.data + (y * gradient.width + begin) * gradient.pitch + c;
        Source<T> at = columns.at[0];
        Vector low{}, high{};  // what the two columns of `at` got and do not have yet
        for (std::int64_t i = 0; i < columns.count; ++i) {
          const Source<T>& to = columns.at[i];
          if (to.low != at.low) {
            add(at.low, low);
            const bool next = to.low == at.high;
            if (!next) add(at.high, high);
            low = next ? high : Vector{};
            high = Vector{};
            at = to;
          }
          const Vector g = lanes.load(from + i * gradient.pitch), right = to.weight * g;
          low += g - right;
          high += right;
        }
        add(at.low, low);
        add(at.high, high);
      });
    }
  }
}

template <class T>
void average_pool(Map<const T> in, std::int64_t size, Map<T> out, Rows rows) {
  const Vec<T> factor = splat(1 / static_cast<T>(size * size));
  for (std::int64_t y = rows.begin; y < rows.end; ++y) {
    for (std::int64_t x = 0; x < out.width; ++x) {
      const T* window = in.data + (y * size * in.width + x * size) * in.pitch;
      T* to = out.data + (y * out.width + x) * out.pitch;
      for_each_lanes<T>(0, out.channels, [&](std::int64_t c, auto lanes) {
        Vec<T> sum{};
        for (std::int64_t i = 0; i < size; ++i) {
          const T* row = window + i * in.width * in.pitch + c;
          for (std::int64_t j = 0; j < size; ++j) sum += lanes.load(row + j * in.pitch);
        }
        lanes.store(to + c, sum * factor);
      });
    }
  }
}

template <class T>
void average_pool_gradient(Map<const T> gradient, std::int64_t size, Map<T> out, Rows rows) {
  const Vec<T> factor = splat(1 / static_cast<T>(size * size));
  for (std::int64_t y = rows.begin; y < rows.end; ++y) {
    for (std::int64_t x = 0; x < gradient.width; ++x) {
      const T* from = gradient.data + (y / size * gradient.width + x) * gradient.pitch;
      T* to = out.data + (y * out.width + x * size) * out.pitch;
      for_each_lanes<T>(0, out.channels, [&](std::int64_t c, auto lanes) {
        const Vec<T> value = factor * lanes.load(from + c);
        for (std::int64_t j = 0; j < size; ++j) lanes.store(to + j * out.pitch + c, value);
      });
    }
  }
}

}  // namespace

template <class T>
void add_resampling(Kernels<T>& table) {
  table.upsample = upsample<T>;
  table.upsample_gradient = upsample_gradient<T>;
  table.average_pool = average_pool<T>;
  table.average_pool_gradient = average_pool_gradient<T>;
}

template void add_resampling(Kernels<float>&);
template void add_resampling(Kernels<double>&);

}  // namespace portraitseg::kernels::PORTRAITSEG_ISA
