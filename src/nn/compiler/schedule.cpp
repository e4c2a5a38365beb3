#include "nn/compiler/schedule.h"

#include <algorithm>
#include <functional>
#include <map>
#include <set>

#include "nn/compiler/arena.h"
#include "nn/compiler/bands.h"

namespace portraitseg::compiler {
namespace {

constexpr std::int64_t kAlignment = 64;  // values; a multiple of a cache line

std::int64_t aligned(std::int64_t size) {
  return (size + kAlignment - 1) / kAlignment * kAlignment;
}

bool uses_batch(const Node& node) {
  return node.norm && node.norm->batch_statistics;
}

bool is_cheap(Op op) {
  switch (op) {
    case Op::kInput:
    case Op::kOutputGradient:
    case Op::kNormalise:
    case Op::kNormaliseGradient:
    case Op::kAdd:
    case Op::kSlice:
    case Op::kPermute:
    case Op::kPool:
    case Op::kSpreadMean:
    case Op::kMultiplyChannels:
    case Op::kMultiplyPixels:
      return true;
    default:
      return false;
  }
}

/// Whether a node writes several values for each one that it reads, at the cost of few multiply-adds each (a 3x3 kernel with a
/// stride of 2: 2.25): then reading its inputs again and computing it anew moves less memory than writing and reading its output.
bool spreads(const Node& node) {
  return node.op == Op::kDepthwiseTransposed && node.residual < 0 &&
         node.window.stride[0] * node.window.stride[1] > 1;
}

class Scheduler {
 public:
  Scheduler(const Graph& graph, std::int64_t band)
      : graph_(graph), band_(band), live_(graph.live()), count_(static_cast<int>(graph.nodes.size())) {}

  Schedule run() {
    find_levels();
    find_cheap();
    find_needs();
    find_kept();
    for (int stage = 0; stage < stages_; ++stage) schedule_.stages.push_back(make_stage(stage));
    schedule_.kept = kept_.size();
    return std::move(schedule_);
  }

 private:
  const Node& at(int id) const { return graph_.at(id); }
  int& level(int id) { return levels_[static_cast<std::size_t>(id)]; }
  bool cheap(int id) const { return cheap_[static_cast<std::size_t>(id)]; }
  bool live(int id) const { return live_[static_cast<std::size_t>(id)]; }

  /// The earliest stage in which a node can be computed.
  void find_levels() {
    levels_.assign(static_cast<std::size_t>(count_), 0);
    int last_forward = 0;
    bool backward = false;
    for (int id = 0; id < count_; ++id) {
      if (!live(id)) continue;
      const Node& node = at(id);
      if (node.op == Op::kOutputGradient) {
        backward = true;
        level(id) = last_forward + 1;
        continue;
      }
      for (const int input : node.inputs) level(id) = std::max(level(id), level(input));
      const int x = node.inputs.empty() ? -1 : node.inputs[0];
      if (node.op == Op::kNormalise && uses_batch(node)) level(id) = std::max(level(id), level(x) + 1);
      if (node.op == Op::kNormaliseGradient && uses_batch(node)) {
        const int sums = std::max(level(node.inputs[0]), level(node.inputs[1]));
        level(id) = std::max(level(id), sums + 1);
      }
      if (!backward) last_forward = std::max(last_forward, level(id));
      stages_ = std::max(stages_, level(id) + 1);
    }
    schedule_.backward = static_cast<std::size_t>(last_forward + 1);
  }

  void find_cheap() {
    cheap_.assign(static_cast<std::size_t>(count_), false);
    for (int id = 0; id < count_; ++id) {
      const Node& node = at(id);
      bool is = is_cheap(node.op) || spreads(node);
      if (node.op == Op::kConcat) {  // one that nothing has to be moved for is as dear as its parts
        for (const int part : node.inputs) is = is || cheap(part) || level(part) != level(id);
      }
      cheap_[static_cast<std::size_t>(id)] = is;
    }
    // What is read before and after a sum over the batch stays in memory: computing it anew would lead ever further back. What
    // spreads is computed anew even then: in the networks that do so a dense convolution stands before the next such sum, and its
    // output stays.
    for (int id = 0; id < count_; ++id) {
      if (!live(id) || !uses_batch(at(id))) continue;
      if (at(id).op == Op::kMoments || at(id).op == Op::kNormaliseSums) {
        const int read = source(at(id).inputs[0]);
        const bool stays = at(read).op != Op::kOutputGradient && !spreads(at(read));
        if (stays) cheap_[static_cast<std::size_t>(read)] = false;
      }
    }
  }

  /// The node itself, or what a slice is a slice of.
  int source(int id) const { return at(id).op == Op::kSlice ? source(at(id).inputs[0]) : id; }

  /// Which nodes each stage computes.
  void find_needs() {
    needs_.resize(static_cast<std::size_t>(stages_));
    for (int id = 0; id < count_; ++id) {
      if (live(id) && !cheap(id) && at(id).op != Op::kSlice) need(id, level(id));
    }
  }

  void need(int id, int stage) {
    if (!needs_[static_cast<std::size_t>(stage)].insert(id).second) return;
    for (const int input : at(id).inputs) {
      const int read = source(input);
      if (cheap(read)) need(read, stage);
    }
  }

  const std::set<int>& needs(int stage) const { return needs_[static_cast<std::size_t>(stage)]; }

  /// What has to stay in memory after its stage, until when, and where.
  void find_kept() {
    std::map<int, int> last_read;
    for (int stage = 0; stage < stages_; ++stage) {
      for (const int id : needs(stage)) {
        for (const int input : at(id).inputs) {
          const int read = source(input);
          if (!cheap(read) && level(read) < stage) last_read[read] = stage;
        }
      }
    }
    for (const auto& [id, last] : last_read)
      home_parts(id, [&](int part) { return last_read.count(part) > 0 || !cheap(part); });
    std::map<int, std::pair<int, int>> lifetimes;  // of whole memories: first written, last read
    for (const auto& [id, last] : last_read) {
      const int root = root_of(id).first;
      const auto [lifetime, is_new] = lifetimes.emplace(root, std::pair(level(id), last));
      lifetime->second.first = std::min(lifetime->second.first, level(id));
      lifetime->second.second = std::max(lifetime->second.second, last);
    }
    for (const auto& [root, lifetime] : lifetimes) {
      const std::int64_t size = size_of(root);
      offsets_[root] = kept_.place({size, lifetime.first, lifetime.second});
    }
    for (const auto& [id, last] : last_read) kept_nodes_.insert(id);
    for (const auto& [part, home] : homes_) kept_nodes_.insert(part);
    kept_homes_ = homes_;
  }

  std::int64_t size_of(int id) const {
    const Shape& shape = graph_.shape(id);
    return aligned(shape.height * shape.width * shape.channels);
  }

  /// Parts that are computed for a concatenation in the same stage are written where they belong there.
  template <class MayMove>
  void home_parts(int id, MayMove may_move) {
    if (at(id).op != Op::kConcat) return;
    std::int64_t channel = 0;
    for (const int part : at(id).inputs) {
      const bool is_once = std::count(at(id).inputs.begin(), at(id).inputs.end(), part) == 1;
      const bool homeless =
          is_once && at(part).op != Op::kSlice && at(part).op != Op::kInput && homes_.count(part) == 0;
      if (homeless && may_move(part)) homes_[part] = {id, channel};
      channel += graph_.shape(part).channels;
    }
  }

  /// The memory that a node lies in, and its first channel there.
  std::pair<int, std::int64_t> root_of(int id) const {
    const auto home = homes_.find(id);
    if (home == homes_.end()) return {id, 0};
    const auto [root, channel] = root_of(home->second.first);
    return {root, channel + home->second.second};
  }

  Stage make_stage(int stage) {
    Stage made;
    homes_ = kept_homes_;
    const std::set<int>& nodes = needs(stage);
    for (const int id : nodes) {
      const bool kept = kept_nodes_.count(id) > 0;
      home_parts(id, [&](int part) {
        return nodes.count(part) > 0 && kept_nodes_.count(part) == 0 && !(kept && level(id) != stage);
      });
    }
    std::vector<Task> tasks;
    for (const int id : nodes) add_tasks(id, tasks);
    place_steps(tasks, made);
    return made;
  }

  /// A step before it has rows and places.
  struct Task {
    int node;
    int part = -1;  ///< of a concatenation
  };

  void add_tasks(int id, std::vector<Task>& tasks) const {
    const Node& node = at(id);
    if (node.op != Op::kConcat) return tasks.push_back({id});
    for (std::size_t i = 0; i < node.inputs.size(); ++i) {
      const auto home = homes_.find(node.inputs[i]);
      if (home == homes_.end() || home->second.first != id) tasks.push_back({id, static_cast<int>(i)});
    }
  }

  int memory_of(int id) const { return root_of(source(id)).first; }

  std::vector<Flow> flows_of(const std::vector<Task>& tasks) const {
    std::map<int, std::vector<int>> writers;  // steps that write a node
    std::vector<Flow> flows;
    const std::function<void(int, std::vector<int>&)> gather = [&](int id, std::vector<int>& found) {
      const auto own = writers.find(id);
      if (own != writers.end()) found.insert(found.end(), own->second.begin(), own->second.end());
      for (const auto& [part, home] : homes_) {
        if (home.first == id) gather(part, found);
      }
    };
    for (const Task& task : tasks) {
      const Node& node = at(task.node);
      Flow flow;
      flow.node = task.node;
      for (std::size_t i = 0; i < node.inputs.size(); ++i) {
        if (task.part >= 0 && static_cast<int>(i) != task.part) continue;
        Flow::Read read{i, memory_of(node.inputs[i]), {}};
        gather(source(node.inputs[i]), read.writers);
        flow.reads.push_back(read);
      }
      if (!is_sink(node.op)) {
        flow.memory = memory_of(task.node);
        writers[task.node].push_back(static_cast<int>(flows.size()));
      }
      flows.push_back(flow);
    }
    return flows;
  }

  /// Runs of steps, rows of each, scratch memory for what only lives in this stage.
  void place_steps(const std::vector<Task>& tasks, Stage& stage) {
    const std::vector<Flow> flows = flows_of(tasks);
    const std::vector<Run> runs = find_runs(graph_, flows, band_);
    const std::map<int, Lifetime> lifetimes = scratch_lifetimes(flows, runs);
    Arena arena;
    std::vector<BandPlan> plans;
    std::map<int, std::int64_t> offsets;
    for (int i = 0; i < static_cast<int>(runs.size()); ++i) {
      const Run& run = runs[static_cast<std::size_t>(i)];
      std::vector<int> own;
      for (const auto& [root, lifetime] : lifetimes) {
        if (run.bands > 1 && lifetime.first == i && lifetime.last == i) own.push_back(root);
      }
      plans.push_back(plan_bands(graph_, flows, run, own));
      for (const auto& [root, rows] : plans.back().rows)
        offsets[root] = arena.place({aligned(rows * row_size(root)), i, i});
    }
    for (const auto& [root, lifetime] : lifetimes) {
      if (offsets.count(root) == 0)
        offsets[root] = arena.place({size_of(root), lifetime.first, lifetime.last});
    }
    stage.scratch = arena.size();
    for (const BandPlan& plan : plans) {
      for (const Part& part : plan.parts) {
        const auto step = static_cast<std::size_t>(part.step);
        stage.steps.push_back(make_step(tasks[step], flows[step], part, offsets));
      }
    }
  }

  struct Lifetime {
    int first, last;  ///< runs
  };

  std::map<int, Lifetime> scratch_lifetimes(const std::vector<Flow>& flows,
                                            const std::vector<Run>& runs) const {
    std::map<int, Lifetime> lifetimes;
    for (int i = 0; i < static_cast<int>(runs.size()); ++i) {
      const auto touch = [&](int root) {
        if (root >= 0 && offsets_.count(root) == 0)
          lifetimes.emplace(root, Lifetime{i, i}).first->second.last = i;
      };
      for (int step = runs[static_cast<std::size_t>(i)].begin; step < runs[static_cast<std::size_t>(i)].end;
           ++step) {
        const Flow& flow = flows[static_cast<std::size_t>(step)];
        for (const auto& read : flow.reads) touch(read.memory);
        touch(flow.memory);
      }
    }
    return lifetimes;
  }

  Step make_step(const Task& task, const Flow& flow, const Part& part,
                 const std::map<int, std::int64_t>& scratch) const {
    Step step;
    step.node = task.node;
    step.part = task.part;
    step.rows = part.rows;
    for (const auto& move : part.moves) {
      const std::int64_t row = row_size(move.memory), to = scratch.at(move.memory);
      step.moves.push_back({to + move.from * row, to, move.count * row});
    }
    const Node& node = at(task.node);
    for (std::size_t i = 0; i < flow.reads.size(); ++i) {
      const int id = node.inputs[flow.reads[i].input];
      step.in.push_back(place(id, scratch));
      step.in.back().offset -= part.inputs[i] * row_size(flow.reads[i].memory);
    }
    if (is_sink(node.op)) return step;
    step.out = place(task.node, scratch);
    step.out.offset -= part.output * row_size(flow.memory);
    for (int before = 0; before < task.part; ++before)
      step.out.channel += graph_.shape(node.inputs[static_cast<std::size_t>(before)]).channels;
    return step;
  }

  std::int64_t row_size(int root) const { return graph_.shape(root).width * graph_.shape(root).channels; }

  Place place(int id, const std::map<int, std::int64_t>& scratch) const {
    Place place;
    if (at(id).op == Op::kSlice) {
      place = this->place(at(id).inputs[0], scratch);
      place.channel += at(id).begin;
      return place;
    }
    const auto [root, channel] = root_of(id);
    const auto kept = offsets_.find(root);
    place.kept = kept != offsets_.end();
    place.offset = place.kept ? kept->second : scratch.at(root);
    place.size = size_of(root);
    place.channel = channel;
    place.pitch = graph_.shape(root).channels;
    return place;
  }

  const Graph& graph_;
  std::int64_t band_;
  std::vector<bool> live_;
  int count_;
  int stages_ = 0;
  std::vector<int> levels_;
  std::vector<bool> cheap_;
  std::vector<std::set<int>> needs_;
  std::map<int, std::pair<int, std::int64_t>> homes_, kept_homes_;  // part: concatenation, first channel
  std::set<int> kept_nodes_;
  std::map<int, std::int64_t> offsets_;  // of kept memories
  Arena kept_;
  Schedule schedule_;
};

}  // namespace

Schedule make_schedule(const Graph& graph, std::int64_t band) {
  return Scheduler(graph, band).run();
}

}  // namespace portraitseg::compiler
