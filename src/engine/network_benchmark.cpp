#include "portraitseg/engine/network_benchmark.h"

#include <algorithm>
#include <cctype>
#include <chrono>
#include <map>
#include <memory>

#include <ATen/record_function.h>
#include <opencv2/imgproc.hpp>
#include <sys/resource.h>
#include <torch/types.h>
#include <torch/utils.h>

#include "portraitseg/core/error.h"
#include "portraitseg/core/random.h"
#include "portraitseg/core/stopwatch.h"
#include "portraitseg/engine/machine_speed.h"
#include "portraitseg/engine/training_step.h"
#include "portraitseg/models/summary.h"

namespace portraitseg {
namespace {

using Clock = std::chrono::steady_clock;

constexpr double kRoundSeconds = 0.3;

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

  /// What fused operators took; the call that they ran in is booked already, and gives way.
  void add_fused(const std::string& kind, double seconds) {
    seconds_.erase("compiled network backward");
    seconds_[kind] += seconds;
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
  if (name.back() == '>') name.pop_back();     // "CppNode<portraitseg::LossGradient>"
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

/// What is measured: a training step, or an inference, on made-up data.
class Pass {
 public:
  Pass(const RunConfig& config, const Device& device, const NetworkBenchmarkOptions& options)
      : config_(config), device_(device), options_(options), model_(config.model.options->build()) {
    device.place(*model_);
    model_->train(options.train);
    batch_.image = random_images();
    if (options.train) {
      if (!config.distillation.teacher.empty()) teacher_ = std::make_unique<Teacher>(config, device);
      step_ =
          std::make_unique<TrainingStep>(*model_, config.losses, config.optimizer, device, teacher_.get());
      if (step_->loss_sum().needs_deformed()) batch_.deformed = random_images();
      draw_targets();
    } else {
      runner_ = std::make_unique<ModelRunner>(*model_, device, ModelRunner::Purpose::kInference);
    }
  }

  void run() {
    if (options_.train) {
      step_->run(batch_, config_.optimizer.options->lr);
    } else {
      infer();
    }
  }

  /// As run(), booking its parts.
  void run(Ledger& books) {
    OperatorSeconds fused;
    ModelRunner& runner = options_.train ? step_->runner() : *runner_;
    runner.profile(&fused);
    if (options_.train) {
      const BatchOutputs outputs = step_->outputs(batch_);
      books.phase("loss");
      const std::vector<torch::Tensor> terms = step_->losses(outputs, batch_);
      torch::Tensor total = terms.front();
      for (std::size_t i = 1; i < terms.size(); ++i) total = total + terms[i];
      books.phase("optimizer");
      step_->optimizer().zero_grad();
      books.phase("");
      total.backward();
      books.phase("optimizer");
      step_->optimizer().step(config_.optimizer.options->lr);
      books.phase("");
    } else {
      infer();
    }
    runner.profile(nullptr);
    // A compiled network has no more threads at work than images.
    const auto threads = static_cast<double>(std::min(device_.threads(), options_.batch));
    for (const auto& [kind, seconds] : fused) books.add_fused(kind, seconds / threads);
  }

  const std::string& obstacle() const {
    return options_.train ? step_->runner().obstacle() : runner_->obstacle();
  }

 private:
  void infer() {
    const torch::NoGradGuard no_grad;
    runner_->forward(batch_.image).mask.to(torch::kCPU);
  }

  torch::Tensor random_images() const {
    const auto& size = config_.preprocessing.size;
    return torch::randn({options_.batch, config_.preprocessing.channels(), size[0], size[1]});
  }

  void draw_targets() {
    const auto& size = config_.preprocessing.size;
    const BatchOutputs outputs = step_->outputs(batch_);
    for (const auto& target : step_->loss_sum().targets(outputs.image, size[0])) {
      std::vector<torch::Tensor> all;
      for (std::int64_t i = 0; i < options_.batch; ++i) {
        const cv::Mat label = draw_label(i, {static_cast<int>(size[1]), static_cast<int>(size[0])});
        const cv::Mat made = make_target(target, label, config_.trainer.edge_kernel);
        all.push_back(torch::from_blob(made.data, {made.rows, made.cols}, torch::kUInt8).clone());
      }
      batch_.targets[target] = torch::stack(all);
    }
  }

  const RunConfig& config_;
  const Device& device_;
  const NetworkBenchmarkOptions& options_;
  std::shared_ptr<SegmentationModel> model_;
  std::unique_ptr<Teacher> teacher_;
  std::unique_ptr<TrainingStep> step_;
  std::unique_ptr<ModelRunner> runner_;
  Batch batch_;
};

ModelSummary summarize(const RunConfig& config) {
  const auto& size = config.preprocessing.size;
  return portraitseg::summarize(*config.model.options->build(), size[0], size[1]);
}

/// Seconds a pass, in a round of its own.
double round_seconds(Pass& pass) {
  const auto start = Clock::now();
  std::int64_t passes = 0;
  do {
    pass.run();
    ++passes;
  } while (seconds_since(start) < kRoundSeconds);
  return seconds_since(start) / static_cast<double>(passes);
}

double peak_memory_mib() {
  rusage usage = {};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024;
}

TimeFloor time_floor(const ModelSummary& summary, const NetworkBenchmarkOptions& options, bool two_views,
                     std::int64_t threads) {
  double elements = 0;
  for (const auto& layer : summary.layers) {
    double product = 1;
    for (const auto length : layer.output) product *= static_cast<double>(length);
    elements += product;
  }
  // A training writes and reads outputs and their gradients, and reads the outputs again on the way back.
  const double views = two_views ? 2 : 1;
  const double traffic = views * (options.train ? 5 : 2);
  const MachineSpeed machine = measure_machine(threads);
  TimeFloor floor;
  floor.multiply_adds = views * static_cast<double>(summary.multiply_adds) * (options.train ? 3 : 1);
  floor.multiply_adds_per_second = machine.multiply_adds_per_second;
  floor.compute_ms = 1000 * floor.multiply_adds / machine.multiply_adds_per_second;
  floor.bytes = traffic * sizeof(float) * elements;
  floor.bytes_per_second = machine.bytes_per_second;
  floor.memory_ms = 1000 * floor.bytes / machine.bytes_per_second;
  return floor;
}

void measure(Pass& pass, const NetworkBenchmarkOptions& options, NetworkBenchmark& result) {
  pass.run();  // warms everything up
  std::vector<double> rounds;
  for (std::int64_t round = 0; round < options.rounds; ++round) {
    rounds.push_back(1000 * round_seconds(pass) / static_cast<double>(options.batch));
    if (options.progress) options.progress(round + 1, options.rounds);
  }
  std::sort(rounds.begin(), rounds.end());
  result.ms = (rounds[(rounds.size() - 1) / 2] + rounds[rounds.size() / 2]) / 2;
  result.ms_min = rounds.front();
  result.ms_max = rounds.back();
  result.peak_memory_mib = peak_memory_mib();  // before the floor's arrays

  Ledger books;
  const Booking booking(books);
  const auto start = Clock::now();
  pass.run(books);
  result.operators = books.shares(seconds_since(start));
}

}  // namespace

std::vector<LossTerm> natural_losses(const RunConfig& config) {
  const auto term = [](const std::string& name, const std::string& output, const std::string& target,
                       double weight) {
    LossTerm made;
    made.name = name;
    made.options = made.registry->at(name)();
    made.output = output;
    made.target = target;
    made.weight = weight;
    return made;
  };
  bool boundary = false, one_class = false;
  for (const auto& [output, shape] : summarize(config).outputs) {
    boundary = boundary || output == "boundary";
    one_class = one_class || (output == "mask" && shape[1] == 1);
  }
  if (one_class) return {term("lovasz_hinge", "mask", "label", 1)};
  std::vector<LossTerm> terms = {term("cross_entropy", "mask", "label", 1)};
  if (!boundary) return terms;
  terms.push_back(terms.front());
  terms.back().view = View::kDeformed;
  terms.push_back(term("focal", "boundary", "contour", 0.1));
  terms.push_back(term("consistency", "mask", "label", 2));
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
    Pass pass(config, device, options);
    measure(pass, options, result);
    result.obstacle = pass.obstacle();
    result.floor = time_floor(summary, options, options.train && LossSum(config.losses).needs_deformed(),
                              result.threads);
  } catch (const c10::Error& error) {
    const std::string text = error.what_without_backtrace();
    if (text.find("memory") != std::string::npos) throw;
    throw UserError("the network cannot take " + std::to_string(options.batch) + " images of " +
                    std::to_string(size[0]) + "x" + std::to_string(size[1]) + ": " + text);
  }
  return result;
}

}  // namespace portraitseg
