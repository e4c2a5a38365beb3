#include "portraitseg/core/parallel.h"

#include <ATen/Parallel.h>

#ifndef _OPENMP
#error "LibTorch's parallel loops run on one thread where a file is compiled without OpenMP"
#endif

namespace portraitseg {

void parallel_for(std::int64_t begin, std::int64_t end, std::int64_t grain,
                  const std::function<void(std::int64_t begin, std::int64_t end)>& body) {
  at::parallel_for(begin, end, grain, body);
}

}  // namespace portraitseg
