#include <cstdint>
#include <string_view>

#include "portraitseg/core/error.h"
#include "portraitseg/weights/torch_pickle.h"
#include "portraitseg/weights/zip.h"

#include "allocation_limit.h"

namespace {

constexpr std::size_t kFactor = 80;  // as in pickle_fuzz.cpp

}  // namespace

/// CRC-32 is not checked in this build (see ZipReader::read).
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const portraitseg::fuzz::AllocationLimit limit(size, kFactor);
  try {
    const portraitseg::ZipReader zip(bytes, "fuzz");
    if (bytes.substr(0, 2) == "PK") portraitseg::parse_torch(bytes, "fuzz");
  } catch (const portraitseg::UserError&) {
  }
  return 0;
}
