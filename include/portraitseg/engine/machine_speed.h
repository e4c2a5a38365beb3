#pragma once

#include <cstdint>

namespace portraitseg {

/// What the cores can do at most; measured in a fraction of a second.
struct MachineSpeed {
  double multiply_adds_per_second = 0;  ///< float32, from registers, of all threads together
  double bytes_per_second = 0;          ///< read and written by a[i] = b[i] + s * c[i] over 256 MiB
};

/// @param threads that compute at once, at least 1
MachineSpeed measure_machine(std::int64_t threads);

}  // namespace portraitseg
