#include "portraitseg/engine/network_benchmark.h"

#include <algorithm>
#include <cctype>
#include <chrono>
#include <map>
#include <memory>

#include <ATen/record_function.h>
#include <opencv2/imgproc.hpp>
#include <sys/resource.h>
#include <torch/torch.h>

#include "portraitseg/core/error.h"
#include "portraitseg/core/random.h"
#include "portraitseg/data/targets.h"
#include "portraitseg/engine/machine_speed.h"
#include "portraitseg/models/summary.h"

namespace portraitseg {
namespace {

using Clock = std::chrono::steady_clock;

constexpr double kRoundSeconds = 0.3;
constexpr double kConsistency = 2;  ///< PortraitNet's weight of the divergence between two views

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// What the time of operators is booked on.
class Ledger {
 public:
  /// Names everything that follows; "": each operator has its own name.
  void phase(const std::string& name) { phase_ = name; }

  void begin() {
    if (depth_++ == 0) start_ = Clock::now();
  }
  void end(const std::string& kind) {
    if (--depth_ == 0) seconds_[phase_.empty() ? kind : phase_] += seconds_since(start_);
  }

  /// @param seconds of everything
  std::vector<std::pair<std::string, double>> shares(double seconds) const {
    std::vector<std::pair<std::string, double>> result;
    double booked = 0;
    for (const auto& [kind, value] : seconds_) {
      result.emplace_back(kind, value / seconds);
      booked += value;
    }
    result.emplace_back("other", std::max(0.0, 1 - booked / seconds));
    std::sort(result.begin(), result.end(), [](const auto& a, const auto& b) { return a.second > b.second; });
    return result;
  }

 private:
  std::string phase_;
  std::int64_t depth_ = 0;
  Clock::time_point start_;
  std::map<std::string, double> seconds_;
};

/// "ConvolutionBackward0" -> "convolution backward", "aten::batch_norm" -> "batch norm".
std::string kind_of(std::string name) {
  name.erase(0, name.find_last_of(": ") + 1);  // npos + 1 is 0
  const std::size_t backward = name.find("Backward");
  name = name.substr(0, backward);
  std::string words;
  for (std::size_t i = 0; i < name.size(); ++i) {
    const auto letter = static_cast<unsigned char>(name[i]);
    if (i > 0 && std::isupper(letter) != 0 && std::islower(static_cast<unsigned char>(name[i - 1])) != 0)
      words += ' ';
    words += letter == '_' ? ' ' : static_cast<char>(std::tolower(letter));
  }
  if (words.back() == ' ') words.pop_back();  // it worked in place
  if (words.rfind("native ", 0) == 0) words.erase(0, 7);
  if (words == "conv2d" || words == "conv transpose2d") words = "convolution";
  return backward == std::string::npos ? words : words + " backward";
}

thread_local Ledger* ledger = nullptr;  // LibTorch takes plain functions as callbacks, without any context

/// Books this thread's outermost operators, forward and backward (which LibTorch runs on the calling thread of a CPU), as
/// long as it lives.
class Booking {
 public:
  explicit Booking(Ledger& own)
      : handle_(at::addThreadLocalCallback(
            at::RecordFunctionCallback(
                [](const at::RecordFunction&) -> std::unique_ptr<at::ObserverContext> {
                  if (ledger != nullptr) ledger->begin();
                  return nullptr;
                },
                [](const at::RecordFunction& function, at::ObserverContext*) {
                  if (ledger != nullptr) ledger->end(kind_of(function.name()));
                })
                .scopes({at::RecordScope::FUNCTION, at::RecordScope::BACKWARD_FUNCTION}))) {
    ledger = &own;
  }
  ~Booking() {
    at::removeCallback(handle_);
    ledger = nullptr;
  }
  Booking(const Booking&) = delete;
  Booking& operator=(const Booking&) = delete;

 private:
  at::RecordFunctionGuard enabled_;
  at::CallbackHandle handle_;
};

/// A head and shoulders somewhere in the picture.
cv::Mat draw_label(std::int64_t index, cv::Size size) {
  Random random(1, Purpose::kSynthesize, {static_cast<std::uint64_t>(index)});
  cv::Mat label = cv::Mat::zeros(size, CV_8U);
  const auto share = [&](int length, double low, double high) {
    return static_cast<int>(length * random.uniform(low, high));
  };
  const cv::Point head(share(size.width, 0.35, 0.65), share(size.height, 0.3, 0.5));
  const cv::Size radius(share(size.width, 0.12, 0.2), share(size.height, 0.15, 0.25));
  cv::ellipse(label, head, radius, 0, 0, 360, 1, cv::FILLED);
  cv::ellipse(label, {head.x, size.height}, {2 * radius.width, size.height / 2}, 0, 0, 360, 1, cv::FILLED);
  return label;
}

/// A training of a network as Trainer::step() does it, without its data.
class Step {
 public:
  /// @param stride input size over the mask's size
  Step(const RunConfig& config, const Device& device, const NetworkBenchmarkOptions& options,
       std::int64_t stride)
      : config_(config), device_(device), options_(options), model_(config.model.options->build()) {
    model_->to(device.torch_device());
    model_->train(options.train);
    for (std::int64_t view = 0; view < options.views; ++view) images_.push_back(random_images());
    if (!options.train) return;
    optimizer_ = std::make_unique<Adam>(*model_, config.optimizer);
    for (const auto& term : config.losses) losses_.emplace_back(term, term.options->build());
    draw_targets(stride);
  }

  void run(Ledger* books = nullptr) {
    const auto phase = [&](const char* name) {
      if (books != nullptr) books->phase(name);
    };
    if (!options_.train) {
      infer();
      return;
    }
    std::vector<SegmentationOutput> outputs;
    for (const auto& image : images_)
      outputs.push_back(model_->forward(device_.move(image, torch::kFloat32)));
    phase("loss");
    const torch::Tensor loss = total_loss(outputs);
    loss.item<double>();
    phase("optimizer");
    optimizer_->zero_grad();
    phase("");
    loss.backward();
    phase("optimizer");
    optimizer_->step(config_.optimizer.lr);
    phase("");
  }

 private:
  void infer() {
    const torch::NoGradGuard no_grad;
    model_->forward(device_.move(images_.front(), torch::kFloat32)).mask.to(torch::kCPU);
  }

  torch::Tensor random_images() const {
    const auto& size = config_.preprocessing.size;
    return torch::randn({options_.batch, config_.preprocessing.channels(), size[0], size[1]});
  }

  void draw_targets(std::int64_t stride) {
    const auto& size = config_.preprocessing.size;
    for (const auto& [term, unused] : losses_) {
      if (targets_.count(term.target) != 0) continue;
      std::vector<torch::Tensor> all;
      for (std::int64_t i = 0; i < options_.batch; ++i) {
        const cv::Mat label = draw_label(i, {static_cast<int>(size[1]), static_cast<int>(size[0])});
        const cv::Mat target = make_target(term.target, label_at_stride(label, static_cast<int>(stride)),
                                           config_.trainer.edge_kernel);
        all.push_back(torch::from_blob(target.data, {target.rows, target.cols}, torch::kUInt8).clone());
      }
      targets_[term.target] = torch::stack(all);
    }
  }

  torch::Tensor total_loss(const std::vector<SegmentationOutput>& outputs) const {
    torch::Tensor total;
    const auto add = [&](const torch::Tensor& value) { total = total.defined() ? total + value : value; };
    for (std::size_t view = 0; view < outputs.size(); ++view) {
      for (const auto& [term, loss] : losses_) {
        if (view > 0 && term.output != "mask")
          continue;  // as the reference: its second boundary is not learnt from
        const torch::Tensor target = device_.move(targets_.at(term.target), torch::kInt64);
        add(term.weight * loss->forward(outputs[view].at(term.output), target));
      }
      if (view > 0) {
        const torch::Tensor teacher = torch::softmax(outputs[view].mask.detach(), 1);
        add(kConsistency * torch::kl_div(torch::log_softmax(outputs[0].mask, 1), teacher));
      }
    }
    return total;
  }

  const RunConfig& config_;
  const Device& device_;
  const NetworkBenchmarkOptions& options_;
  std::shared_ptr<SegmentationModel> model_;
  std::unique_ptr<Adam> optimizer_;
  std::vector<std::pair<LossTerm, std::unique_ptr<Loss>>> losses_;
  std::vector<torch::Tensor> images_;  ///< of each view
  std::map<std::string, torch::Tensor> targets_;
};

ModelSummary summarize(const RunConfig& config) {
  const auto& size = config.preprocessing.size;
  return portraitseg::summarize(*config.model.options->build(), size[0], size[1]);
}

/// Seconds a pass, in a round of its own.
double round_seconds(Step& step) {
  const auto start = Clock::now();
  std::int64_t passes = 0;
  do {
    step.run();
    ++passes;
  } while (seconds_since(start) < kRoundSeconds);
  return seconds_since(start) / static_cast<double>(passes);
}

double peak_memory_mib() {
  rusage usage = {};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024;
}

TimeFloor time_floor(const ModelSummary& summary, const NetworkBenchmarkOptions& options,
                     std::int64_t threads) {
  double elements = 0;
  for (const auto& layer : summary.layers) {
    double product = 1;
    for (const auto length : layer.output) product *= static_cast<double>(length);
    elements += product;
  }
  // A training writes and reads outputs and their gradients, and reads the outputs again on the way back.
  const double traffic = options.train ? 5 : 2;
  const auto views = static_cast<double>(options.views);
  const MachineSpeed machine = measure_machine(threads);
  TimeFloor floor;
  floor.multiply_adds = views * static_cast<double>(summary.multiply_adds) * (options.train ? 3 : 1);
  floor.multiply_adds_per_second = machine.multiply_adds_per_second;
  floor.compute_ms = 1000 * floor.multiply_adds / machine.multiply_adds_per_second;
  floor.bytes = views * traffic * sizeof(float) * elements;
  floor.bytes_per_second = machine.bytes_per_second;
  floor.memory_ms = 1000 * floor.bytes / machine.bytes_per_second;
  return floor;
}

void measure(Step& step, const NetworkBenchmarkOptions& options, NetworkBenchmark& result) {
  step.run();  // warms everything up
  std::vector<double> rounds;
  for (std::int64_t round = 0; round < options.rounds; ++round) {
    rounds.push_back(1000 * round_seconds(step) / static_cast<double>(options.batch));
    if (options.progress) options.progress(round + 1, options.rounds);
  }
  std::sort(rounds.begin(), rounds.end());
  result.ms = rounds[rounds.size() / 2];
  result.ms_min = rounds.front();
  result.ms_max = rounds.back();
  result.peak_memory_mib = peak_memory_mib();  // before the floor's arrays

  Ledger books;
  const Booking booking(books);
  const auto start = Clock::now();
  step.run(&books);
  result.operators = books.shares(seconds_since(start));
}

}  // namespace

std::vector<LossTerm> natural_losses(const RunConfig& config) {
  std::vector<LossTerm> terms;
  for (const auto& [output, shape] : summarize(config).outputs) {
    LossTerm term;
    if (shape[1] == 1) {
      term.name = "lovasz_hinge";
      term.options = term.registry->at(term.name)();
    }
    term.output = output;
    if (output == "mask") terms.push_back(term);
    if (output != "boundary") continue;
    term.target = "contour";
    term.weight = 0.1;
    terms.push_back(term);
  }
  return terms;
}

NetworkBenchmark benchmark_network(const RunConfig& config, const Device& device,
                                   const NetworkBenchmarkOptions& options) {
  const auto& size = config.preprocessing.size;
  NetworkBenchmark result;
  result.model = config.model.name;
  result.size = size;
  result.threads = device.threads();
  torch::manual_seed(1);
  try {
    const ModelSummary summary = summarize(config);
    Step step(config, device, options, size[0] / summary.outputs.front().second[2]);
    measure(step, options, result);
    result.floor = time_floor(summary, options, result.threads);
  } catch (const c10::Error& error) {
    const std::string text = error.what_without_backtrace();
    if (text.find("memory") != std::string::npos) throw;
    throw UserError("the network cannot take " + std::to_string(options.batch) + " images of " +
                    std::to_string(size[0]) + "x" + std::to_string(size[1]) + ": " + text);
  }
  return result;
}

}  // namespace portraitseg
