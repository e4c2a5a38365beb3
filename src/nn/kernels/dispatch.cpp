#include "nn/kernels/kernels.h"

namespace portraitseg::kernels {

namespace baseline {
template <class T>
const Kernels<T>& table();
}
#if defined(__x86_64__)
namespace avx2 {
template <class T>
const Kernels<T>& table();
}
namespace avx512 {
template <class T>
const Kernels<T>& table();
}
#endif

template <class T>
const Kernels<T>* const* all_kernels() {
  static const struct List {
    const Kernels<T>* tables[4] = {};
    List() {
      const Kernels<T>** next = tables;
#if defined(__x86_64__)
      __builtin_cpu_init();
      const bool has_avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
      if (has_avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
          __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq")) {
        *next++ = &avx512::table<T>();
      }
      if (has_avx2) *next++ = &avx2::table<T>();
#endif
      *next = &baseline::table<T>();
    }
  } list;
  return list.tables;
}

template <class T>
const Kernels<T>& best_kernels() {
  return *all_kernels<T>()[0];
}

template const Kernels<float>* const* all_kernels();
template const Kernels<double>* const* all_kernels();
template const Kernels<float>& best_kernels();
template const Kernels<double>& best_kernels();

}  // namespace portraitseg::kernels
