#include "portraitseg/engine/run_config.h"

#include "portraitseg/metrics/protocol.h"

namespace portraitseg {
namespace {

RunConfig read(const Config& config) {
  RunConfig run;
  config.read(run);
  return run;
}

}  // namespace

void TrainerOptions::fields(Fields& f) {
  f("epochs", epochs, "passes over the training list", {1, 1e6});
  f("batch_size", batch_size, "images a step", {1, 65536});
  f("seed", seed, "of initialisation, order and augmentation", {0, 9e15});
  f("edge_kernel", edge_kernel, "px; the target edge_band is dilate - erode with this kernel", {1, 511});
  f("checkpoint_every", checkpoint_every, "batches between checkpoints within an epoch; 0: at its end only",
    {0, 1e9});
}

void EvaluationOptions::fields(Fields& f) {
  f.choice("protocol", protocol, protocols().names(), "of the validation after each epoch");
  f.choice("select_by", select_by, {"iou_foreground", "miou", "miou_per_image"},
           "the best checkpoint has the highest");
  f("batch_size", batch_size, "images a forward pass", {1, 65536});
}

void RunConfig::fields(Fields& f) {
  f.group("model", model, "the network");
  f.group("preprocessing", preprocessing, "from image to network input");
  f.group("data", data, "the data set");
  f.group("augment", augment, "of training images");
  f.list("losses", losses, "their weighted sum is minimised");
  f.group("optimizer", optimizer, "update rule");
  f.group("schedule", schedule, "learning rate by epoch");
  f.group("trainer", trainer, "length and batches");
  f.group("evaluation", evaluation, "validation after each epoch");
  f.group("device", device, "where it runs");
  f.check(!losses.empty(), "losses", "expected at least one");
}

RunConfig RunConfig::load(const std::filesystem::path& file, const std::vector<std::string>& overrides) {
  return read(Config::load(file, overrides));
}

RunConfig RunConfig::parse(const std::string& yaml, const std::string& source,
                           const std::vector<std::string>& overrides) {
  return read(Config::parse(yaml, source, overrides));
}

std::string RunConfig::yaml() const {
  RunConfig copy = *this;  // a pass over fields may write; this one only reads
  return ConfigWriter::yaml(copy);
}

LoaderOptions RunConfig::loader() const {
  return {preprocessing,       augment,
          trainer.batch_size,  data.workers,
          trainer.edge_kernel, static_cast<std::uint64_t>(trainer.seed),
          data.on_error};
}

}  // namespace portraitseg
