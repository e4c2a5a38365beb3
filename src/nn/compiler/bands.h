#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "nn/compiler/graph.h"

namespace portraitseg::compiler {

/// A step as the bands see it. Memories are named by the node that they are laid out for.
struct Flow {
  struct Read {
    std::size_t input;         ///< of the node
    int memory;                ///< that holds it
    std::vector<int> writers;  ///< the steps of this stage that write it
  };

  int node = -1;
  std::vector<Read> reads;
  int memory = -1;  ///< that is written; -1: a sink
};

/// Consecutive steps that go through their maps together, in so many bands of rows: large maps are read while they are still in
/// the cache.
struct Run {
  int begin = 0, end = 0;  ///< steps
  std::int64_t bands = 1;
};

/// @param band values that a band should go through: steps whose maps have fewer are runs of their own
std::vector<Run> find_runs(const Graph& graph, const std::vector<Flow>& flows, std::int64_t band);

/// What a step does in one band. Of a memory that only this run needs, only some rows are there: its first one lies at its beginning.
struct Part {
  struct Move {
    int memory;
    std::int64_t from, count;  ///< rows that go to its beginning before this part
  };

  int step = -1;
  kernels::Rows rows;                ///< of the output; of what a sink goes through
  std::vector<std::int64_t> inputs;  ///< the first row that is there
  std::int64_t output = 0;           ///< likewise
  std::vector<Move> moves;
};

struct BandPlan {
  std::vector<Part> parts;
  std::map<int, std::int64_t> rows;  ///< that the run's own memories need to have
};

/// @param own the memories that no other run needs
BandPlan plan_bands(const Graph& graph, const std::vector<Flow>& flows, const Run& run,
                    const std::vector<int>& own);

}  // namespace portraitseg::compiler
