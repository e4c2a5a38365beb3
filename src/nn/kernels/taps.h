#pragma once

// Which values of a convolution's input meet which of its output, axis by axis.

#include <cstdint>

#include "nn/kernels/kernels.h"

namespace portraitseg::kernels::PORTRAITSEG_ISA {

inline std::int64_t smaller(std::int64_t a, std::int64_t b) {
  return a < b ? a : b;
}

inline std::int64_t larger(std::int64_t a, std::int64_t b) {
  return a > b ? a : b;
}

/// Output coordinates first_out + i * out_step < end_out of one axis: their tap t, at first_tap + t in the weight, meets the input's
/// first_in + i * in_step + t * tap_in_step, if that is inside.
struct Axis {
  std::int64_t first_out, end_out, out_step;
  std::int64_t first_in, in_size, in_step;
  std::int64_t first_tap, taps, tap_in_step;
};

inline Axis convolution_axis(const Window& window, int axis, std::int64_t in_size, std::int64_t first_out,
                             std::int64_t end_out) {
  return {first_out,
          end_out,
          1,
          first_out * window.stride[axis] - window.padding[axis],
          in_size,
          window.stride[axis],
          0,
          window.kernel[axis],
          window.dilation[axis]};
}

/// Output coordinates a stride apart meet the same taps, and neighbouring inputs.
inline Axis transposed_axis(const Window& window, int axis, std::int64_t in_size, std::int64_t first_out,
                            std::int64_t end_out) {
  const std::int64_t stride = window.stride[axis], dilation = window.dilation[axis],
                     kernel = window.kernel[axis];
  const std::int64_t position = first_out + window.padding[axis];
  std::int64_t apart = 1;  // of what meets the same outputs
  while (apart * dilation % stride != 0) ++apart;
  const auto taps_from = [&](std::int64_t first) { return larger((kernel - first + apart - 1) / apart, 0); };
  std::int64_t first = 0, before = 0;
  while (first < kernel && (position - first * dilation) % stride != 0) before += taps_from(first++);
  const std::int64_t taps = taps_from(first), last = first + (taps - 1) * apart;
  return {first_out,
          end_out,
          stride,
          (position - last * dilation) / stride,
          in_size,
          1,
          before,
          taps,
          apart * dilation / stride};
}

/// Neighbours of an axis that meet the same taps: first_tap to end_tap of the axis' `taps`.
struct Run {
  std::int64_t first, count, first_tap, end_tap;
};

inline Run run_from(const Axis& axis, std::int64_t first) {
  const auto taps_of = [&](std::int64_t i) {
    const auto is_outside = [&](std::int64_t tap) {
      const std::int64_t in = axis.first_in + i * axis.in_step + tap * axis.tap_in_step;
      return in < 0 || in >= axis.in_size;
    };
    Run run{i, 1, 0, axis.taps};
    while (run.first_tap < run.end_tap && is_outside(run.first_tap)) ++run.first_tap;
    while (run.first_tap < run.end_tap && is_outside(run.end_tap - 1)) --run.end_tap;
    return run;
  };
  Run run = taps_of(first);
  for (std::int64_t i = first + 1; axis.first_out + i * axis.out_step < axis.end_out; ++i) {
    const Run next = taps_of(i);
    if (next.first_tap != run.first_tap || next.end_tap != run.end_tap) break;
    ++run.count;
  }
  return run;
}

template <class Body>
void for_each_run(const Axis& axis, Body body) {
  for (std::int64_t i = 0; axis.first_out + i * axis.out_step < axis.end_out;) {
    const Run run = run_from(axis, i);
    body(run);
    i += run.count;
  }
}

/// The output coordinates whose tap `tap` is inside.
inline Run run_of_tap(const Axis& axis, std::int64_t tap) {
  const std::int64_t in = axis.first_in + tap * axis.tap_in_step;
  const std::int64_t first = in >= 0 ? 0 : (-in + axis.in_step - 1) / axis.in_step;
  const std::int64_t end = in >= axis.in_size ? 0 : (axis.in_size - 1 - in) / axis.in_step + 1;
  const std::int64_t count = (axis.end_out - axis.first_out + axis.out_step - 1) / axis.out_step;
  return {first, larger(smaller(end, count) - first, 0), tap, tap + 1};
}

}  // namespace portraitseg::kernels::PORTRAITSEG_ISA
