#include "portraitseg/engine/trainer.h"

#include <algorithm>
#include <chrono>
#include <cmath>

#include <torch/types.h>
#include <torch/utils.h>

#include "portraitseg/core/error.h"
#include "portraitseg/data/cached_dataset.h"
#include "portraitseg/data/sample.h"
#include "portraitseg/engine/plan_check.h"
#include "portraitseg/weights/safetensors.h"
#include "portraitseg/weights/weights_file.h"

namespace portraitseg {
namespace {

constexpr std::int64_t kShownNotFinite = 3;  // steps of an epoch

/// Those that are numbers: a class without a pixel has none.
void add_figures(std::map<std::string, double>& record, const std::string& prefix,
                 const Evaluation& evaluation) {
  for (const auto& [name, title, value] : evaluation.figures()) {
    if (!std::isnan(value)) record[prefix + name] = value;
  }
}

}  // namespace

Trainer::Trainer(RunConfig config, const Device& device, std::filesystem::path folder)
    : config_(std::move(config)), device_(device), folder_(std::move(folder)) {
  const DatasetOptions& data = *config_.data.options;
  train_set_ = std::make_unique<CachedDataset>(data.open(config_.data.train_list, config_.data.on_error),
                                               config_.data.cache);
  val_set_ = data.open(config_.data.val_list, config_.data.on_error);
  config_.data.train_list = train_set_->list.string();
  config_.data.val_list = val_set_->list.string();
  if (!config_.distillation.teacher.empty()) {
    RunConfig student = config_;
    student.distillation.teacher = from_folder(config_.distillation.teacher).string();
    teacher_ = std::make_unique<Teacher>(student, device);
  }
  const std::int64_t batch_size = config_.trainer.batch_size, rest = train_set_->size() % batch_size;
  targets_ = try_out(config_, device,  // the smallest batch
                     {rest > 0 ? rest : batch_size, config_.preprocessing.channels(),
                      config_.preprocessing.size[0], config_.preprocessing.size[1]});
  std::shared_ptr<SegmentationModel> averaged;  // before the seed, which is the network's alone
  if (config_.trainer.ema_decay > 0) {
    averaged = config_.model.options->build();
    device.place(*averaged);
  }
  torch::manual_seed(static_cast<std::uint64_t>(config_.trainer.seed));
  model_ = config_.model.options->build();  // on the CPU, so that every device starts from the same values
  device.place(*model_);
  model_->train();
  step_ = std::make_unique<TrainingStep>(*model_, config_.losses, config_.optimizer, device, teacher_.get());
  step_->keep_statistics(config_.trainer.on_nan == OnNan::kSkip);
  if (averaged) average_ = std::make_unique<WeightAverage>(*model_, averaged, config_.trainer.ema_decay);
  progress_.train_list_sha256 = train_set_->list_sha256;
  progress_.train_images = train_set_->size();
  if (teacher_) progress_.teacher_sha256 = teacher_->sha256();
}

std::filesystem::path Trainer::from_folder(const std::string& file) const {
  const bool link = std::filesystem::is_symlink(folder_);  // ".." counts from where it leads
  return ((link ? std::filesystem::canonical(folder_) : folder_) / file).lexically_normal();
}

/// Of an epoch.
std::int64_t Trainer::batches() const {
  return EpochLoader::batches(*train_set_, config_.trainer.batch_size);
}

void Trainer::require_whole_updates() const {
  if (config_.trainer.accumulate <= batches()) return;
  throw UserError("trainer.accumulate is " + std::to_string(config_.trainer.accumulate) +
                  ", but an epoch has only " + std::to_string(batches()) + " batches of " +
                  std::to_string(config_.trainer.batch_size) + " images");
}

void Trainer::read_first_images() const {
  require_whole_updates();
  LoaderOptions options = loader_options();
  options.workers = 0;  // reads no further than it is asked to
  const Batch batch = *EpochLoader(*train_set_, options, 0).next();
  const std::int64_t classes = std::max<std::int64_t>(2, config_.model.options->num_classes);
  for (const auto& [target, labels] : batch.targets) {
    const std::int64_t largest = labels.masked_fill(labels == kIgnore, 0).max().item<std::int64_t>();
    if (largest >= classes) {
      throw DataError(train_set_->list, "its masks have class " + std::to_string(largest) +
                                            ", but the network's are 0 to " + std::to_string(classes - 1));
    }
  }
  try {
    val_set_->get(0);
  } catch (const DataError&) {
    if (config_.data.on_error == OnError::kFail) throw;
  }
}

std::filesystem::path Trainer::start_file() const {
  const std::string& start = config_.model.init_from;
  return start.empty() ? std::filesystem::path() : trained_weights(from_folder(start));
}

std::optional<PartialLoad> Trainer::initialise() {
  const std::filesystem::path file = start_file();
  std::optional<PartialLoad> load;
  if (!file.empty()) load = load_matching(*model_, read_weights(file), file);
  if (average_) average_->restart();
  ready_ = true;
  return load;
}

std::optional<PartialLoad> Trainer::resume(const RunFolder& run) {
  if (!std::filesystem::exists(run.last())) {
    if (run.tells_of_epochs())
      throw DataError(run.last(), "is missing, and " + run.metrics().string() + " tells of epochs");
    return initialise();
  }
  const TensorFile file = read_safetensors(run.last());
  const std::string stored = stored_config(file);
  // Of an earlier version it may lack what was added since, and that has its default.
  if (stored != config_.yaml() && RunConfig::parse(stored, run.last().string()).yaml() != config_.yaml()) {
    throw DataError(run.config(), "is not the configuration of " + run.last().string() +
                                      "; a run is continued as it began");
  }
  progress_ = load_checkpoint(file, run.last(), state());
  if (progress_.train_list_sha256 != train_set_->list_sha256 ||
      progress_.train_images != train_set_->size()) {
    throw DataError(train_set_->list, "is not what the run began with: " +
                                          std::to_string(progress_.train_images) + " usable images then, " +
                                          std::to_string(train_set_->size()) + " now, or another list");
  }
  if (teacher_ && progress_.teacher_sha256 != teacher_->sha256())
    throw DataError(teacher_->file(), "is not the teacher that the run began with");
  ready_ = true;
  return std::nullopt;
}

bool Trainer::train(const RunFolder& run, const std::vector<TrainingObserver*>& observers,
                    const std::function<bool()>& stop) {
  if (!ready_) initialise();
  observers_ = observers;
  tell([&](auto& o) { o.started(progress_); });
  for (const auto& set : {std::cref(*train_set_), std::cref(*val_set_)}) {
    for (const auto& reason : set.get().skipped) tell([&](auto& o) { o.skipped(reason); });
  }
  while (!finished()) {
    if (stop() || !train_epoch(run, stop)) return false;
    finish_epoch(run);
  }
  return true;
}

bool Trainer::finished(const Progress& progress, const TrainerOptions& options) {
  if (progress.epoch >= options.epochs) return true;
  // A network that finds nothing yet has no best epoch that the others could fall short of.
  const auto found = [](const Best& best) { return best.value > 0 ? best.epoch : 0; };
  const std::int64_t last_better = std::max(found(progress.best), found(progress.best_ema));
  return options.patience > 0 && last_better > 0 && progress.epoch - last_better >= options.patience;
}

bool Trainer::train_epoch(const RunFolder& run, const std::function<bool()>& stop) {
  const std::int64_t batches = this->batches();
  EpochLoader loader(*train_set_, loader_options(), progress_.epoch, progress_.current.batch);
  model_->train();
  const std::int64_t every = config_.trainer.checkpoint_every;
  while (progress_.current.batch < batches) {
    const std::int64_t first = progress_.current.batch;
    const std::int64_t last = std::min(first + config_.trainer.accumulate, batches);
    update(loader, last);
    tell_obstacle();
    tell([&](auto& o) { o.stepped(progress_, batches); });
    if (stop()) {
      save(run.last());
      return false;
    }
    if (every > 0 && last / every > first / every && last < batches) save(run.last());
  }
  return true;
}

Batch Trainer::next_batch(EpochLoader& loader) {
  const auto start = std::chrono::steady_clock::now();
  Batch batch = *loader.next();
  const std::chrono::duration<double> waited = std::chrono::steady_clock::now() - start;
  tell([&](auto& o) { o.waited(waited.count()); });
  for (const auto& reason : batch.skipped) tell([&](auto& o) { o.skipped(reason); });
  progress_.current.skipped += static_cast<std::int64_t>(batch.skipped.size());
  return batch;
}

/// The batches that share an update.
struct Trainer::Group {
  std::vector<double> sums;  ///< of each loss term
  std::int64_t batches = 0, images = 0;
  bool finite = true;  ///< false: one of them was not, and the step is left out
};

/// One step, of the batches before `last`.
void Trainer::update(EpochLoader& loader, std::int64_t last) {
  const double lr = learning_rate();
  Group group;
  group.sums.resize(config_.losses.size());
  for (; progress_.current.batch < last; ++progress_.current.batch) {
    const Batch batch = next_batch(loader);
    if (batch.image.size(0) > 0) add(batch, group);
  }
  if (group.batches == 0 || !group.finite) return;
  try {
    step_->update(lr);
  } catch (const LossNotFinite& error) {
    return leave_out(error, last, group.images);
  }
  count(group);
  if (average_) average_->update();
}

void Trainer::add(const Batch& batch, Group& group) {
  const std::int64_t images = batch.image.size(0);
  group.images += images;
  ++group.batches;
  if (!group.finite) {
    progress_.current.skipped += images;
    return;
  }
  try {
    const std::vector<double> terms = step_->add(batch);
    for (std::size_t i = 0; i < terms.size(); ++i) group.sums[i] += terms[i];
  } catch (const LossNotFinite& error) {
    group.finite = false;
    leave_out(error, progress_.current.batch + 1, group.images);
  }
}

/// What trainer.on_nan says of a step that failed at this batch, from 1, after so many images.
void Trainer::leave_out(const LossNotFinite& error, std::int64_t batch, std::int64_t images) {
  const std::string text = std::string(error.what()) + " in epoch " + std::to_string(progress_.epoch + 1) +
                           ", batch " + std::to_string(batch);
  if (config_.trainer.on_nan == OnNan::kStop)
    throw UserError(text + "; the last checkpoint is from before; lower optimizer.lr");
  progress_.current.skipped += images;
  if (++progress_.current.not_finite > kShownNotFinite) return;
  tell([&](auto& o) { o.skipped(text + "; the network stays as it was"); });
}

void Trainer::tell_obstacle() {
  const std::string& obstacle = step_->runner().obstacle();
  if (obstacle.empty() || obstacle_told_) return;
  obstacle_told_ = true;
  tell([&](auto& o) { o.not_fused(obstacle); });
}

/// Adds a step's loss terms to the epoch's.
void Trainer::count(const Group& group) {
  for (std::size_t i = 0; i < group.sums.size(); ++i) {
    const double mean = group.sums[i] / static_cast<double>(group.batches);
    progress_.current.term_sums[config_.losses[i].title()] += mean;
    progress_.current.loss_sum += mean;
  }
  ++progress_.current.steps;
}

LoaderOptions Trainer::loader_options() const {
  LoaderOptions options = config_.loader();
  options.targets = targets_;
  options.pinned = device_.torch_device().is_cuda();
  return options;
}

/// Of the network and, where it is kept, of the weights' average.
std::vector<Evaluation> Trainer::validate() const {
  EvaluatorOptions options;
  options.batch_size = config_.evaluation.batch_size;
  options.workers = config_.data.workers;
  options.on_error = config_.data.on_error;
  options.metrics = recorded_metrics;
  options.progress = [&](std::int64_t done, std::int64_t total) {
    tell([&](auto& o) { o.validating(done, total); });
  };
  std::vector<EvaluatedNetwork> networks = {{model_.get(), config_.preprocessing}};
  if (average_) networks.push_back({&average_->network(), config_.preprocessing});
  return evaluate(networks, *val_set_, {protocols().at(config_.evaluation.protocol)}, options, device_);
}

/// What the epoch's training gives to its record.
EpochRecord Trainer::training_record() const {
  const auto steps = static_cast<double>(progress_.current.steps);
  EpochRecord record;
  record.epoch = progress_.epoch + 1;
  record.lr = learning_rate();
  record.skipped = progress_.current.skipped + static_cast<std::int64_t>(train_set_->skipped.size());
  record.train_loss = progress_.current.loss_sum / steps;
  for (const auto& [title, sum] : progress_.current.term_sums) record.loss_terms[title] = sum / steps;
  return record;
}

/// Takes the record into `best` if its value is higher. @param prefix of the validation's names
bool Trainer::improves(Best& best, const EpochRecord& record, const std::string& prefix) const {
  const auto epochs = static_cast<double>(config_.trainer.epochs);
  const bool counts = static_cast<double>(record.epoch - 1) >= config_.evaluation.best_from * epochs ||
                      record.epoch == config_.trainer.epochs;
  const double value = record.validation.at(prefix + config_.evaluation.select_by);
  if (!counts || (best.epoch > 0 && value <= best.value)) return false;
  best = {record.epoch, value};
  return true;
}

void Trainer::finish_epoch(const RunFolder& run) {
  if (progress_.current.not_finite > 0 && progress_.current.steps == 0) {
    throw UserError("no step of epoch " + std::to_string(progress_.epoch + 1) +
                    " had a finite loss and finite gradients; the last checkpoint is from before");
  }
  if (progress_.current.steps == 0) throw DataError(train_set_->list, "no image of the list could be used");
  EpochRecord record = training_record();
  const std::vector<Evaluation> evaluations = validate();
  const Evaluation& evaluation = evaluations.front();
  for (const auto& reason : evaluation.skipped) tell([&](auto& o) { o.skipped(reason); });
  record.skipped += static_cast<std::int64_t>(evaluation.skipped.size());
  record.val_protocol = evaluation.protocol.name;
  record.val_list_sha256 = evaluation.list_sha256;
  record.val_images = static_cast<std::int64_t>(evaluation.images.size());
  add_figures(record.validation, "", evaluation);
  if (average_) add_figures(record.validation, kEma, evaluations.back());
  progress_.epoch = record.epoch;
  progress_.current = {};
  progress_.history.push_back(record);
  // `last` after the others: a run killed in between repeats the epoch and writes the same ones.
  const bool best = improves(progress_.best, record, "");
  const bool best_ema = average_ && improves(progress_.best_ema, record, kEma);
  if (best) save(run.best());
  if (best_ema) save_average(run.best_ema());
  save(run.last());
  tell([&](auto& o) { o.epoch_finished(progress_, best); });
}

TrainingState Trainer::state() const {
  return {*model_, *step_, average_.get()};
}

void Trainer::save(const std::filesystem::path& path) const {
  save_checkpoint(path, state(), config_, progress_);
}

void Trainer::save_average(const std::filesystem::path& path) const {
  TensorFile file = average_->weights();
  store_config(file, config_);
  write_safetensors(path, file);
}

double Trainer::learning_rate() const {
  const std::int64_t batches = this->batches();
  // Once an epoch is through, its record asks for the learning rate of its last step.
  const std::int64_t accumulate = config_.trainer.accumulate;
  const std::int64_t batch = std::min(progress_.current.batch, batches - 1) / accumulate * accumulate;
  const SchedulePosition position{progress_.epoch, batch, batches, config_.trainer.epochs};
  return config_.optimizer.options->lr * config_.schedule.factor(position);
}

}  // namespace portraitseg
