#pragma once

#include <cstddef>
#include <cstdlib>
#include <memory>
#include <new>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace portraitseg::compiler {

/// Memory for a std::vector that begins with a cache line: no vector of weights lies in two of them.
template <class T>
struct CacheLines {
  using value_type = T;
  static constexpr std::align_val_t kLine{64};

  CacheLines() = default;
  template <class U>
  CacheLines(const CacheLines<U>&) {}

  T* allocate(std::size_t count) { return static_cast<T*>(::operator new(count * sizeof(T), kLine)); }
  void deallocate(T* values, std::size_t) { ::operator delete(values, kLine); }
  bool operator==(const CacheLines&) const { return true; }
  bool operator!=(const CacheLines&) const { return false; }
};

/// Values without a beginning, in huge pages where the system has them: maps are read in rows of kilobytes, and with pages of
/// 4 KiB the processor spends its time on looking up where they are.
template <class T>
class Memory {
 public:
  void resize(std::size_t count) {
    constexpr std::size_t kHugePage = std::size_t{2} << 20;
    const std::size_t bytes = (count * sizeof(T) + kHugePage - 1) / kHugePage * kHugePage;
    values_.reset(static_cast<T*>(bytes == 0 ? nullptr : std::aligned_alloc(kHugePage, bytes)));
    if (bytes > 0 && !values_) throw std::bad_alloc();
#if defined(__linux__)
    if (bytes > 0) ::madvise(values_.get(), bytes, MADV_HUGEPAGE);
#endif
    size_ = count;
  }

  T* data() const {
    return values_.get();
  }
  std::size_t size() const {
    return size_;
  }

 private:
  struct Free {
    void operator()(T* values) const { std::free(values); }
  };
  std::unique_ptr<T, Free> values_;
  std::size_t size_ = 0;
};

}  // namespace portraitseg::compiler
