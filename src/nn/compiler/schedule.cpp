#include "nn/compiler/schedule.h"

#include <algorithm>
#include <map>
#include <set>

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

class Scheduler {
 public:
  explicit Scheduler(const Graph& graph)
      : graph_(graph), live_(graph.live()), count_(static_cast<int>(graph.nodes.size())) {}

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
      bool is = is_cheap(node.op);
      if (node.op == Op::kConcat) {  // one that nothing has to be moved for is as dear as its parts
        for (const int part : node.inputs) is = is || cheap(part) || level(part) != level(id);
      }
      cheap_[static_cast<std::size_t>(id)] = is;
    }
    // What is read before and after a sum over the batch stays in memory: computing it anew would lead ever further back.
    for (int id = 0; id < count_; ++id) {
      if (!live(id) || !uses_batch(at(id))) continue;
      if (at(id).op == Op::kMoments || at(id).op == Op::kNormaliseSums) {
        const int read = source(at(id).inputs[0]);
        if (at(read).op != Op::kOutputGradient) cheap_[static_cast<std::size_t>(read)] = false;
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
      const bool homeless = at(part).op != Op::kSlice && at(part).op != Op::kInput && homes_.count(part) == 0;
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
    for (const int id : nodes) add_steps(id, made);
    place_scratch(made);
    return made;
  }

  void add_steps(int id, Stage& stage) const {
    const Node& node = at(id);
    if (node.op != Op::kConcat) {
      Step step;
      step.node = id;
      stage.steps.push_back(step);
      return;
    }
    for (const int part : node.inputs) {
      const auto home = homes_.find(part);
      if (home != homes_.end() && home->second.first == id) continue;
      Step step;
      step.node = id;
      step.copy_of = part;
      stage.steps.push_back(step);
    }
  }

  /// Inputs and output of each step, and scratch memory for what only lives in this stage.
  void place_scratch(Stage& stage) {
    std::map<int, std::pair<int, int>> lifetimes;  // step indices
    const auto touch = [&](int id, int step) {
      const int root = root_of(source(id)).first;
      if (offsets_.count(root) > 0) return;
      const auto [lifetime, is_new] = lifetimes.emplace(root, std::pair(step, step));
      lifetime->second.second = step;
    };
    const auto inputs = [&](const Step& step) {
      return step.copy_of >= 0 ? std::vector<int>{step.copy_of} : at(step.node).inputs;
    };
    for (int i = 0; i < static_cast<int>(stage.steps.size()); ++i) {
      const Step& step = stage.steps[static_cast<std::size_t>(i)];
      for (const int input : inputs(step)) touch(input, i);
      if (!is_sink(at(step.node).op)) touch(step.node, i);
    }
    Arena arena;
    std::map<int, std::int64_t> offsets;
    for (const auto& [root, lifetime] : lifetimes)
      offsets[root] = arena.place({size_of(root), lifetime.first, lifetime.second});
    stage.scratch = arena.size();
    for (auto& step : stage.steps) {
      for (const int input : inputs(step)) step.in.push_back(place(input, offsets));
      if (is_sink(at(step.node).op)) continue;
      step.out = place(step.node, offsets);
      if (step.copy_of >= 0) {
        for (const int part : at(step.node).inputs) {
          if (part == step.copy_of) break;
          step.out.channel += graph_.shape(part).channels;
        }
      }
    }
  }

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

Schedule make_schedule(const Graph& graph) {
  return Scheduler(graph).run();
}

}  // namespace portraitseg::compiler
