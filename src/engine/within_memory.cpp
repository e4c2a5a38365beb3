#include "portraitseg/engine/within_memory.h"

#include <string>

#include "portraitseg/core/error.h"
#include "portraitseg/core/libtorch.h"

namespace portraitseg {

void within_memory(torch::IntArrayRef sizes, const std::function<void()>& work) {
  try {
    work();
  } catch (const std::exception& error) {
    if (!is_out_of_memory(error)) throw;
    throw UserError("out of memory with batches of " + std::to_string(sizes[0]) + " images of " +
                    std::to_string(sizes[2]) + "x" + std::to_string(sizes[3]) +
                    "; make trainer.batch_size or preprocessing.size smaller");
  }
}

}  // namespace portraitseg
