#include "portraitseg/sweep/cost.h"

#include <algorithm>

#include "portraitseg/engine/network_benchmark.h"

namespace portraitseg {

TrialCost ImageCounter::cost(const TrainingPlan& plan) {
  TrialCost cost;
  for (const Stage& stage : plan.stages) {
    cost.last_epochs = stage.config.trainer.epochs;
    cost.epoch_images = count(stage.config);
    cost.epochs += cost.last_epochs;
    cost.images += cost.last_epochs * cost.epoch_images;
  }
  return cost;
}

std::int64_t ImageCounter::count(const RunConfig& config) {
  DataConfig data = config.data;
  const auto [known, is_new] = counts_.emplace(ConfigWriter::yaml(data), 0);
  if (is_new) {
    data.options->open(data.val_list, data.on_error);  // a mistake in it shows before hours of training
    known->second = data.options->open(data.train_list, data.on_error)->size();
  }
  return known->second;
}

std::string network_key(const TrainingPlan& plan) {
  TrainingPlan copy = plan;
  for (Stage& stage : copy.stages) {
    const TrainerOptions trainer = stage.config.trainer;
    stage.config.optimizer = {};
    stage.config.schedule = {};
    stage.config.trainer = {};
    stage.config.trainer.batch_size = trainer.batch_size;
  }
  return trial_id(copy);
}

double measured_ms_per_image(const TrainingPlan& plan, const TrialCost& cost, std::int64_t threads) {
  double total = 0;
  for (const Stage& stage : plan.stages) {
    RunConfig config = stage.config;
    config.device.threads = threads;
    NetworkBenchmarkOptions options;
    options.train = true;
    options.batch = config.trainer.batch_size;
    options.rounds = 1;
    const double ms = benchmark_network(config, Device(config.device), options).ms;
    total += ms * static_cast<double>(config.trainer.epochs) / static_cast<double>(cost.epochs);
  }
  return total;
}

double makespan(const std::vector<double>& seconds, std::int64_t workers) {
  std::vector<double> busy_until(static_cast<std::size_t>(std::max<std::int64_t>(workers, 1)));
  for (const double trial : seconds) *std::min_element(busy_until.begin(), busy_until.end()) += trial;
  return *std::max_element(busy_until.begin(), busy_until.end());
}

}  // namespace portraitseg
