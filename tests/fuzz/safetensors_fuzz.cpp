#include <cstdint>
#include <string_view>

#include "portraitseg/core/error.h"
#include "portraitseg/weights/safetensors.h"

#include "allocation_limit.h"

namespace {

/// A shape of n sizes is 2n bytes of JSON, and two tables of 8n bytes beside the parser's of 16n.
constexpr std::size_t kFactor = 40;

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const portraitseg::fuzz::AllocationLimit limit(size, kFactor);
  try {
    portraitseg::parse_safetensors({reinterpret_cast<const char*>(data), size}, "fuzz");
  } catch (const portraitseg::UserError&) {
  }
  return 0;
}
