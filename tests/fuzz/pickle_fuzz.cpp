#include <cstdint>
#include <string_view>

#include "portraitseg/core/error.h"
#include "portraitseg/weights/pickle.h"
#include "portraitseg/weights/torch_pickle.h"

#include "allocation_limit.h"

namespace {

/// A tensor of 16 dimensions whose parts are all named by memo takes ten bytes of pickle and 700 in LibTorch. That is the
/// worst file known; those that torch.save writes stay below 3.
constexpr std::size_t kFactor = 80;

template <class Call>
void refuse_or_read(Call&& call) {
  try {
    call();
  } catch (const portraitseg::UserError&) {
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const portraitseg::fuzz::AllocationLimit limit(size, kFactor);
  refuse_or_read([&] { portraitseg::unpickle(bytes, "fuzz"); });
  if (bytes.substr(0, 2) != "PK") refuse_or_read([&] { portraitseg::parse_torch(bytes, "fuzz"); });
  return 0;
}
