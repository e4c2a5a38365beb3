#include "portraitseg/data/synthetic.h"

#include <algorithm>
#include <bitset>
#include <cmath>
#include <string>
#include <system_error>
#include <vector>

#include <nlohmann/json.hpp>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>

#include "portraitseg/core/error.h"
#include "portraitseg/core/file.h"
#include "portraitseg/core/random.h"

#include "synthetic_drawing.h"

namespace portraitseg {
namespace {

namespace fs = std::filesystem;
using namespace synthetic;

/// Raise it with every change of the pictures: old folders must not pass for new.
constexpr int kGenerator = 1;

/// The lit person before the background, on which a soft shadow falls. CV_32FC3, 0..255.
/// `person` is its colours times `alpha`, CV_32FC1.
cv::Mat compose(const cv::Mat_<cv::Vec3b>& background, const cv::Mat_<cv::Vec3b>& person,
                const cv::Mat_<float>& alpha, Random& random) {
  const double light = random.uniform(0, 2 * CV_PI), contrast = random.uniform(0, 0.5);
  const cv::Vec2d slope = contrast * cv::Vec2d{std::cos(light) / alpha.cols, std::sin(light) / alpha.rows};
  const auto roundness = static_cast<float>(random.uniform(0, 0.4));  // edges turn away from the light
  const auto shadow = static_cast<float>(std::max(0.0, random.uniform(-0.5, 0.5)));
  const int shift_x = any_length(alpha, 0, 0.2, random) - alpha.cols / 10;
  const int shift_y = any_length(alpha, 0, 0.05, random);
  cv::Mat_<float> soft;
  cv::GaussianBlur(alpha, soft, {}, random.uniform(0.01, 0.06) * alpha.cols);
  cv::Mat_<cv::Vec3f> scene(alpha.size());
  for (int y = 0; y < scene.rows; ++y) {
    for (int x = 0; x < scene.cols; ++x) {
      const double gradient = 1 + slope[0] * (x - alpha.cols / 2) + slope[1] * (y - alpha.rows / 2);
      const float lit = static_cast<float>(gradient) * (1 - roundness * (1 - soft(y, x)));
      const float shade = shadow * soft(std::max(0, y - shift_y), std::clamp(x - shift_x, 0, scene.cols - 1));
      const float open = (1 - alpha(y, x)) * (1 - shade);
      scene(y, x) = cv::Vec3f(person(y, x)) * lit + cv::Vec3f(background(y, x)) * open;
    }
  }
  return scene;
}

/// What a camera adds: blur, exposure, colour cast, vignette and noise. CV_8UC3.
cv::Mat photograph(cv::Mat_<cv::Vec3f> scene, Random& random) {
  if (random.chance(0.4)) cv::GaussianBlur(scene, scene, {}, random.uniform(0.3, 0.9));
  const cv::Vec3d cast{random.uniform(0.88, 1.12), random.uniform(0.94, 1.06), random.uniform(0.88, 1.12)};
  const cv::Vec3d exposure = cast * random.uniform(0.65, 1.25);
  const double vignette = std::max(0.0, random.uniform(-0.5, 0.5)), noise = random.uniform(0, 7);
  cv::Mat_<cv::Vec3b> image(scene.size());
  for (int y = 0; y < scene.rows; ++y) {
    for (int x = 0; x < scene.cols; ++x) {
      const double dx = 2.0 * x / scene.cols - 1, dy = 2.0 * y / scene.rows - 1;
      const double gain = 1 - vignette * (dx * dx + dy * dy) / 2;
      for (int c = 0; c < 3; ++c) {
        // 64 coin flips: mean 32, standard deviation 4, near enough to normal and far cheaper.
        const double grain = (static_cast<double>(std::bitset<64>(random.next()).count()) - 32) / 4;
        image(y, x)[c] = cv::saturate_cast<uchar>(scene(y, x)[c] * exposure[c] * gain + noise * grain);
      }
    }
  }
  return image;
}

void require_size(int height, int width) {
  if (std::min(height, width) >= 16 && std::max(height, width) <= 2048) return;
  const std::string size = std::to_string(height) + " x " + std::to_string(width);
  throw UserError("synthetic images: height and width must be 16..2048 pixels, got " + size);
}

std::string manifest(const SyntheticDataset& o, bool complete) {
  const nlohmann::ordered_json json = {
      {"generator", kGenerator}, {"complete", complete}, {"train", o.train}, {"val", o.val},
      {"test", o.test},          {"height", o.height},   {"width", o.width}, {"seed", o.seed}};
  return json.dump() + "\n";
}

void write_image(const fs::path& path, const cv::Mat& image) {
  std::vector<uchar> bytes;
  cv::imencode(path.extension().string(), image, bytes, {cv::IMWRITE_JPEG_QUALITY, 95});
  write_file(path, {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

}  // namespace

Sample synthesize_portrait(std::uint64_t seed, std::int64_t index, int height, int width) {
  require_size(height, width);
  if (index < 1) throw UserError("synthetic images are numbered from 1, got " + std::to_string(index));
  Random random(seed, Purpose::kSynthesize, {static_cast<std::uint64_t>(index)});
  const cv::Size size{width, height};
  const cv::Mat background = draw_background(size, random);
  const DrawnPerson person = draw_person(size, cv::mean(background), random);

  cv::Mat covered, colour, coverage, alpha;
  person.colour.copyTo(covered, person.coverage);
  cv::resize(covered, colour, size, 0, 0, cv::INTER_AREA);
  cv::resize(person.coverage, coverage, size, 0, 0, cv::INTER_AREA);
  coverage.convertTo(alpha, CV_32F, 1.0 / kCovered);

  Sample sample;
  const std::string digits = std::to_string(index);
  sample.id = std::string(5 - std::min<std::size_t>(5, digits.size()), '0') + digits;
  sample.image = photograph(compose(background, colour, alpha, random), random);
  sample.mask = (coverage >= kCovered / 2) / 255;
  return sample;
}

void write_synthetic_dataset(const fs::path& folder, const SyntheticDataset& options) {
  require_size(options.height, options.width);
  const std::int64_t limit = 99999;  // five digits
  std::int64_t total = 0;
  for (const std::int64_t count : {options.train, options.val, options.test}) {
    if (count < 0 || count > limit - total) {
      throw UserError(
          "synthetic data set: train, val and test must not be negative, nor more than 99999 together");
    }
    total += count;
  }
  const fs::path manifest_path = folder / "synthetic.json";
  std::error_code error;
  const std::string found = fs::exists(manifest_path, error) ? read_file(manifest_path) : "";
  if (found == manifest(options, true)) return;
  const bool ours = found == manifest(options, false);  // an interrupted write
  if (!ours && fs::exists(folder, error) && !fs::is_empty(folder, error)) {
    throw DataError(folder, "holds something else than this synthetic data set; choose another folder");
  }
  make_folder(folder);
  write_file(manifest_path, manifest(options, false));
  make_folder(folder / "Images");
  make_folder(folder / "Labels");
  std::string train, val, test;
  for (std::int64_t index = 1; index <= total; ++index) {
    const Sample sample = synthesize_portrait(options.seed, index, options.height, options.width);
    write_image(folder / "Images" / (sample.id + ".jpg"), sample.image);
    write_image(folder / "Labels" / (sample.id + ".png"), sample.mask * 255);
    (index <= options.train                 ? train
     : index <= options.train + options.val ? val
                                            : test) += sample.id + ".jpg\n";
  }
  write_file(folder / "train.txt", train);
  write_file(folder / "val.txt", val);
  write_file(folder / "test.txt", test);
  write_file(manifest_path, manifest(options, true));
}

}  // namespace portraitseg
