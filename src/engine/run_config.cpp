#include "portraitseg/engine/run_config.h"

#include <algorithm>
#include <set>

#include "portraitseg/engine/stage.h"
#include "portraitseg/metrics/protocol.h"

namespace portraitseg {
namespace {

const Names<OnNan> kOnNan = {{"stop", OnNan::kStop}, {"skip", OnNan::kSkip}};

/// @return what is wrong between the losses and the teacher; "": nothing
std::string teacher_mistake(const RunConfig& config) {
  const bool wanted = std::any_of(config.losses.begin(), config.losses.end(), [](const LossTerm& term) {
    return term.compares_with(Counterpart::kTeacher);
  });
  if (wanted == !config.distillation.teacher.empty()) return "";
  return wanted ? "the loss distillation needs a teacher: distillation.teacher names none"
                : "distillation.teacher names a teacher, but there is no loss distillation";
}

}  // namespace

void TrainerOptions::fields(Fields& f) {
  f("epochs", epochs, "passes over the training list", {1, 1e6});
  f("batch_size", batch_size, "images a step", {1, 65536});
  f("seed", seed, "of initialisation, order and augmentation", {0, 9e15});
  f("edge_kernel", edge_kernel, "odd; the target edge_band is dilate - erode of the label with this kernel",
    {3, 511});
  f.check(edge_kernel % 2 == 1, "edge_kernel", "must be odd");
  f("checkpoint_every", checkpoint_every, "batches between checkpoints within an epoch; 0: at its end only",
    {0, 1e9});
  f("accumulate", accumulate, "batches whose gradients' mean makes one update", {1, 65536});
  f("ema_decay", ema_decay, "of the weights' moving average, evaluated beside them; 0: none", {0, 0.999999});
  f("patience", patience, "epochs without a better one after which it ends; 0: it never does", {0, 1e6});
  f.choice("on_nan", on_nan, kOnNan, "a loss or gradient that is not finite: stop, or skip the step");
}

void DistillationConfig::fields(Fields& f) {
  f("teacher", teacher,
    "weights file with its configuration, run folder, or earlier stage (encoder/best); '': none");
}

void EvaluationOptions::fields(Fields& f) {
  f.choice("protocol", protocol, protocols().names(), "of the validation after each epoch");
  f.choice("select_by", select_by, {"iou_foreground", "miou", "miou_per_image"},
           "the best checkpoint has the highest");
  const bool classes = protocols().at(protocol).counting == Protocol::Counting::kClasses;
  f.check(!classes || select_by == "miou", "select_by",
          "the protocol " + protocol + " has no " + select_by + "; set evaluation.select_by to miou");
  f("best_from", best_from, "share of the epochs before the first that can be the best; clova: 0.6", {0, 1});
  f("batch_size", batch_size, "images a forward pass", {1, 65536});
}

void RunConfig::fields(Fields& f) {
  f.group("model", model, "the network");
  f.group("preprocessing", preprocessing, "from image to network input");
  f.group("data", data, "the data set");
  f.group("augment", augment, "of training images");
  f.list("losses", losses, "their weighted sum is minimised");
  f.group("distillation", distillation, "another network to learn from");
  f.group("optimizer", optimizer, "update rule");
  f.group("schedule", schedule, "course of the learning rate");
  f.group("trainer", trainer, "length and batches");
  f.group("evaluation", evaluation, "validation after each epoch");
  f.group("device", device, "where it runs");
  f.check(augment.prior.probability == 0 || preprocessing.prior_channel, "augment",
          "augment.prior.probability is above 0, but the network gets no prior: preprocessing.prior_channel "
          "is false");
  f.check(!preprocessing.prior_channel || model.options->input_channels() == 4, "preprocessing",
          "preprocessing.prior_channel is true, but " + model.name +
              " takes 3 channels; the option model.prior_channel (of portraitnet) gives it a fourth");
  f.check(!losses.empty(), "losses", "expected at least one");
  std::set<std::string> titles;
  for (const auto& term : losses) {
    f.check(titles.insert(term.title()).second, "losses",
            "two terms are " + term.title() + "; add their weights up in one");
  }
  const std::string mistake = teacher_mistake(*this);
  f.check(mistake.empty(), "losses", mistake);
}

RunConfig RunConfig::load(const std::filesystem::path& file, const std::vector<std::string>& overrides) {
  return TrainingPlan::load(file, overrides).stages.back().config;
}

RunConfig RunConfig::parse(const std::string& yaml, const std::string& source,
                           const std::vector<std::string>& overrides) {
  RunConfig run;
  Config::parse(yaml, source, overrides).read(run);
  return run;
}

std::string RunConfig::yaml() const {
  RunConfig copy = *this;  // a pass over fields may write; this one only reads
  return ConfigWriter::yaml(copy);
}

LoaderOptions RunConfig::loader() const {
  LoaderOptions options;
  options.preprocessing = preprocessing;
  options.augment = augment;
  for (const auto& term : losses) options.deformed = options.deformed || term.needs_deformed();
  options.batch_size = trainer.batch_size;
  options.workers = data.workers;
  options.edge_kernel = trainer.edge_kernel;
  options.seed = static_cast<std::uint64_t>(trainer.seed);
  options.on_error = data.on_error;
  return options;
}

}  // namespace portraitseg
