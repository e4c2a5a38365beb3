#pragma once

#include <cstdint>
#include <vector>

#include "nn/compiler/graph.h"

namespace portraitseg::compiler {

/// Where a node's map lies, or would if all of its rows were there. Kept maps hold the whole batch, from one stage to another:
/// image n at (offset * images + n * size); scratch is one image's, each thread has its own, and it is lost with the stage.
struct Place {
  bool kept = false;
  std::int64_t offset = 0;   ///< values into the kept or the scratch memory
  std::int64_t size = 0;     ///< values of one image, of the whole memory that it is a part of
  std::int64_t channel = 0;  ///< the first one, in a concatenation
  std::int64_t pitch = 0;    ///< values from pixel to pixel
};

/// Values of the scratch memory that make room for rows to come.
struct Move {
  std::int64_t from = 0, to = 0, count = 0;
};

struct Step {
  int node = -1;
  int part = -1;            ///< which input of the concatenation `node` is copied
  kernels::Rows rows;       ///< of the output; of a sink's input (a weight gradient's coarse one)
  std::vector<Move> moves;  ///< before anything else
  std::vector<Place> in;
  Place out;
};

/// What each thread does image by image, before the next stage begins. At its end BatchNorm's sums of the whole batch are there.
/// Where maps are too large for the cache, steps take turns in bands of rows.
struct Stage {
  std::vector<Step> steps;
  std::int64_t scratch = 0;  ///< values a thread
};

/// The order of work. Whatever reads a map from memory costs as much as computing something cheap from it: so what is cheap
/// (normalising, adding, pooling, a strided depthwise transposed convolution, which is also such a convolution's gradient) is
/// computed anew in each stage that needs it, while it is in the cache, and only the results of other convolutions and what
/// BatchNorm has to see twice stay in memory.
struct Schedule {
  std::vector<Stage> stages;
  std::size_t backward =
      0;  ///< the first stage that needs the outputs' gradients; the number of stages if there are none
  std::int64_t kept = 0;  ///< values an image
};

/// Values of maps that stay in a second-level cache of 1 to 2 MiB beside others.
constexpr std::int64_t kCachedValues = 192 * 1024;

/// @param band values that steps go through in turns, at most
Schedule make_schedule(const Graph& graph, std::int64_t band = kCachedValues);

}  // namespace portraitseg::compiler
