#include "portraitseg/report/run_report.h"

#include <algorithm>
#include <chrono>

#include "portraitseg/core/error.h"
#include "portraitseg/core/file.h"
#include "portraitseg/report/csv.h"
#include "portraitseg/report/run_page.h"

namespace portraitseg {
namespace {

constexpr std::int64_t kSamples = 4, kEpochsWithPictures = 20;

double wall_time() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

std::string environment_of(const RunFolder& run) {
  return std::filesystem::exists(run.environment()) ? read_file(run.environment()) : "";
}

/// Whether `folder` is that of a run with stages.
bool holds_stages(const std::filesystem::path& folder) {
  try {
    return RunFolder::plan(folder).staged();
  } catch (const UserError&) {
    return false;
  }
}

/// Its folder's name, a stage's with that of its run before it.
std::string name_of(const RunFolder& run) {
  const std::filesystem::path path = std::filesystem::absolute(run.path()).lexically_normal();
  const std::filesystem::path above = path.parent_path();
  return ((holds_stages(above) ? above.filename() : std::filesystem::path()) / path.filename()).string();
}

}  // namespace

RunReport::RunReport(RunFolder run, Trainer& trainer, const Device& device, const TrainingClock& clock)
    : run_(std::move(run)),
      trainer_(trainer),
      device_(device),
      clock_(clock),
      samples_(trainer.val_set(), kSamples),
      events_(run_.events()),
      log_(run_.epoch_log()) {}

void RunReport::started(const Progress& progress) {
  write_file(run_.metrics(), metrics_csv(progress.history));
  const std::int64_t shown = events_.cut_behind(progress.epoch, wall_time());
  const std::int64_t logged = log_.cut_behind(progress.epoch);
  // Within an epoch the network is no longer that of the last record, and the page is there already.
  const bool between_epochs = progress.epoch > 0 && progress.current.batch == 0;
  const auto pictures = between_epochs ? draw() : std::vector<SamplePicture>();
  for (const EpochRecord& record : progress.history) {
    const bool last = record.epoch == progress.epoch;
    if (record.epoch > shown) add_events(record, 0, last ? pictures : std::vector<SamplePicture>());
    if (record.epoch > logged) log_.append(record, {});
  }
  if (between_epochs) write_page(progress, pictures);
}

void RunReport::epoch_finished(const Progress& progress, bool /*best*/) {
  write_file(run_.metrics(), metrics_csv(progress.history));
  const auto pictures = draw();
  log_.append(progress.history.back(), {clock_.epoch_seconds(), clock_.images_per_second()});
  add_events(progress.history.back(), clock_.images_per_second(), pictures);
  write_page(progress, pictures);
}

std::vector<SamplePicture> RunReport::draw() const {
  const RunConfig& config = trainer_.config();
  const Protocol& protocol = protocols().at(config.evaluation.protocol);
  return samples_.draw(trainer_.model(), config.preprocessing, protocol, device_);
}

void RunReport::write_page(const Progress& progress, std::vector<SamplePicture> pictures) const {
  const RunConfig& config = trainer_.config();
  RunPage page;
  page.name = name_of(run_);
  page.epochs = config.trainer.epochs;
  page.selected_by = config.evaluation.select_by;
  page.progress = progress;
  page.samples = std::move(pictures);
  if (protocols().at(config.evaluation.protocol).counting == Protocol::Counting::kClasses)
    page.classes = std::max<std::int64_t>(2, config.model.options->num_classes);
  page.config = config.yaml();
  page.environment = environment_of(run_);
  write_file(run_.report(), run_page(page));
}

void RunReport::add_events(const EpochRecord& record, double images_per_second,
                           const std::vector<SamplePicture>& pictures) {
  Event event;
  event.wall_time = wall_time();
  event.step = record.epoch;
  event.scalars = {{"loss/total", record.train_loss}, {"learning_rate", record.lr}};
  for (const auto& [title, value] : record.loss_terms) event.scalars.push_back({"loss/" + title, value});
  for (const auto& [name, value] : record.validation) event.scalars.push_back({"validation/" + name, value});
  if (images_per_second > 0) event.scalars.push_back({"speed/images_per_second", images_per_second});
  if (has_pictures(record.epoch, trainer_.config().trainer.epochs)) {
    for (const auto& [id, height, width, png] : pictures)
      event.images.push_back({"samples/" + id, height, width, png});
  }
  events_.append(event);
}

bool has_pictures(std::int64_t epoch, std::int64_t epochs) {
  const std::int64_t every = (epochs + kEpochsWithPictures - 1) / kEpochsWithPictures;
  return epoch == 1 || epoch == epochs || epoch % every == 0;
}

}  // namespace portraitseg
