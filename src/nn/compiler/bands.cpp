#include "nn/compiler/bands.h"

#include <algorithm>
#include <cmath>
#include <set>

namespace portraitseg::compiler {
namespace {

using kernels::Rows;

constexpr std::int64_t kFewestRows = 4;        ///< of a band, of the largest map
constexpr std::int64_t kMapsOverWeights = 16;  ///< weights are read again for each band

std::int64_t size_of(const Shape& shape) {
  return shape.height * shape.width * shape.channels;
}

/// The shape that a step goes through, row by row.
const Shape& shape_of(const Graph& graph, const Node& node) {
  if (node.op == Op::kWeightGradient) return graph.shape(node.inputs[1]);  // coarse
  return is_sink(node.op) ? graph.shape(node.inputs[0]) : node.shape;
}

/// Whether it pays, and is possible, to do a step in bands.
bool goes_by_rows(const Graph& graph, const Flow& flow, std::int64_t band) {
  const Node& node = graph.at(flow.node);
  switch (node.op) {
    case Op::kUpsampleGradient:
    case Op::kMean:
    case Op::kSpreadMean:
    case Op::kDotChannels:
    case Op::kMultiplyChannels:
      return false;
    default:
      break;
  }
  std::int64_t maps = is_sink(node.op) ? 0 : size_of(node.shape), weights = 0;
  for (const auto& read : flow.reads) maps += size_of(graph.shape(node.inputs[read.input]));
  if (node.weight)
    weights = taps(node) * static_cast<std::int64_t>(node.weight->first.size() *
                                                     std::max<std::size_t>(1, node.weight->second.size()));
  return maps >= band && maps >= kMapsOverWeights * weights;
}

/// Rows of the finer map that a window at these rows of the coarser one covers.
Rows covered(const kernels::Window& window, Rows rows) {
  return {rows.begin * window.stride[0] - window.padding[0],
          (rows.end - 1) * window.stride[0] - window.padding[0] +
              (window.kernel[0] - 1) * window.dilation[0] + 1};
}

std::int64_t floor_quotient(std::int64_t a, std::int64_t b) {
  return a >= 0 ? a / b : -((-a + b - 1) / b);
}

/// Rows of the coarser map whose windows meet these of the finer one.
Rows meeting(const kernels::Window& window, Rows rows) {
  const std::int64_t reach = (window.kernel[0] - 1) * window.dilation[0];
  return {floor_quotient(rows.begin + window.padding[0] - reach, window.stride[0]),
          floor_quotient(rows.end - 1 + window.padding[0], window.stride[0]) + 1};
}

/// Rows that bilinear up-sampling from `in` to `out` rows reads, and one more on both sides: kernels round otherwise.
Rows blended(std::int64_t in, std::int64_t out, bool align_corners, Rows rows) {
  const auto source = [&](std::int64_t row) {
    const auto at = static_cast<double>(row), last = static_cast<double>(out - 1);
    if (align_corners) return out > 1 ? at / last * static_cast<double>(in - 1) : 0.0;
    return (at + 0.5) * static_cast<double>(in) / static_cast<double>(out) - 0.5;
  };
  return {static_cast<std::int64_t>(std::floor(source(rows.begin))) - 1,
          static_cast<std::int64_t>(std::floor(source(rows.end - 1))) + 3};
}

/// Rows of an input that these rows of a step need.
Rows rows_read(const Graph& graph, const Node& node, std::size_t input, Rows rows) {
  const bool is_residual = node.residual >= 0 && input + 1 == node.inputs.size();
  const std::int64_t height = graph.shape(node.inputs[input]).height;
  Rows read = rows;
  if (is_residual) return read;
  switch (node.op) {
    case Op::kConvolve:
    case Op::kDepthwise:
      read = covered(node.window, rows);
      break;
    case Op::kWeightGradient:
      if (input == 0) read = covered(node.window, rows);
      break;
    case Op::kConvolveTransposed:
    case Op::kDepthwiseTransposed:
      read = meeting(node.window, rows);
      break;
    case Op::kPool:
      read = {rows.begin * node.size, rows.end * node.size};
      break;
    case Op::kPoolGradient:
      read = {rows.begin / node.size, (rows.end - 1) / node.size + 1};
      break;
    case Op::kUpsample:
      read = blended(height, node.shape.height, node.align_corners, rows);
      break;
    default:
      break;
  }
  return {std::max<std::int64_t>(0, std::min(read.begin, height)), std::min(read.end, height)};
}

/// Cuts a stage's steps into runs: as long ones as bands of kFewestRows allow, and between them as little as may be.
class RunFinder {
 public:
  RunFinder(const Graph& graph, const std::vector<Flow>& flows, std::int64_t band)
      : graph_(graph), flows_(flows), band_(band) {
    for (const Flow& flow : flows) in_bands_.push_back(goes_by_rows(graph, flow, band));
    find_crossing();
  }

  std::vector<Run> find() const {
    std::vector<Run> runs;
    const auto count = static_cast<int>(flows_.size());
    for (int begin = 0; begin < count; begin = runs.back().end) {
      Run run{begin, begin + 1, 1};
      while (run.end < count && in_bands(begin) && in_bands(run.end) && fits({begin, run.end + 1})) ++run.end;
      const bool is_cut = run.end < count && in_bands(begin) && in_bands(run.end);
      if (is_cut) run.end = narrowest(begin, run.end);
      if (run.end - begin > 1)
        run.bands = std::max<std::int64_t>(1, (traffic(run).values + band_ - 1) / band_);
      runs.push_back(run);
    }
    return runs;
  }

 private:
  bool in_bands(int step) const { return in_bands_[static_cast<std::size_t>(step)]; }

  /// What a run has to do with memory.
  struct Traffic {
    std::int64_t values = 0;  ///< written, or read from outside
    std::int64_t height = 0;  ///< of the tallest map
  };

  Traffic traffic(const Run& run) const {
    Traffic sum;
    const auto add = [&](int id, bool counts) {
      if (counts) sum.values += size_of(graph_.shape(id));
      sum.height = std::max(sum.height, graph_.shape(id).height);
    };
    for (int step = run.begin; step < run.end; ++step) {
      const Flow& flow = flows_[static_cast<std::size_t>(step)];
      if (flow.memory >= 0) add(flow.node, true);
      for (const auto& read : flow.reads) {
        const bool is_from_run = !read.writers.empty() && read.writers.back() >= run.begin;
        add(graph_.at(flow.node).inputs[read.input], !is_from_run);
      }
    }
    return sum;
  }

  bool fits(const Run& run) const {
    const Traffic all = traffic(run);
    return all.values <= all.height / kFewestRows * band_;
  }

  /// Where the least is written before and read behind, the last of such places.
  int narrowest(int begin, int end) const {
    int best = end;
    for (int cut = end; cut > begin + 1; --cut) {
      if (crossing_[static_cast<std::size_t>(cut)] < crossing_[static_cast<std::size_t>(best)]) best = cut;
    }
    return best;
  }

  void find_crossing() {
    std::map<int, std::pair<int, int>> lifetimes;  // of memories: first writer, last reader
    for (int step = 0; step < static_cast<int>(flows_.size()); ++step) {
      const Flow& flow = flows_[static_cast<std::size_t>(step)];
      if (flow.memory >= 0) lifetimes.emplace(flow.memory, std::pair(step, step));
      for (const auto& read : flow.reads) {
        const auto found = lifetimes.find(read.memory);
        if (found != lifetimes.end()) found->second.second = step;
      }
    }
    crossing_.assign(flows_.size() + 1, 0);
    for (const auto& [memory, lifetime] : lifetimes) {
      for (int cut = lifetime.first + 1; cut <= lifetime.second; ++cut)
        crossing_[static_cast<std::size_t>(cut)] += size_of(graph_.shape(memory));
    }
  }

  const Graph& graph_;
  const std::vector<Flow>& flows_;
  std::int64_t band_;
  std::vector<bool> in_bands_;
  std::vector<std::int64_t> crossing_;  ///< values that live across the beginning of a step
};

/// Lays out one run.
class Planner {
 public:
  Planner(const Graph& graph, const std::vector<Flow>& flows, const Run& run, const std::vector<int>& own)
      : graph_(graph), flows_(flows), run_(run), own_(own.begin(), own.end()), done_(flows.size()) {}

  BandPlan plan() {
    for (std::int64_t band = 1; band <= run_.bands; ++band) {
      moved_.clear();
      for (int step = run_.begin; step < run_.end; ++step) {
        const Rows rows{done(step), reachable(step, band)};
        if (rows.begin < rows.end) add_part(step, rows);
      }
    }
    return std::move(plan_);
  }

 private:
  const Flow& flow(int step) const { return flows_[static_cast<std::size_t>(step)]; }
  const Node& node(int step) const { return graph_.at(flow(step).node); }
  std::int64_t& done(int step) { return done_[static_cast<std::size_t>(step)]; }
  std::int64_t height(int step) const { return shape_of(graph_, node(step)).height; }
  bool is_done(int step) { return done(step) == height(step); }

  /// Up to which row a step can go: what reads nothing of this run goes ahead, the others follow.
  std::int64_t reachable(int step, std::int64_t band) {
    std::int64_t end = height(step);
    bool follows = false;
    for (const auto& read : flow(step).reads) {
      std::int64_t there = graph_.shape(node(step).inputs[read.input]).height;
      for (const int writer : read.writers) {
        if (writer < run_.begin || writer >= run_.end) continue;
        there = std::min(there, done(writer));
        follows = true;
      }
      std::int64_t row = done(step);
      while (row < end && rows_read(graph_, node(step), read.input, {row, row + 1}).end <= there) ++row;
      end = row;
    }
    return follows ? end : (height(step) * band + run_.bands - 1) / run_.bands;
  }

  void add_part(int step, Rows rows) {
    Part part;
    part.step = step;
    part.rows = rows;
    const int memory = flow(step).memory;
    const bool is_own = own_.count(memory) > 0;
    if (is_own && moved_.insert(memory).second) make_room(memory, part);
    for (const auto& read : flow(step).reads) part.inputs.push_back(first_[read.memory]);
    done(step) = rows.end;
    if (is_own) {
      part.output = first_[memory];
      written_[memory] = std::max(written_[memory], rows.end);
      plan_.rows[memory] = std::max(plan_.rows[memory], written_[memory] - first_[memory]);
    }
    plan_.parts.push_back(std::move(part));
  }

  /// Rows that nothing needs any more give way.
  void make_room(int memory, Part& part) {
    const std::int64_t first = first_[memory], needed = first_needed(memory);
    if (needed == first) return;
    if (needed < written_[memory]) part.moves.push_back({memory, needed - first, written_[memory] - needed});
    first_[memory] = needed;
  }

  std::int64_t first_needed(int memory) {
    std::int64_t first = written_[memory];
    for (int step = run_.begin; step < run_.end; ++step) {
      if (is_done(step)) continue;
      if (flow(step).memory == memory) first = std::min(first, done(step));
      for (const auto& read : flow(step).reads) {
        if (read.memory != memory) continue;
        const Rows next{done(step), done(step) + 1};
        first = std::min(first, rows_read(graph_, node(step), read.input, next).begin);
      }
    }
    return first;
  }

  const Graph& graph_;
  const std::vector<Flow>& flows_;
  const Run run_;
  const std::set<int> own_;
  std::vector<std::int64_t> done_;  ///< rows, of each step
  std::map<int, std::int64_t> first_,
      written_;          ///< rows of memories: the first that is there, behind the last
  std::set<int> moved_;  ///< in this band
  BandPlan plan_;
};

}  // namespace

std::vector<Run> find_runs(const Graph& graph, const std::vector<Flow>& flows, std::int64_t band) {
  return RunFinder(graph, flows, band).find();
}

BandPlan plan_bands(const Graph& graph, const std::vector<Flow>& flows, const Run& run,
                    const std::vector<int>& own) {
  return Planner(graph, flows, run, own).plan();
}

}  // namespace portraitseg::compiler
