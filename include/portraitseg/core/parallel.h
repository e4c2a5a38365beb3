#pragma once

#include <cstdint>
#include <functional>

namespace portraitseg {

/// Splits begin..end among the threads of an operator (device.threads), each part at least `grain` long, and waits for all.
/// Inside of one, on the calling thread alone. The parts depend on the number of threads and on nothing else.
void parallel_for(std::int64_t begin, std::int64_t end, std::int64_t grain,
                  const std::function<void(std::int64_t begin, std::int64_t end)>& body);

/// From now on operators that this thread calls run on it alone: for workers that share the cores with others.
void compute_alone();

}  // namespace portraitseg
