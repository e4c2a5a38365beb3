#include "portraitseg/data/perturbation.h"

#include <algorithm>

#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>

#include "portraitseg/core/error.h"
#include "portraitseg/core/file.h"
#include "portraitseg/core/random.h"
#include "portraitseg/data/augment.h"
#include "portraitseg/data/photometric.h"

namespace portraitseg {
namespace {

using Apply = void (*)(Sample& sample, double amount, int border, Random& random);

/// What a step does; `key` is part of its draws' key and never changes.
struct Kind {
  StepForm form;
  std::uint64_t key;
  Apply apply;
};

void rotate(Sample& sample, double largest, int border, Random& random) {
  const double angle = largest * random.uniform(-1, 1);
  const cv::Size size = sample.image.size();
  const cv::Point2f center(static_cast<float>(size.width - 1) / 2, static_cast<float>(size.height - 1) / 2);
  const cv::Mat matrix = cv::getRotationMatrix2D(center, angle, 1);
  cv::Mat image, mask;
  cv::warpAffine(sample.image, image, matrix, size, cv::INTER_LINEAR, cv::BORDER_CONSTANT,
                 cv::Scalar::all(border));
  cv::warpAffine(sample.mask, mask, matrix, size, cv::INTER_NEAREST, cv::BORDER_CONSTANT, cv::Scalar::all(0));
  sample.image = image;
  sample.mask = mask;
}

void change_texture(Sample& sample, double, int, Random& random) {
  AugmentOptions options;
  options.affine.enabled = false;
  options.flip = 0;
  cv::Mat changed;  // the sample's own pixels may be another's, too
  augment(sample, sample.image.size(), options, random).image.convertTo(changed, CV_8U);
  sample.image = changed;
}

void change_brightness(Sample& sample, double factor, int, Random&) {
  sample.image = enhance_brightness(sample.image, factor);
}

void compress(Sample& sample, double quality, int, Random&) {
  std::vector<std::uint8_t> bytes;
  cv::imencode(".jpg", sample.image, bytes, {cv::IMWRITE_JPEG_QUALITY, static_cast<int>(quality)});
  sample.image = cv::imdecode(bytes, cv::IMREAD_COLOR);
}

void blur(Sample& sample, double sigma, int, Random&) {
  cv::Mat blurred;
  cv::GaussianBlur(sample.image, blurred, {0, 0}, sigma);
  sample.image = blurred;
}

void add_noise(Sample& sample, double sigma, int, Random& random) {
  cv::Mat noise(sample.image.size(), CV_32FC3), sum;
  cv::RNG(random.next()).fill(noise, cv::RNG::NORMAL, 0, sigma);
  cv::add(sample.image, noise, sum, cv::noArray(), CV_8U);
  sample.image = sum;
}

constexpr const char *kSeed = "seed", *kBorder = "border";

const std::vector<Kind>& kinds() {
  static const std::vector<Kind> all = {
      {{"rotate", {{"DEGREES", {0.1, 180}}}}, 1, rotate},
      {{"texture", {}}, 2, change_texture},
      {{"brightness", {{"FACTOR", {0, 10}}}}, 3, change_brightness},
      {{"jpeg", {{"QUALITY", {1, 100}, true}}}, 4, compress},
      {{"blur", {{"SIGMA", {0.1, 100}}}}, 5, blur},
      {{"noise", {{"SIGMA", {0.1, 255}}}}, 6, add_noise},
  };
  return all;
}

std::vector<StepForm> forms() {
  std::vector<StepForm> forms;
  for (const auto& kind : kinds()) forms.push_back(kind.form);
  forms.push_back({kBorder, {{"LEVEL", {0, 255}, true}}});
  forms.push_back({kSeed, {{"N", {0, 999999999}, true}}});
  return forms;
}

const Kind& kind_of(const Step& step) {
  return *std::find_if(kinds().begin(), kinds().end(),
                       [&](const Kind& kind) { return kind.form.name == step.name; });
}

std::uint64_t key_of(const std::string& id) {
  return std::stoull(sha256(id).substr(0, 16), nullptr, 16);
}

}  // namespace

Perturbation Perturbation::parse(const std::string& text) {
  Perturbation perturbation;
  for (const auto& step : parse_steps(text, forms())) {
    if (step.name == kSeed) {
      perturbation.seed_ = static_cast<std::uint64_t>(step.numbers.front());
    } else if (step.name == kBorder) {
      perturbation.border_ = static_cast<int>(step.numbers.front());
    } else {
      perturbation.steps_.push_back(step);
    }
  }
  if (perturbation.empty() && text != "none")
    throw UserError(
        "\"" + text +
        "\": border and seed say how a step is applied, and there is none; for instance rotate:45," + text);
  return perturbation;
}

std::string Perturbation::name() const {
  std::string name;
  if (empty()) return name;
  for (const auto& step : steps_) name += (name.empty() ? "" : "+") + step.text();
  if (border_ != kTrainingBorder) name += "+" + std::string(kBorder) + ":" + std::to_string(border_);
  if (seed_ != 0) name += "+" + std::string(kSeed) + ":" + std::to_string(seed_);
  return name;
}

Sample Perturbation::apply(Sample sample) const {
  for (const auto& step : steps_) {
    const Kind& kind = kind_of(step);
    Random random(seed_, Purpose::kPerturb, {key_of(sample.id), kind.key});
    kind.apply(sample, step.numbers.empty() ? 0 : step.numbers.front(), border_, random);
  }
  return sample;
}

}  // namespace portraitseg
