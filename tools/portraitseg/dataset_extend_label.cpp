#include <algorithm>
#include <filesystem>
#include <map>

#include <CLI/CLI.hpp>
#include <spdlog/fmt/fmt.h>

#include "portraitseg/core/error.h"
#include "portraitseg/core/file.h"
#include "portraitseg/data/photos.h"
#include "portraitseg/data/write_image.h"
#include "portraitseg/engine/pseudo_label.h"
#include "portraitseg/report/review_page.h"

#include "dataset_extend.h"
#include "network_choice.h"
#include "options.h"
#include "output_place.h"
#include "terminal.h"

namespace portraitseg {
namespace {

namespace fs = std::filesystem;

constexpr const char* kList = "pseudo.txt";
constexpr int kOverlaySide = 1024;  // px
constexpr int kOverlayQuality = 85;

struct LabelArguments {
  NetworkArguments network;
  std::string images;
  std::int64_t workers = -1;
  ExtendOutput output;
  LabelLimits limits;
};

std::vector<std::pair<std::string, std::int64_t>> reasons(const PseudoLabels& labels) {
  std::map<std::string, std::int64_t> counts;
  for (const auto& photo : labels.photos()) {
    if (!photo.reason.empty()) ++counts[photo.reason];
  }
  return {counts.begin(), counts.end()};
}

std::shared_ptr<const PseudoLabels> label_photos(const LabelArguments& arguments, TrainedNetwork& trained) {
  RunConfig& config = trained.config;
  const std::shared_ptr<const Dataset> photos = open_photos(arguments.images, config.data.on_error);
  const std::string model = sha256(read_file(trained.path)) + "\n" + ConfigWriter::yaml(config.model);
  const std::string model_sha256 = sha256(model);
  ListOrigin origin = origin_of({kList, photos});
  origin.sha256 = pseudo_labels_sha256(*photos, model_sha256, config.preprocessing, arguments.limits);
  prepare_output({origin}, arguments.output);
  const Device device(config.device);
  const auto network = trained.build(device);
  ProgressBar bar("label");
  const ScanOptions scan = {config.data.workers,
                            [&](std::int64_t done, std::int64_t total) { bar.show(done, total); }};
  auto labels = std::make_shared<const PseudoLabels>(photos, *network, model_sha256, config.preprocessing,
                                                     arguments.limits, device, scan, config.data.on_error);
  if (labels->size() == 0) {
    throw DataError(
        arguments.images,
        fmt::format("none of {} photos got a mask to be trusted: {}", photos->size(),
                    labels->photos().empty() ? labels->skipped.front() : counted(reasons(*labels))));
  }
  return labels;
}

/// Overlays that are there from an interrupted run are whole.
void write_overlays(const PseudoLabels& labels, const fs::path& folder, std::int64_t workers) {
  ProgressBar bar("overlays");
  const auto write = [&](const Sample& sample) {
    const fs::path file = folder / "review" / (sample.id + ".jpg");
    make_folder(file.parent_path());
    if (!fs::exists(file))
      portraitseg::write_image(file, review_overlay(sample.image, sample.mask, kOverlaySide),
                               kOverlayQuality);
    return true;
  };
  scan(
      labels, {workers, [&](std::int64_t done, std::int64_t total) { bar.show(done, total); }}, write,
      [](bool) {},
      [](const std::string&, const DataError&) {});  // what cannot be read has been skipped before
}

void write_review(const PseudoLabels& labels, const fs::path& folder, const std::string& list) {
  std::map<std::string, std::string> files;  // by id; those written
  for (const auto& line : read_lines(folder / list))
    files[fs::path(line).replace_extension().string()] = line;
  std::vector<ReviewEntry> entries;
  for (const auto& photo : labels.accepted()) {
    const auto file = files.find(photo.id);
    if (file != files.end()) entries.push_back({file->second, "review/" + photo.id + ".jpg", photo.quality});
  }
  const std::string name = fs::absolute(folder).lexically_normal().filename().string();
  write_file(folder / "review.html",
             review_page("Masks of " + (name.empty() ? "photos" : name), labels.list_sha256, entries));
}

int label_command(const LabelArguments& arguments) {
  refuse_empty("--images", arguments.images);
  check_output(arguments.output);
  refuse_among_photos(arguments.images, arguments.output.folder);
  const fs::path path = weights_path("extend label", arguments.network);
  refuse_to_overwrite(path, arguments.output.json);
  TrainedNetwork network = read_network(arguments.network, path);
  RunConfig& config = network.config;
  if (arguments.workers >= 0) config.data.workers = arguments.workers;
  config.data.on_error = OnError::kSkip;  // photos from anywhere: what cannot be read is named and left out
  const auto labels = label_photos(arguments, network);
  const Conversion done = write_lists({{kList, labels}}, arguments.output, config.data);
  const fs::path folder = arguments.output.folder;
  write_overlays(*labels, folder, config.data.workers);
  write_file(folder / "rejected.csv", rejected_csv(labels->photos()));
  write_review(*labels, folder, done.lists.front());
  Json rejected = Json::object();
  for (const auto& [reason, count] : reasons(*labels)) rejected[reason] = count;
  const auto photos = static_cast<std::int64_t>(labels->photos().size());
  report(arguments.output,
         {{"photos", photos},
          {"accepted", labels->size()},
          {"rejected", rejected},
          {"written", done.written},
          {"skipped", done.skipped}},
         fmt::format("{}: masks of {} of {} photos, {} written now; rejected: {}; review them in {}",
                     arguments.output.folder, labels->size(), photos, done.written, counted(reasons(*labels)),
                     (folder / "review.html").string()),
         converted_data(done, folder, {}));
  return 0;
}

void add_limits(CLI::App& command, LabelLimits& limits) {
  const auto add = [&](const char* name, double& value, const char* meaning) {
    command.add_option(name, value, meaning)->check(number_in(0, 1))->capture_default_str();
  };
  add("--min-confidence", limits.confidence, "mean of the winning class's probability over the pixels");
  add("--min-agreement", limits.agreement, "IoU with the mask of the mirrored photo");
  add("--min-boundary-f1", limits.boundary_f1, "F1 against it inside the 15 px edge band");
  add("--min-share", limits.smallest_share, "of the portrait in the photo");
  add("--max-share", limits.largest_share, "of the portrait in the photo");
  add("--min-component", limits.largest_component, "share of the portrait that is connected");
}

}  // namespace

void add_extend_label(CLI::App& extend, Action& action) {
  auto arguments = std::make_shared<LabelArguments>();
  CLI::App* command = extend.add_subcommand(
      "label", "Masks photos by a trained network, keeps the sure masks and makes a page to review them");
  add_network_options(*command, arguments->network, "used");
  command->add_option("--images", arguments->images, "folder of photos, or a pattern in quotes: 'web/*.jpg'")
      ->required();
  command->add_option("--workers", arguments->workers, "threads that read images")->check(CLI::Range(0, 256));
  add_output_options(*command, arguments->output);
  add_limits(*command, arguments->limits);
  command->callback([&action, arguments] { action = [arguments] { return label_command(*arguments); }; });
}

}  // namespace portraitseg
