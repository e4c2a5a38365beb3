#include "portraitseg/nn/compiled_network.h"

#include <algorithm>
#include <functional>
#include <limits>

#include <ATen/CPUGeneratorImpl.h>
#include <torch/autograd.h>
#include <torch/csrc/autograd/function.h>
#include <torch/csrc/autograd/functions/utils.h>
#include <torch/nn/module.h>
#include <torch/types.h>
#include <torch/utils.h>

#include "nn/compiler/graph.h"
#include "nn/compiler/program.h"
#include "nn/compiler/record.h"

namespace portraitseg {
namespace {

namespace autograd = torch::autograd;

/// How far the fused outputs of a recorded image may be from LibTorch's, as a share of their largest value.
constexpr double kTolerance = 1e-2;
/// Or as a multiple of how far LibTorch's own move when the image does by a rounding.
constexpr double kOfJitter = 30;
constexpr std::uint64_t kJitters = 4;

/// How much is kept for the next time: input sizes, and programs of a size (whole and last batch, two views of each).
constexpr std::size_t kSizes = 4, kPrograms = 4;

/// Takes the parameters' gradients from the program whose forward() made the outputs.
template <class T>
class ProgramBackward : public autograd::Node {
 public:
  ProgramBackward(std::shared_ptr<compiler::Program<T>> program, const std::vector<torch::Tensor>& parameters,
                  const torch::Tensor& image)
      : autograd::Node(autograd::collect_next_edges(parameters)),
        program_(std::move(program)),
        parameters_(parameters),
        image_(image),
        version_(image._version()) {}

  std::string name() const override { return "CompiledNetworkBackward"; }

  autograd::variable_list apply(autograd::variable_list&& gradients) override {
    TORCH_CHECK(program_, "Trying to backward through a compiled network a second time");
    TORCH_CHECK(image_._version() == version_,
                "The image of a compiled network has changed since its forward");
    const torch::NoGradGuard no_grad;
    auto result = program_->backward(gradients, parameters_);
    release_variables();  // its memory is used up, also if the graph is to be retained
    return result;
  }

  void release_variables() override {
    program_.reset();
    image_.reset();
  }

 private:
  std::shared_ptr<compiler::Program<T>> program_;
  std::vector<torch::Tensor> parameters_;
  torch::Tensor image_;
  std::int64_t version_;
};

/// What recording must not change, put back when it ends: the buffers' values, the random numbers to come.
class StateGuard {
 public:
  explicit StateGuard(const torch::nn::Module& network)
      : buffers_(network.buffers()),
        generator_(at::detail::getDefaultCPUGenerator()),
        drawn_(generator_.get_state()) {
    for (const auto& buffer : buffers_) values_.push_back(buffer.clone());
  }
  ~StateGuard() {
    const torch::NoGradGuard no_grad;
    for (std::size_t i = 0; i < buffers_.size(); ++i) buffers_[i].copy_(values_[i]);
    generator_.set_state(drawn_);
  }
  StateGuard(const StateGuard&) = delete;
  StateGuard& operator=(const StateGuard&) = delete;

 private:
  std::vector<torch::Tensor> buffers_, values_;
  at::Generator generator_;
  torch::Tensor drawn_;
};

/// The largest difference; what is not finite in the same way is no difference.
double distance(const torch::Tensor& a, const torch::Tensor& b) {
  const torch::Tensor same = a.eq(b).logical_or(a.isnan().logical_and(b.isnan()));
  return (a - b).abs().masked_fill(same, 0).max().item<double>();
}

/// A little noise in an image, as much as rounding is in its maps.
torch::Tensor jitter(const torch::Tensor& image, std::uint64_t seed) {
  const double size = 8 * (image.scalar_type() == torch::kFloat32 ? std::numeric_limits<float>::epsilon()
                                                                  : std::numeric_limits<double>::epsilon());
  at::Generator generator = at::detail::createCPUGenerator(seed);
  return image + size * image.abs().max() * torch::randn(image.sizes(), generator, image.options());
}

/// Compares with LibTorch's outputs. Statistics of few pixels can make a network blow up any rounding: what LibTorch's own
/// outputs do when the image changes by as much is no fault. @throws NotCompiled
void check_equal(const std::vector<torch::Tensor>& outputs, const std::vector<torch::Tensor>& expected,
                 const CompiledNetwork::Forward& forward, const torch::Tensor& image) {
  std::vector<double> apart, allowed;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    apart.push_back(distance(outputs[i], expected[i]));
    allowed.push_back(kTolerance * torch::nan_to_num(expected[i], 0, 0, 0).abs().max().item<double>());
  }
  const auto is_near = [&] {
    return std::equal(apart.begin(), apart.end(), allowed.begin(), std::less_equal<>());
  };
  for (std::uint64_t seed = 0; seed < kJitters && !is_near(); ++seed) {
    const auto moved = forward(jitter(image, seed));
    for (std::size_t i = 0; i < expected.size(); ++i)
      allowed[i] = std::max(allowed[i], kOfJitter * distance(moved[i], expected[i]));
  }
  if (!is_near()) throw NotCompiled("something that gives other values when recorded");
}

/// Gradients are for parameters: where a weight is computed from others, or is no parameter, they would be lost.
/// @throws NotCompiled
void check_parameters(const compiler::Graph& graph, const std::vector<torch::Tensor>& trained) {
  for (const auto& node : graph.nodes) {
    for (const auto& tensor : compiler::parameters_of(node)) {
      const auto is_it = [&](const torch::Tensor& parameter) { return parameter.is_same(tensor); };
      if (tensor.requires_grad() && std::none_of(trained.begin(), trained.end(), is_it))
        throw NotCompiled("a trained weight that is no parameter of the network");
    }
  }
}

}  // namespace

struct CompiledNetwork::Entry {
  std::shared_ptr<const compiler::Plan> plan;
  std::int64_t last_call = 0;
  std::vector<std::pair<std::int64_t, std::shared_ptr<compiler::Program<float>>>> of_float;  ///< by images
  std::vector<std::pair<std::int64_t, std::shared_ptr<compiler::Program<double>>>> of_double;

  template <class T>
  auto& programs() {
    if constexpr (std::is_same_v<T, float>) {
      return of_float;
    } else {
      return of_double;
    }
  }

  /// One that no backward pass waits for.
  template <class T>
  std::shared_ptr<compiler::Program<T>> program(std::int64_t images) {
    auto& made = programs<T>();
    const auto idle = [](const auto& item) { return item.second.use_count() == 1; };
    for (const auto& item : made) {
      if (item.first == images && idle(item)) return item.second;
    }
    if (made.size() >= kPrograms) {
      const auto oldest = std::find_if(made.begin(), made.end(), idle);
      if (oldest != made.end()) made.erase(oldest);
    }
    return made.emplace_back(images, std::make_shared<compiler::Program<T>>(plan, images)).second;
  }
};

CompiledNetwork::CompiledNetwork(torch::nn::Module& network, Forward forward, bool gradients)
    : network_(network), forward_(std::move(forward)), gradients_(gradients) {}

CompiledNetwork::~CompiledNetwork() = default;

std::vector<torch::Tensor> CompiledNetwork::operator()(const torch::Tensor& image) {
  const bool is_float = image.scalar_type() == torch::kFloat32;
  if (!image.is_cpu() || image.dim() != 4 || (!is_float && image.scalar_type() != torch::kFloat64))
    throw NotCompiled("an image that is no batch of float or double planes on the CPU");
  find_parameters(image.scalar_type());
  const torch::Tensor planes = image.detach().contiguous();
  Entry& entry = entry_for(planes);
  return is_float ? run<float>(entry, planes) : run<double>(entry, planes);
}

CompiledNetwork::Entry& CompiledNetwork::entry_for(const torch::Tensor& image) {
  const std::vector<std::int64_t> size = {image.size(1), image.size(2), image.size(3)};
  auto found = entries_.find(size);
  if (found == entries_.end()) {
    auto made = record(image);
    const auto earlier = [](const auto& a, const auto& b) {
      return a.second->last_call < b.second->last_call;
    };
    if (entries_.size() >= kSizes)  // of images at their own sizes
      entries_.erase(std::min_element(entries_.begin(), entries_.end(), earlier));
    found = entries_.emplace(size, std::move(made)).first;
  }
  found->second->last_call = ++calls_;
  return *found->second;
}

std::unique_ptr<CompiledNetwork::Entry> CompiledNetwork::record(const torch::Tensor& image) {
  const StateGuard unchanged(network_);
  const torch::Tensor recorded =
      torch::nan_to_num(image.slice(0, 0, 2), 0, 0, 0);  // NaN compares with nothing
  std::vector<torch::Tensor> expected;
  auto plan = std::make_shared<compiler::Plan>();
  {
    const torch::AutoGradMode as_used(gradients_);
    plan->graph = compiler::record(forward_, recorded, expected);
  }
  if (gradients_) check_parameters(plan->graph, parameters_);
  compiler::add_sinks(plan->graph);
  if (gradients_) compiler::differentiate(plan->graph);
  plan->inference = !gradients_;
  compiler::fuse(plan->graph, plan->inference);
  plan->schedule = compiler::make_schedule(plan->graph);
  auto made = std::make_unique<Entry>();
  made->plan = plan;
  if (checked_) return made;
  const torch::NoGradGuard no_grad;
  check_equal(image.scalar_type() == torch::kFloat32
                  ? compiler::Program<float>(plan, recorded.size(0)).forward(recorded)
                  : compiler::Program<double>(plan, recorded.size(0)).forward(recorded),
              expected, forward_, recorded);
  checked_ = true;
  return made;
}

/// What was recorded holds which parameters are trained: it is forgotten when that changes.
void CompiledNetwork::find_parameters(torch::Dtype dtype) {
  std::vector<torch::Tensor> trained;
  for (const auto& parameter : network_.parameters()) {
    if (!parameter.is_cpu() || parameter.scalar_type() != dtype)
      throw NotCompiled("a parameter of another type or device than the image");
    if (gradients_ && parameter.requires_grad()) trained.push_back(parameter);
  }
  const auto is_same = [](const torch::Tensor& a, const torch::Tensor& b) { return a.is_same(b); };
  if (!std::equal(trained.begin(), trained.end(), parameters_.begin(), parameters_.end(), is_same))
    entries_.clear();
  parameters_ = std::move(trained);
}

template <class T>
std::vector<torch::Tensor> CompiledNetwork::run(Entry& entry, const torch::Tensor& image) {
  const auto program = entry.program<T>(image.size(0));
  program->profile(profile_);
  const bool differentiable = gradients_ && torch::GradMode::is_enabled() && !parameters_.empty();
  std::vector<torch::Tensor> outputs;
  {
    const torch::NoGradGuard no_grad;
    outputs = program->forward(image);
  }
  if (!differentiable) return outputs;
  const std::shared_ptr<autograd::Node> backward(new ProgramBackward<T>(program, parameters_, image),
                                                 autograd::deleteNode);
  for (auto& output : outputs) autograd::set_history(output, backward);
  return outputs;
}

std::int64_t CompiledNetwork::bytes() const {
  std::int64_t sum = 0;
  for (const auto& [size, entry] : entries_) {
    for (const auto& [images, program] : entry->of_float) sum += program->bytes();
    for (const auto& [images, program] : entry->of_double) sum += program->bytes();
  }
  return sum;
}

}  // namespace portraitseg
