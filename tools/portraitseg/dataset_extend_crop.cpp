#include <array>

#include <CLI/CLI.hpp>
#include <spdlog/fmt/fmt.h>

#include "portraitseg/core/error.h"
#include "portraitseg/core/file.h"
#include "portraitseg/data/face_crops.h"

#include "dataset_extend.h"
#include "options.h"
#include "terminal.h"

namespace portraitseg {
namespace {

struct CropArguments {
  DatasetSource source;
  ExtendOutput output;
  std::string detector;
  std::vector<double> enlarge = {FaceFrame().above, FaceFrame().below, FaceFrame().side};
  FaceCropOptions options;
};

struct Detector {
  FindFaces find;
  std::string sha256;  ///< of its file
};

Detector open_detector(const CropArguments& arguments, const FaceCropOptions& options) {
  const std::filesystem::path cascade =
      arguments.detector.empty() ? installed_face_cascade() : std::filesystem::path(arguments.detector);
  if (cascade.empty())
    throw UserError(
        "no face detector is installed; install the package opencv-data, or name a cascade with --detector");
  const int smallest = static_cast<int>(options.smallest_height / options.frame.height());
  return {haar_face_detector(cascade, smallest), sha256(read_file(cascade))};
}

struct LeftOut {
  const char *key, *words;
  std::int64_t FaceCropCounts::*count;
};
constexpr std::array<LeftOut, 5> kLeftOut = {{
    {"off_portrait", "boxes off the portrait", &FaceCropCounts::off_portrait},
    {"small", "too small", &FaceCropCounts::small},
    {"little_portrait", "with little portrait", &FaceCropCounts::little_portrait},
    {"little_background", "with little background", &FaceCropCounts::little_background},
    {"overlapping", "overlapping", &FaceCropCounts::overlapping},
}};

void add(FaceCropCounts& sum, const FaceCropCounts& counts) {
  sum.images += counts.images;
  sum.without_face += counts.without_face;
  sum.boxes += counts.boxes;
  sum.crops += counts.crops;
  for (const auto& reason : kLeftOut) sum.*reason.count += counts.*reason.count;
}

Json json_of(const FaceCropCounts& counts) {
  Json left_out;
  for (const auto& reason : kLeftOut) left_out[reason.key] = counts.*reason.count;
  return {{"images", counts.images},
          {"images_without_face", counts.without_face},
          {"boxes", counts.boxes},
          {"crops", counts.crops},
          {"left_out", left_out}};
}

std::string left_out(const FaceCropCounts& counts) {
  std::vector<std::pair<std::string, std::int64_t>> reasons;
  for (const auto& reason : kLeftOut) reasons.emplace_back(reason.words, counts.*reason.count);
  return counted(reasons);
}

int crop_command(const CropArguments& arguments) {
  check_output(arguments.output);
  FaceCropOptions options = arguments.options;
  options.frame = {arguments.enlarge[0], arguments.enlarge[1], arguments.enlarge[2]};
  const Detector detector = open_detector(arguments, options);
  const RunConfig config = read_source(arguments.source);
  auto lists = open_lists(arguments.source, config.data, DefaultLists::kTrainAndVal, config.data.on_error);
  std::vector<ListOrigin> origins;
  for (const auto& list : lists) {
    origins.push_back(origin_of(list));
    origins.back().sha256 = face_crops_sha256(*list.dataset, detector.sha256, options);
  }
  prepare_output(origins, arguments.output);
  FaceCropCounts counts;
  for (auto& list : lists) {
    ProgressBar bar("faces of " + list.name);
    const ScanOptions scan = {config.data.workers,
                              [&](std::int64_t done, std::int64_t total) { bar.show(done, total); }};
    const auto crops = std::make_shared<FaceCrops>(list.dataset, detector.find, detector.sha256, options,
                                                   scan, config.data.on_error);
    if (crops->size() == 0) {
      throw DataError(
          crops->list,
          fmt::format("no portrait to crop: {} of {} images without face; left out: {}",
                      crops->counts().without_face, crops->counts().images, left_out(crops->counts())));
    }
    add(counts, crops->counts());
    list.dataset = crops;
  }
  const Conversion done = write_lists(lists, arguments.output, config.data);
  Json figures = json_of(counts);
  figures["written"] = done.written;
  figures["skipped"] = done.skipped;
  report(
      arguments.output, figures,
      fmt::format("{}: {} portraits out of {} images, {} written now; {} images without face; left out: {}",
                  arguments.output.folder, counts.crops, counts.images, done.written, counts.without_face,
                  left_out(counts)),
      converted_data(done, arguments.output.folder, arguments.source));
  return 0;
}

}  // namespace

void add_extend_crop(CLI::App& extend, Action& action) {
  auto arguments = std::make_shared<CropArguments>();
  CLI::App* command = extend.add_subcommand(
      "crop", "Crops portraits around the faces of images with a person mask, image and mask together");
  add_source_options(*command, arguments->source);
  add_output_options(*command, arguments->output);
  command->add_option("--detector", arguments->detector,
                      "a Haar cascade (XML); default: OpenCV's haarcascade_frontalface_alt2.xml");
  command
      ->add_option("--enlarge", arguments->enlarge,
                   "how far a crop reaches above, below and to each side of the face, in heights of its box")
      ->delimiter(',')
      ->expected(3)
      ->check(number_in(0, 20))
      ->capture_default_str();
  command->add_option("--min-height", arguments->options.smallest_height, "px, of a crop")
      ->check(CLI::Range(16, 65500))
      ->capture_default_str();
  command->callback([&action, arguments] { action = [arguments] { return crop_command(*arguments); }; });
}

}  // namespace portraitseg
