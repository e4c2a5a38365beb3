#pragma once

#include <atomic>
#include <cstddef>
#include <cstdio>
#include <cstdlib>

#include <sanitizer/allocator_interface.h>

namespace portraitseg::fuzz {

/// While it lives, the program aborts as soon as more bytes are held than `factor` times the input's, plus a constant
/// for what does not grow with the file (blocks, tables, messages).
class AllocationLimit {
 public:
  AllocationLimit(std::size_t input, std::size_t factor) {
    static const int installed = __sanitizer_install_malloc_and_free_hooks(allocated, freed);
    if (installed == 0) std::abort();
    live_ = 0;
    limit_ = static_cast<std::ptrdiff_t>(factor * input + kConstant);
  }
  ~AllocationLimit() { limit_ = 0; }
  AllocationLimit(const AllocationLimit&) = delete;
  AllocationLimit& operator=(const AllocationLimit&) = delete;

 private:
  static constexpr std::size_t kConstant = 256 << 10;

  static void allocated(const volatile void*, std::size_t size) {
    const auto live = live_ += static_cast<std::ptrdiff_t>(size);
    const auto limit = limit_.load();
    if (limit == 0 || live <= limit) return;
    limit_ = 0;
    std::fprintf(stderr, "%td bytes held, more than %td\n", live, limit);
    std::abort();
  }
  static void freed(const volatile void* place) {
    if (place != nullptr) live_ -= static_cast<std::ptrdiff_t>(__sanitizer_get_allocated_size(place));
  }

  static inline std::atomic<std::ptrdiff_t> live_ = 0, limit_ = 0;  // 0: no limit
};

}  // namespace portraitseg::fuzz
