#include "portraitseg/engine/plan_check.h"

#include <algorithm>
#include <map>
#include <string>

#include <torch/types.h>
#include <torch/utils.h>

#include "portraitseg/core/error.h"
#include "portraitseg/engine/loss_sum.h"
#include "portraitseg/engine/optimizer.h"
#include "portraitseg/engine/run_folder.h"
#include "portraitseg/engine/teacher.h"
#include "portraitseg/engine/within_memory.h"
#include "portraitseg/metrics/protocol.h"
#include "portraitseg/weights/state_dict.h"
#include "portraitseg/weights/weights_file.h"

namespace portraitseg {
namespace {

/// A mistake in what a key of the configuration says.
class KeyError : public UserError {
 public:
  KeyError(std::string key, const std::string& message) : UserError(message), key_(std::move(key)) {}

  const std::string& key() const { return key_; }

 private:
  std::string key_;
};

/// Blames the key for what is wrong with the work.
template <class Work>
void about(const char* key, const Work& work) {
  try {
    work();
  } catch (const UserError& error) {
    throw KeyError(key, error.what());
  }
}

/// Gives the mistakes that work on a stage finds its name and the place of the key.
template <class Work>
void for_each_stage(const TrainingPlan& plan, const Work& work) {
  for (std::size_t i = 0; i < plan.stages.size(); ++i) {
    const std::string stage = plan.staged() ? "stage " + plan.stages[i].name + ": " : "";
    try {
      work(i);
    } catch (const KeyError& error) {
      const bool named = std::string(error.what()).rfind(error.key(), 0) == 0;  // perhaps a key below
      const std::string message = (named ? "" : error.key() + ": ") + stage + error.what();
      const Place place = plan.place(i, error.key());
      if (place.source.empty()) throw UserError(message);
      throw ConfigError(place, message);
    } catch (const UserError& error) {
      throw UserError(stage + error.what());
    }
  }
}

/// The sizes of a batch that shows what the real one would, in little time: BatchNorm needs two images.
std::vector<std::int64_t> small_batch(const RunConfig& config, const SegmentationModel& model) {
  constexpr std::int64_t kMultiples = 4;
  const auto smaller = [&](std::int64_t size) {
    const std::int64_t multiple = model.size_multiple();
    return size % multiple == 0 ? std::min(size, kMultiples * multiple) : size;  // else it is refused
  };
  const std::vector<std::int64_t>& size = config.preprocessing.size;
  return {2, config.preprocessing.channels(), smaller(size[0]), smaller(size[1])};
}

/// What a stage leaves, as far as that is known before it is trained.
struct End {
  const RunConfig* config;
  TensorFile weights;
};

/// @param ends of the stages before
End check_stage(const TrainingPlan& plan, std::size_t i, const std::map<std::string, End>& ends) {
  const RunConfig& config = plan.stages[i].config;
  const Device cpu(DeviceOptions{"cpu", config.device.threads});
  const auto model = config.model.options->build();
  try_out(config, cpu, small_batch(config, *model));
  if (const auto start = plan.start(i)) {
    about("init_from",
          [&] { load_matching(*model, ends.at(start->stage).weights, plan.stages[i].init_from); });
  } else if (!config.model.init_from.empty()) {
    about("model.init_from", [&] {
      const std::filesystem::path file = trained_weights(config.model.init_from);
      load_matching(*model, read_weights(file), file);
    });
  }
  about("distillation.teacher", [&] {
    if (const auto teacher = plan.teacher(i)) {
      require_teacher_fits(config.distillation.teacher, *ends.at(teacher->stage).config, config);
    } else if (!config.distillation.teacher.empty()) {
      Teacher(config, cpu);
    }
  });
  about("optimizer.groups", [&] { Optimizer(*model, config.optimizer); });  // its patterns
  return {&config, {state_dict(*model), {}}};
}

}  // namespace

std::vector<Target> try_out(const RunConfig& config, const Device& device,
                            const std::vector<std::int64_t>& sizes) {
  if (config.model.options->input_channels() == 4 && config.augment.prior.probability == 0) {
    throw UserError(
        "the network's prior channel would always be empty: set preprocessing.prior_channel to true and "
        "augment.prior.probability above 0 (PortraitNet: 0.5), or model.prior_channel to false");
  }
  const torch::NoGradGuard no_grad;
  const auto model = config.model.options->build();
  device.place(*model);
  model->train();
  try {
    std::vector<Target> targets;
    within_memory(sizes, [&] {
      Batch batch;
      batch.image = torch::zeros(sizes);
      SegmentationOutput output;
      about("preprocessing.size", [&] { output = model->forward(device.move(batch.image, device.dtype())); });
      about("evaluation.protocol",
            [&] { protocols().at(config.evaluation.protocol).check_classes(output.mask.size(1)); });
      about("losses", [&] {
        const LossSum losses(config.losses);
        targets = losses.targets(output, sizes[2]);
        for (const auto& target : targets) {
          batch.targets[target] =
              torch::zeros({sizes[0], sizes[2] / target.stride, sizes[3] / target.stride}, torch::kUInt8);
        }
        losses({output, output, output.mask}, batch, device);  // a teacher answers alike
      });
    });
    return targets;
  } catch (const c10::Error& error) {
    throw UserError("the network cannot train on a batch of " + std::to_string(sizes[0]) + " images of " +
                    std::to_string(sizes[2]) + "x" + std::to_string(sizes[3]) + ": " +
                    error.what_without_backtrace());
  }
}

void check_plan(const TrainingPlan& plan) {
  std::map<std::string, End> ends;
  for_each_stage(plan, [&](std::size_t i) { ends[plan.stages[i].name] = check_stage(plan, i, ends); });
}

void check_devices(const TrainingPlan& plan) {
  for_each_stage(plan, [&](std::size_t i) {
    const DeviceOptions& wanted = plan.stages[i].config.device;
    DeviceOptions device;
    device.name = wanted.name;
    if (device.name == "auto" || device.name == "cuda" || device.name.rfind("cuda:", 0) == 0) return;
    about("device.name", [&] { Device{device}; });
    device.precision = wanted.precision;
    about("device.precision", [&] { Device{device}; });
    device.cuda_graphs = wanted.cuda_graphs;
    about("device.cuda_graphs", [&] { Device{device}; });
  });
}

}  // namespace portraitseg
