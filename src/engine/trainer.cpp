#include "portraitseg/engine/trainer.h"

#include <cmath>

#include <torch/torch.h>

#include "portraitseg/core/error.h"

namespace portraitseg {
namespace {

/// Brings a target to the size of logits at a fraction of it, by nearest neighbour (encoder stages answer at 1/8).
torch::Tensor at_size_of(const torch::Tensor& logits, const torch::Tensor& target) {
  if (logits.size(2) == target.size(1) && logits.size(3) == target.size(2)) return target;
  return torch::upsample_nearest2d(target.unsqueeze(1), {logits.size(2), logits.size(3)}).squeeze(1);
}

}  // namespace

Trainer::Trainer(RunConfig config, const Device& device) : config_(std::move(config)), device_(device) {
  const DatasetOptions& data = *config_.data.options;
  train_set_ = data.open(config_.data.train_list, config_.data.on_error);
  val_set_ = data.open(config_.data.val_list, config_.data.on_error);
  config_.data.train_list = train_set_->list.string();
  config_.data.val_list = val_set_->list.string();
  for (const auto& term : config_.losses) losses_.emplace_back(term, term.options->build());
  try_out();
  torch::manual_seed(static_cast<std::uint64_t>(config_.trainer.seed));
  model_ = config_.model.options
               ->build();  // initialised on the CPU, so that every device starts from the same values
  model_->to(device.torch_device());
  optimizer_ = std::make_unique<Adam>(*model_, config_.optimizer);
}

/// Input size, outputs and losses that do not fit together show here, before a run folder is made.
void Trainer::try_out() const {
  const torch::NoGradGuard no_grad;
  const std::int64_t rest =
      train_set_->size() % config_.trainer.batch_size;  // the smallest batch, if there is a rest
  const std::int64_t n = rest > 0 ? rest : config_.trainer.batch_size;
  const std::int64_t height = config_.preprocessing.size[0], width = config_.preprocessing.size[1];
  const auto label = torch::zeros({n, height, width}, torch::kUInt8);
  const auto model = config_.model.options->build();
  model->to(device_.torch_device());
  model->train();
  try {
    weighted_losses(*model,
                    {torch::zeros({n, 3, height, width}), {{"label", label}, {"edge_band", label}}, {}});
  } catch (const c10::Error& error) {
    throw UserError("the network cannot train on a batch of " + std::to_string(n) + " images of " +
                    std::to_string(height) + "x" + std::to_string(width) + ": " +
                    error.what_without_backtrace());
  }
}

void Trainer::resume(const RunFolder& run) {
  if (std::filesystem::exists(run.last())) progress_ = load_checkpoint(run.last(), *model_, *optimizer_);
}

bool Trainer::train(const RunFolder& run, const std::vector<TrainingObserver*>& observers,
                    const std::function<bool()>& stop) {
  observers_ = observers;
  tell([&](auto& o) { o.started(progress_); });
  for (const auto& set : {std::cref(*train_set_), std::cref(*val_set_)}) {
    for (const auto& reason : set.get().skipped) tell([&](auto& o) { o.skipped(reason); });
  }
  while (progress_.epoch < config_.trainer.epochs) {
    if (!train_epoch(run, stop)) return false;
    finish_epoch(run);
    if (stop() && progress_.epoch < config_.trainer.epochs) return false;
  }
  return true;
}

bool Trainer::train_epoch(const RunFolder& run, const std::function<bool()>& stop) {
  const std::int64_t batches = EpochLoader::batches(*train_set_, config_.trainer.batch_size);
  EpochLoader loader(*train_set_, config_.loader(), progress_.epoch, progress_.batch);
  model_->train();
  while (progress_.batch < batches) {
    const Batch batch = *loader.next();
    for (const auto& reason : batch.skipped) tell([&](auto& o) { o.skipped(reason); });
    progress_.skipped += static_cast<std::int64_t>(batch.skipped.size());
    if (batch.image.size(0) > 0) train_step(batch);
    ++progress_.batch;
    tell([&](auto& o) { o.stepped(progress_, batches); });
    if (stop()) {
      save(run.last());
      return false;
    }
    const std::int64_t every = config_.trainer.checkpoint_every;
    if (every > 0 && progress_.batch % every == 0 && progress_.batch < batches) save(run.last());
  }
  return true;
}

std::vector<torch::Tensor> Trainer::weighted_losses(SegmentationModel& model, const Batch& batch) const {
  const SegmentationOutput output = model.forward(device_.move(batch.image, torch::kFloat32));
  std::vector<torch::Tensor> values;
  for (const auto& [term, loss] : losses_) {
    const torch::Tensor& logits = output.at(term.output);
    const torch::Tensor target = at_size_of(logits, batch.targets.at(term.target));
    values.push_back(term.weight * loss->forward(logits, device_.move(target, torch::kInt64)));
  }
  return values;
}

void Trainer::train_step(const Batch& batch) {
  const std::vector<torch::Tensor> values = weighted_losses(*model_, batch);
  torch::Tensor total = values.front();
  for (std::size_t i = 1; i < values.size(); ++i) total = total + values[i];

  const double loss = total.item<double>();
  if (!std::isfinite(loss)) {
    throw UserError("the loss is " + std::to_string(loss) + " in epoch " +
                    std::to_string(progress_.epoch + 1) + ", batch " + std::to_string(progress_.batch + 1) +
                    "; the last checkpoint is from before; lower optimizer.lr");
  }
  optimizer_->zero_grad();
  total.backward();
  optimizer_->step(learning_rate());
  for (std::size_t i = 0; i < losses_.size(); ++i) {
    progress_.term_sums[losses_[i].first.title()] += values[i].item<double>();
  }
  progress_.loss_sum += loss;
  ++progress_.steps;
}

void Trainer::finish_epoch(const RunFolder& run) {
  if (progress_.steps == 0) throw DataError(train_set_->list, "no image of the list could be used");
  EvaluatorOptions options;
  options.batch_size = config_.evaluation.batch_size;
  options.workers = config_.data.workers;
  options.on_error = config_.data.on_error;
  options.progress = [&](std::int64_t done, std::int64_t total) {
    tell([&](auto& o) { o.validating(done, total); });
  };
  const Evaluation evaluation = evaluate(*model_, config_.preprocessing, *val_set_,
                                         protocols().at(config_.evaluation.protocol), options, device_);
  for (const auto& reason : evaluation.skipped) tell([&](auto& o) { o.skipped(reason); });
  const Metrics metrics = evaluation.metrics();
  EpochRecord record;
  const auto steps = static_cast<double>(progress_.steps);
  record.epoch = progress_.epoch + 1;
  record.lr = learning_rate();
  record.skipped = progress_.skipped + static_cast<std::int64_t>(evaluation.skipped.size());
  record.train_loss = progress_.loss_sum / steps;
  for (const auto& [title, sum] : progress_.term_sums) record.loss_terms[title] = sum / steps;
  for (const char* name : {"iou_foreground", "iou_background", "miou", "miou_per_image"})
    record.validation[name] = metrics.at(name);
  for (const auto& [kernel, value] : metrics.boundary_f1)
    record.validation["boundary_f1_" + std::to_string(kernel)] = value;

  const double value = record.validation.at(config_.evaluation.select_by);
  const bool best = progress_.best_epoch == 0 || value > progress_.best_value;
  progress_.epoch = record.epoch;
  progress_.batch = 0;
  progress_.steps = 0;
  progress_.loss_sum = 0;
  progress_.term_sums.clear();
  progress_.skipped = 0;
  progress_.history.push_back(record);
  if (best) {
    progress_.best_epoch = record.epoch;
    progress_.best_value = value;
    save(run.best());  // before `last`: a run killed in between repeats the epoch and writes the same best
  }
  save(run.last());
  tell([&](auto& o) { o.epoch_finished(progress_, best); });
}

void Trainer::save(const std::filesystem::path& path) const {
  save_checkpoint(path, *model_, *optimizer_, config_, progress_);
}

double Trainer::learning_rate() const {
  return config_.optimizer.lr * config_.schedule.factor(progress_.epoch, config_.trainer.epochs);
}

}  // namespace portraitseg
