#include "portraitseg/core/parallel.h"

#include <ATen/Parallel.h>
#include <omp.h>

#ifndef _OPENMP
#error "LibTorch's parallel loops run on one thread where a file is compiled without OpenMP"
#endif

namespace portraitseg {

void parallel_for(std::int64_t begin, std::int64_t end, std::int64_t grain,
                  const std::function<void(std::int64_t begin, std::int64_t end)>& body) {
  at::parallel_for(begin, end, grain, body);
}

void compute_alone() {
  at::get_num_threads();  // LibTorch sets a thread's number at its first call, and not again
  omp_set_num_threads(1);
}

}  // namespace portraitseg
