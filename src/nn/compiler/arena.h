#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

namespace portraitseg::compiler {

/// Memory that is given out by lifetime: what does not live at the same time may share it.
class Arena {
 public:
  struct Block {
    std::int64_t size, begin, end;  ///< lives from begin to end, both included
  };

  std::int64_t place(const Block& block) {
    std::vector<std::pair<std::int64_t, std::int64_t>> taken;  // offset, end
    for (const auto& [other, offset] : placed_) {
      if (other.begin <= block.end && block.begin <= other.end)
        taken.emplace_back(offset, offset + other.size);
    }
    std::sort(taken.begin(), taken.end());
    std::int64_t offset = 0;
    for (const auto& [begin, end] : taken) {
      if (offset + block.size <= begin) break;
      offset = std::max(offset, end);
    }
    placed_.emplace_back(block, offset);
    size_ = std::max(size_, offset + block.size);
    return offset;
  }

  std::int64_t size() const { return size_; }

 private:
  std::vector<std::pair<Block, std::int64_t>> placed_;
  std::int64_t size_ = 0;
};

}  // namespace portraitseg::compiler
