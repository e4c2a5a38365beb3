#include "portraitseg/engine/checkpoint.h"

#include <algorithm>

#include <nlohmann/json.hpp>
#include <torch/types.h>

#include "portraitseg/core/error.h"
#include "portraitseg/weights/safetensors.h"
#include "portraitseg/weights/state_dict.h"

namespace portraitseg {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kConfigKey = "portraitseg.config";
constexpr const char* kProgressKey = "portraitseg.progress";

std::string generator_key() {
  return std::string(kTrainingPrefix) + "generator.cpu";
}

Json to_json(const Best& best) {
  return {{"epoch", best.epoch}, {"value", best.value}};
}

Best best_from_json(const Json& json) {
  return {json.at("epoch").get<std::int64_t>(), json.at("value").get<double>()};
}

Json to_json(const Progress& progress) {
  Json history = Json::array();
  for (const auto& record : progress.history) {
    history.push_back({{"epoch", record.epoch},
                       {"lr", record.lr},
                       {"skipped", record.skipped},
                       {"train_loss", record.train_loss},
                       {"loss_terms", record.loss_terms},
                       {"val_protocol", record.val_protocol},
                       {"val_list_sha256", record.val_list_sha256},
                       {"val_images", record.val_images},
                       {"validation", record.validation}});
  }
  return {{"epoch", progress.epoch},
          {"batch", progress.current.batch},
          {"steps", progress.current.steps},
          {"loss_sum", progress.current.loss_sum},
          {"term_sums", progress.current.term_sums},
          {"skipped", progress.current.skipped},
          {"not_finite", progress.current.not_finite},
          {"best", to_json(progress.best)},
          {"best_ema", to_json(progress.best_ema)},
          {"history", history},
          {"train_list_sha256", progress.train_list_sha256},
          {"train_images", progress.train_images},
          {"teacher_sha256", progress.teacher_sha256}};
}

Progress from_json(const Json& json) {
  Progress progress;
  json.at("epoch").get_to(progress.epoch);
  json.at("batch").get_to(progress.current.batch);
  json.at("steps").get_to(progress.current.steps);
  json.at("loss_sum").get_to(progress.current.loss_sum);
  json.at("term_sums").get_to(progress.current.term_sums);
  json.at("skipped").get_to(progress.current.skipped);
  if (json.contains("best")) {
    progress.best = best_from_json(json.at("best"));
    progress.best_ema = best_from_json(json.at("best_ema"));
    json.at("not_finite").get_to(progress.current.not_finite);
    json.at("teacher_sha256").get_to(progress.teacher_sha256);
  } else {  // before there were averaged weights
    progress.best = {json.at("best_epoch").get<std::int64_t>(), json.at("best_value").get<double>()};
  }
  json.at("train_list_sha256").get_to(progress.train_list_sha256);
  json.at("train_images").get_to(progress.train_images);
  for (const auto& item : json.at("history")) {
    EpochRecord record;
    item.at("epoch").get_to(record.epoch);
    item.at("lr").get_to(record.lr);
    item.at("skipped").get_to(record.skipped);
    item.at("train_loss").get_to(record.train_loss);
    item.at("loss_terms").get_to(record.loss_terms);
    item.at("val_protocol").get_to(record.val_protocol);
    item.at("val_list_sha256").get_to(record.val_list_sha256);
    item.at("val_images").get_to(record.val_images);
    item.at("validation").get_to(record.validation);
    progress.history.push_back(record);
  }
  return progress;
}

}  // namespace

void save_checkpoint(const std::filesystem::path& path, const TrainingState& state, const RunConfig& config,
                     const Progress& progress) {
  TensorFile file;
  file.tensors = state_dict(state.model);
  state.step.save(file);
  if (state.average != nullptr) state.average->save(file);
  file.tensors.emplace_back(generator_key(), at::detail::getDefaultCPUGenerator().get_state());
  store_config(file, config);
  file.metadata[kProgressKey] = to_json(progress).dump(-1, ' ', false, Json::error_handler_t::replace);
  write_safetensors(path, file);
}

Progress load_checkpoint(const TensorFile& file, const std::filesystem::path& path,
                         const TrainingState& state) {
  const Progress progress = stored_progress(file, path);
  const torch::Tensor* generator = file.find(generator_key());
  if (generator == nullptr) throw DataError(path, "holds weights but no checkpoint");
  load_state_dict(state.model, file, path);
  state.step.load(file, path);
  if (state.average != nullptr) state.average->load(file, path);
  auto cpu = at::detail::getDefaultCPUGenerator();
  try {
    cpu.set_state(*generator);
  } catch (const c10::Error& error) {
    throw DataError(path, std::string("its generator cannot be restored: ") + error.what_without_backtrace());
  }
  return progress;
}

Progress stored_progress(const TensorFile& file, const std::filesystem::path& path) {
  const auto text = file.metadata.find(kProgressKey);
  if (text == file.metadata.end()) throw DataError(path, "holds weights but no checkpoint");
  try {
    return from_json(Json::parse(text->second));
  } catch (const nlohmann::json::exception& error) {
    throw DataError(path, std::string("its progress cannot be read: ") + error.what());
  }
}

std::string stored_config(const TensorFile& file) {
  const auto config = file.metadata.find(kConfigKey);
  return config == file.metadata.end() ? "" : config->second;
}

void store_config(TensorFile& file, const RunConfig& config) {
  file.metadata[kConfigKey] = config.yaml();
}

RunConfig read_stored_config(const TensorFile& file, const std::filesystem::path& path,
                             const std::vector<std::string>& overrides) {
  const std::string stored = stored_config(file);
  if (stored.empty()) throw DataError(path, "carries no configuration; give one with --config");
  std::vector<std::string> all = {"device={}"};
  all.insert(all.end(), overrides.begin(), overrides.end());
  return RunConfig::parse(stored, path.string() + " (its configuration)", all);
}

TensorFile plain_weights(TensorFile file) {
  auto& tensors = file.tensors;
  const auto of_training = [](const auto& item) { return item.first.rfind(kTrainingPrefix, 0) == 0; };
  tensors.erase(std::remove_if(tensors.begin(), tensors.end(), of_training), tensors.end());
  file.metadata.erase(kProgressKey);
  return file;
}

}  // namespace portraitseg
