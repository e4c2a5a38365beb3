#pragma once

#include <cstdint>

namespace portraitseg::kernels {

/// One image's feature map, channels last: the channels of pixel (y, x) begin at data + (y * width + x) * pitch.
/// pitch > channels: a slice of a wider map's channels.
template <class T>
struct Map {
  T* data = nullptr;
  std::int64_t height = 0, width = 0, channels = 0, pitch = 0;
};

/// Arrays with one value a channel, and the output channels of dense weights, are this long: so vectors need no tail there.
/// What lies behind the last channel is 0.
constexpr std::int64_t padded(std::int64_t channels) {
  return (channels + 15) / 16 * 16;
}

/// The rows of the output that a call computes.
struct Rows {
  std::int64_t begin = 0, end = 0;
};

/// Of a convolution, {y, x}.
struct Window {
  std::int64_t kernel[2] = {1, 1}, stride[2] = {1, 1}, padding[2] = {0, 0}, dilation[2] = {1, 1};
};

/// What becomes of a sum before it is written: act(sum + bias + residual_scale * residual), with act(v) = v > 0 ? v : slope * v.
/// What is nullptr is left out. `residual` has the output's height, width and channels, and may be the output itself.
template <class T>
struct Epilogue {
  const T* bias = nullptr;  ///< [padded(channels)]
  const T* residual = nullptr;
  std::int64_t residual_pitch = 0;
  const T* residual_scale = nullptr;  ///< [padded(channels)]; nullptr: 1
  const T* slope = nullptr;           ///< [padded(channels)]; 0 is ReLU
};

/// BatchNorm as it is applied, with the activation behind it: act(scale * x + shift).
template <class T>
struct Normalisation {
  const T* scale = nullptr;  ///< [padded(channels)]
  const T* shift = nullptr;  ///< [padded(channels)]
  const T* slope = nullptr;  ///< [padded(channels)]; nullptr: no activation
};

/// Pixels of a map in LibTorch's own layout: channel c begins at data + c * stride.
template <class T>
struct Planes {
  T* data = nullptr;
  std::int64_t channels = 0, pixels = 0, stride = 0;
};

/// The vector code, all of it single-threaded and for one image. Every `out` is written, never added to, if nothing else is said.
/// Maps never overlap, but for a residual. Callers spread images or rows over threads.
template <class T>
struct Kernels {
  const char* instruction_set;

  // Convolutions. Dense weights are [padded(out) / 16][kernel y][kernel x][in][16], panels of 16 outputs; depthwise ones
  // [kernel y][kernel x][padded(channels)].

  void (*convolve)(Map<const T> in, const T* weight, const Window&, const Epilogue<T>&, Map<T> out, Rows);
  /// out(Y, X) = sum of in(y, x) weight(ky, kx) over Y = y stride - padding + ky dilation, X alike: what ConvTranspose2d does, and
  /// the gradient by a convolution's input, with in and out exchanged in its weight. Of the kernel's rows those lie side by side that
  /// meet the same outputs (whose ky dilation leaves the same when divided by the stride): in the order of their inputs, so the last
  /// one first. Such groups follow each other in the order of their smallest ky; columns alike.
  void (*convolve_transposed)(Map<const T> in, const T* weight, const Window&, const Epilogue<T>&, Map<T> out,
                              Rows);
  /// Adds to weight_gradient [kernel y][kernel x][fine channels][padded(coarse channels)]: sum of fine(y stride - padding + ky dilation, ...)
  /// times coarse(y, x), of these rows of coarse. Of a convolution, fine is its input and coarse the gradient by its output; transposed, the other way round.
  void (*convolve_weight_gradient)(Map<const T> fine, Map<const T> coarse, const Window&, T* weight_gradient,
                                   Rows);

  void (*depthwise)(Map<const T> in, const T* weight, const Window&, const Epilogue<T>&, Map<T> out, Rows);
  void (*depthwise_transposed)(Map<const T> in, const T* weight, const Window&, const Epilogue<T>&,
                               Map<T> out, Rows);
  void (*depthwise_weight_gradient)(Map<const T> fine, Map<const T> coarse, const Window&, T* weight_gradient,
                                    Rows);  ///< adds

  // BatchNorm and activations.

  /// Mean over the pixels and sum of squared differences from it, a channel; two passes. They are joined with those of `before`
  /// other pixels, which are there already.
  void (*moments)(Map<const T> in, std::int64_t before, double* mean, double* squares);
  /// out = act(scale * in + bias + residual_scale * residual); scale nullptr: 1.
  void (*scale_shift)(Map<const T> in, const T* scale, const Epilogue<T>&, Map<T> out, Rows);
  /// Backward of act(scale * x + shift), with d = gradient * (scale * x + shift > 0 ? 1 : slope): adds to sums
  /// [sum of d][sum of d * (x - mean)][sum of gradient * min(scale * x + shift, 0)], each [channels] long; the last, the gradient by
  /// the slope, only needs to be there if it is asked for.
  void (*normalise_sums)(Map<const T> gradient, Map<const T> x, const Normalisation<T>&, const T* mean,
                         bool of_slope, double* sums);
  /// out = scale * d + linear * x + constant (+ residual); linear and constant carry BatchNorm's own gradient: nullptr, 0.
  void (*normalise_gradient)(Map<const T> gradient, Map<const T> x, const Normalisation<T>&, const T* linear,
                             const T* constant, Map<const T> residual, Map<T> out, Rows);

  // Sizes.

  /// Bilinear to out's size, PyTorch's two conventions.
  void (*upsample)(Map<const T> in, bool align_corners, const Epilogue<T>&, Map<T> out, Rows);
  void (*upsample_gradient)(Map<const T> gradient, bool align_corners, Map<T> out);
  /// Windows of size x size, side by side; in's height and width are multiples of size.
  void (*average_pool)(Map<const T> in, std::int64_t size, Map<T> out, Rows);
  void (*average_pool_gradient)(Map<const T> gradient, std::int64_t size, Map<T> out, Rows);

  // The rest.

  void (*channel_means)(Map<const T> in, T* out);  ///< [channels]: over all pixels
  void (*add_channel_values)(Map<const T> in, const T* values, T factor,
                             Map<T> out);                                   ///< in + factor * values[channel]
  void (*multiply_channels)(Map<const T> in, const T* values, Map<T> out);  ///< by values [channels]
  void (*multiply_pixels)(Map<const T> in, Map<const T> values, Map<T> out);  ///< by a map of one channel
  void (*dot_channels)(Map<const T> a, Map<const T> b, T* out);  ///< [channels]: sum of a * b over all pixels
  void (*dot_pixels)(Map<const T> a, Map<const T> b,
                     Map<T> out);  ///< one channel: sum of a * b over the channels
  /// The largest softmax probability over the channels; out has one channel.
  void (*confidence)(Map<const T> in, Map<T> out);
  void (*confidence_gradient)(Map<const T> gradient, Map<const T> in, Map<T> out);
  void (*gather_channels)(Map<const T> in, const std::int32_t* source,
                          Map<T> out);                 ///< out's channel c is in's source[c]
  void (*from_planes)(const T* in, Map<T> out, Rows);  ///< [channels, height, width] to channels last
  void (*to_planes)(Map<const T> in, T* out, Rows);

  // Losses. A gradient has its logits' layout; nullptr: only the value.

  /// Sum of weights[y] * (1 - p[y])^gamma * -log p[y], p = softmax(in), over the pixels whose label y is a channel; gradient is
  /// `scale` times its derivative by `in`, the power taken as a constant.
  double (*softmax_loss)(Planes<const T> in, const std::uint8_t* labels, const T* weights, T gamma, T scale,
                         T* gradient);
  /// Sum of q * log(q / p), p = softmax(in * sharpness), q = softmax(teacher * sharpness) over the channels; gradient is
  /// scale * (p - q). `teacher` has the layout of `in`.
  double (*softmax_divergence)(Planes<const T> in, const T* teacher, T sharpness, T scale, T* gradient);
};

/// The best that this processor can run: AVX-512, AVX2 or what every one of its family has.
template <class T>
const Kernels<T>& best_kernels();

/// All that this processor can run, best first, nullptr behind the last: for tests.
template <class T>
const Kernels<T>* const* all_kernels();

}  // namespace portraitseg::kernels
