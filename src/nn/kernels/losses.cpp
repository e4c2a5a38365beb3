#include <cmath>
#include <initializer_list>

#include "nn/kernels/simd.h"
#include "nn/kernels/table.h"

namespace portraitseg::kernels::PORTRAITSEG_ISA {
namespace {

typedef std::int32_t Integers __attribute__((vector_size(kRegisterBytes)));

/// As many values as Vec<T> holds, of other types.
template <class T>
struct LanesOf;
template <>
struct LanesOf<float> {
  typedef double Doubles __attribute__((vector_size(kRegisterBytes * 2)));
  typedef std::uint8_t Bytes __attribute__((vector_size(kRegisterBytes / 4)));
};
template <>
struct LanesOf<double> {
  typedef double Doubles __attribute__((vector_size(kRegisterBytes)));
  typedef std::uint8_t Bytes __attribute__((vector_size(kRegisterBytes / 8)));
};

/// For x <= 0, to 2 units in the last place; below -87 it is 1e-38. Cephes' expf: 2^n times a polynomial of the rest.
inline Vec<float> exponential(Vec<float> x) {
  x = x < -87.0f ? splat(-87.0f) : x;
  constexpr float kRound = 12582912;  // 1.5 * 2^23: adding it leaves no bits for a fraction
  const Vec<float> n = (x * 1.44269504088896341f + kRound) - kRound;
  const Vec<float> r = x - n * 0.693359375f + n * 2.12194440e-4f;
  Vec<float> p = splat(1.9875691500e-4f);
  for (const float c :
       {1.3981999507e-3f, 8.3334519073e-3f, 4.1665795894e-2f, 1.6666665459e-1f, 5.0000001201e-1f})
    p = p * r + c;
  const Integers scale = (__builtin_convertvector(n, Integers) + 127) << 23;
  return (p * r * r + r + 1) * reinterpret_cast<Vec<float>>(scale);
}

/// Of normal positive numbers. Cephes' logf.
inline Vec<float> logarithm(Vec<float> x) {
  // Mantissa in [sqrt(1/2), sqrt(2)): the exponent is read above the bits of sqrt(1/2).
  const Integers bits = reinterpret_cast<Integers>(x) - 0x3f3504f3;
  const Vec<float> exponent = __builtin_convertvector(bits >> 23, Vec<float>);
  const Vec<float> r = reinterpret_cast<Vec<float>>((bits & 0x7fffff) + 0x3f3504f3) - 1;
  Vec<float> p = splat(7.0376836292e-2f);
  for (const float c : {-1.1514610310e-1f, 1.1676998740e-1f, -1.2420140846e-1f, 1.4249322787e-1f,
                        -1.6668057665e-1f, 2.0000714765e-1f, -2.4999993993e-1f, 3.3333331174e-1f})
    p = p * r + c;
  const Vec<float> square = r * r;
  return exponent * 0.693359375f + (r + (p * r * square - exponent * 2.12194440e-4f - square * 0.5f));
}

inline Vec<double> exponential(Vec<double> x) {
  for (int i = 0; i < kLanes<double>; ++i) x[i] = std::exp(x[i]);
  return x;
}

inline Vec<double> logarithm(Vec<double> x) {
  for (int i = 0; i < kLanes<double>; ++i) x[i] = std::log(x[i]);
  return x;
}

template <class T>
inline Vec<T> power(Vec<T> base, T exponent) {
  if (exponent == 0) return splat(T(1));
  if (exponent == 2) return base * base;
  for (int i = 0; i < kLanes<T>; ++i) base[i] = std::pow(base[i], exponent);
  return base;
}

/// Labels as numbers to compare; behind the last one they are 255.
template <class T>
inline Vec<T> load_labels(const std::uint8_t* p, std::int64_t tail) {
  using Bytes = typename LanesOf<T>::Bytes;
  Bytes bytes = Bytes{} + std::uint8_t{255};
  std::memcpy(&bytes, p, static_cast<std::size_t>(tail == 0 ? kLanes<T> : tail));
  return __builtin_convertvector(bytes, Vec<T>);
}

/// Lane by lane in double precision, so that a sum over many pixels loses nothing.
template <class T>
struct Sum {
  using Doubles = typename LanesOf<T>::Doubles;
  Doubles lanes{};

  void add(Vec<T> v) { lanes += __builtin_convertvector(v, Doubles); }
  double total() const {
    double sum = 0;
    for (int i = 0; i < kLanes<T>; ++i) sum += lanes[i];
    return sum;
  }
};

template <class T>
inline Vec<T> largest_channel(const Planes<const T>& in, std::int64_t i, std::int64_t tail) {
  Vec<T> largest = load_tail(in.data + i, tail);
  for (std::int64_t c = 1; c < in.channels; ++c) {
    const Vec<T> v = load_tail(in.data + c * in.stride + i, tail);
    largest = v > largest ? v : largest;
  }
  return largest;
}

template <class T>
double softmax_loss(Planes<const T> in, const std::uint8_t* labels, const T* weights, T gamma, T scale,
                    T* gradient) {
  Sum<T> sum;
  for_each_vector<T>(in.pixels, [&](std::int64_t i, std::int64_t tail) {
    const Vec<T> label = load_labels<T>(labels + i, tail);
    const Vec<T> largest = largest_channel(in, i, tail);
    Vec<T> whole{}, e_label{}, z_label{}, weight{};
    for (std::int64_t c = 0; c < in.channels; ++c) {
      const Vec<T> z = load_tail(in.data + c * in.stride + i, tail) - largest;
      const Vec<T> e = exponential(z);
      const auto hit = label == static_cast<T>(c);
      whole += e;
      e_label = hit ? e : e_label;
      z_label = hit ? z : z_label;
      weight = hit ? splat(weights[c]) : weight;
      if (gradient) store_tail(gradient + c * in.stride + i, e, tail);
    }
    const Vec<T> factor = weight * power<T>(1 - e_label / whole, gamma);
    sum.add(factor * (logarithm(whole) - z_label));
    if (!gradient) return;
    const Vec<T> share = scale * factor / whole;
    for (std::int64_t c = 0; c < in.channels; ++c) {
      T* out = gradient + c * in.stride + i;
      const Vec<T> own = label == static_cast<T>(c) ? scale * factor : Vec<T>{};
      store_tail(out, load_tail<T>(out, tail) * share - own, tail);
    }
  });
  return sum.total();
}

template <class T>
double softmax_divergence(Planes<const T> in, const T* teacher_logits, T sharpness, T scale, T* gradient) {
  const Planes<const T> teacher = {teacher_logits, in.channels, in.pixels, in.stride};
  Sum<T> sum;
  for_each_vector<T>(in.pixels, [&](std::int64_t i, std::int64_t tail) {
    const Vec<T> largest = largest_channel(in, i, tail), largest_q = largest_channel(teacher, i, tail);
    const auto logit = [&](const T* data, std::int64_t c, Vec<T> from) {
      return (load_tail(data + c * in.stride + i, tail) - from) * sharpness;
    };
    Vec<T> whole{}, whole_q{}, difference{};  // sum of e^z, of e^z', of e^z' (z' - z)
    for (std::int64_t c = 0; c < in.channels; ++c) {
      const Vec<T> z = logit(in.data, c, largest), z_q = logit(teacher.data, c, largest_q);
      const Vec<T> e_q = exponential(z_q);
      whole += exponential(z);
      whole_q += e_q;
      difference += e_q * (z_q - z);
    }
    sum.add(difference / whole_q + logarithm(whole) - logarithm(whole_q));
    if (!gradient) return;
    const Vec<T> share = scale / whole, share_q = scale / whole_q;
    for (std::int64_t c = 0; c < in.channels; ++c) {
      const Vec<T> p = exponential(logit(in.data, c, largest)) * share;
      const Vec<T> q = exponential(logit(teacher.data, c, largest_q)) * share_q;
      store_tail(gradient + c * in.stride + i, p - q, tail);
    }
  });
  return sum.total();
}

}  // namespace

template <class T>
void add_losses(Kernels<T>& table) {
  table.softmax_loss = softmax_loss<T>;
  table.softmax_divergence = softmax_divergence<T>;
}

template void add_losses(Kernels<float>&);
template void add_losses(Kernels<double>&);

}  // namespace portraitseg::kernels::PORTRAITSEG_ISA
