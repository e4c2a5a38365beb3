#include "portraitseg/data/prior.h"

#include <algorithm>
#include <cfloat>
#include <cmath>
#include <optional>

#include <opencv2/imgproc.hpp>

#include "portraitseg/core/error.h"
#include "portraitseg/data/sample.h"

namespace portraitseg {
namespace {

/// What is constant but for the rounding of a convolution has no range to stretch.
constexpr double kSmallestRange = 1e-3;

/// The corner pixels' places count from 0 to width and height, as in the reference.
template <std::size_t count>
std::array<cv::Point2f, count> corners(cv::Size size, const std::array<cv::Point2f, count>& shifts) {
  static_assert(count <= 4);
  std::array<cv::Point2f, count> moved;
  for (std::size_t i = 0; i < count; ++i) {
    moved[i] = shifts[i] + cv::Point2f(i % 2 == 0 ? 0.0F : static_cast<float>(size.width),
                                       i < 2 ? 0.0F : static_cast<float>(size.height));
  }
  return moved;
}

template <std::size_t count>
CornerShifts<count> draw_shifts(std::int64_t largest, Random& random) {
  const auto draw = [&] {
    return static_cast<float>(random.integer(-largest, std::max(-largest, largest - 1)));
  };
  CornerShifts<count> shifts;
  for (auto* points : {&shifts.from, &shifts.to}) {
    for (cv::Point2f& point : *points) {
      point.x = draw();
      point.y = draw();
    }
  }
  return shifts;
}

/// Thin-plate splines' radial function of the squared distance.
double bend(const cv::Point2d& offset) {
  const double square = offset.dot(offset);
  return square * std::log(square + FLT_EPSILON);
}

/// Rows of coefficients (x and y): one a corner, the constant, the factors of x and y. See Bookstein, Sec. II.
cv::Mat solve_thin_plate(const std::array<cv::Point2f, 4>& to, const std::array<cv::Point2f, 4>& from) {
  cv::Mat system = cv::Mat::zeros(7, 7, CV_64F), values = cv::Mat::zeros(7, 2, CV_64F), coefficients;
  for (int i = 0; i < 4; ++i) {
    const cv::Point2f here = to[static_cast<std::size_t>(i)], target = from[static_cast<std::size_t>(i)];
    for (int j = 0; j < 4; ++j) {
      system.at<double>(i, j) = bend(here - to[static_cast<std::size_t>(j)]);
    }
    const std::array<double, 3> plane = {1, here.x, here.y};
    for (int k = 0; k < 3; ++k) {
      system.at<double>(i, 4 + k) = system.at<double>(4 + k, i) = plane[static_cast<std::size_t>(k)];
    }
    values.at<double>(i, 0) = target.x;
    values.at<double>(i, 1) = target.y;
  }
  cv::solve(system, values, coefficients, cv::DECOMP_LU);
  return coefficients;
}

void stretch(cv::Mat& image, double top) {
  double low = 0, high = 0;
  cv::minMaxLoc(image.reshape(1), &low, &high);
  if (high - low > kSmallestRange) cv::normalize(image, image, 0, top, cv::NORM_MINMAX);
}

/// @param stretch_to what the highest value becomes after the blur; none: values stay.
cv::Mat move(cv::Mat image, const MotionDraws& draws, std::optional<double> stretch_to) {
  if (draws.blurred) {
    image = motion_blur(image, draws.blur_length, draws.blur_deg);
    if (stretch_to) stretch(image, *stretch_to);
  }
  if (draws.affine) image = warp_affine(image, draws.affine_shifts);
  if (draws.perspective) image = warp_perspective(image, draws.perspective_shifts);
  if (draws.thin_plate) image = warp_thin_plate(image, draws.thin_plate_shifts);
  return image;
}

/// @param selected 0 or 255. @return CV_32FC1, 0 or 1.
cv::Mat as_numbers(const cv::Mat& selected) {
  cv::Mat numbers;
  selected.convertTo(numbers, CV_32F, 1.0 / 255);
  return numbers;
}

/// @param foreground 0 or 255. @return CV_8UC1, 0 or 1.
cv::Mat move_mask(const cv::Mat& foreground, const MotionDraws& draws) {
  cv::Mat moved = move(as_numbers(foreground), draws, 1);
  stretch(moved, 1);
  return (moved >= 0.5) / 255;
}

}  // namespace

void PriorOptions::fields(Fields& f) {
  f("probability", probability, "that a training image has a prior; 0: none has", {0, 1});
  f("shift", shift, "largest shift of a corner in its warps, in the output's shorter sides", {0, 0.2});
}

PriorDraws draw_prior(const PriorOptions& options, cv::Size output, Random& random) {
  const auto applied = [&](double probability) { return random.uniform() >= 1 - probability; };
  const auto largest =
      static_cast<std::int64_t>(std::floor(options.shift * std::min(output.width, output.height)));
  PriorDraws draws;
  draws.present = applied(options.probability);
  draws.image_moves = applied(0.5);
  draws.motion.blurred = applied(0.5);
  draws.motion.blur_length = static_cast<int>(random.integer(5, 30));
  draws.motion.blur_deg = static_cast<int>(random.integer(0, 360));
  draws.motion.affine = applied(0.5);
  draws.motion.affine_shifts = draw_shifts<3>(largest, random);
  draws.motion.perspective = applied(0.5);
  draws.motion.perspective_shifts = draw_shifts<4>(largest, random);
  draws.motion.thin_plate = applied(0.5);
  draws.motion.thin_plate_shifts = draw_shifts<4>(largest, random);
  return draws;
}

Frame add_prior(const Frame& frame, const PriorDraws& draws, const std::string& id) {
  if (!draws.present) return frame;
  const cv::Mat portrait = frame.mask == 1, ignored = frame.mask == kIgnore;
  if (cv::countNonZero((frame.mask != 0) & ~portrait & ~ignored) > 0) {
    throw UserError("augment.prior: the mask of " + id +
                    " has classes above 1; a prior needs masks of 0 and 1");
  }
  if (!draws.image_moves) {
    cv::Mat prior = move(as_numbers(portrait), draws.motion, std::nullopt);
    return {frame.image, frame.mask, cv::min(cv::max(prior, 0), 1)};
  }
  Frame moved{move(frame.image, draws.motion, 255), move_mask(portrait, draws.motion), as_numbers(portrait)};
  if (cv::countNonZero(ignored) > 0) {
    moved.mask.setTo(kIgnore, moved.mask != move_mask(portrait | ignored, draws.motion));
  }
  return moved;
}

cv::Mat motion_blur(const cv::Mat& image, int length, int deg) {
  // An integer division, as in the reference, which is Python 2: for even lengths half a pixel off the middle.
  const auto middle = static_cast<float>(length / 2);
  cv::Mat line = cv::Mat::eye(length, length, CV_64F), kernel, result;
  cv::warpAffine(line, kernel, cv::getRotationMatrix2D({middle, middle}, deg, 1), line.size());
  cv::filter2D(image, result, -1, kernel / length);
  return result;
}

cv::Mat warp_affine(const cv::Mat& image, const CornerShifts<3>& shifts) {
  const auto from = corners(image.size(), shifts.from), to = corners(image.size(), shifts.to);
  cv::Mat result;
  cv::warpAffine(image, result, cv::getAffineTransform(from.data(), to.data()), image.size());
  return result;
}

cv::Mat warp_perspective(const cv::Mat& image, const CornerShifts<4>& shifts) {
  const auto from = corners(image.size(), shifts.from), to = corners(image.size(), shifts.to);
  cv::Mat result;
  cv::warpPerspective(image, result, cv::getPerspectiveTransform(from.data(), to.data()), image.size());
  return result;
}

cv::Mat warp_thin_plate(const cv::Mat& image, const CornerShifts<4>& shifts) {
  const auto to = corners(image.size(), shifts.to);
  const cv::Mat coefficients = solve_thin_plate(to, corners(image.size(), shifts.from));
  const auto row = [&](int i) {
    return cv::Point2d(coefficients.at<double>(i, 0), coefficients.at<double>(i, 1));
  };
  cv::Mat sources(image.size(), CV_32FC2), result;
  for (int y = 0; y < image.rows; ++y) {
    for (int x = 0; x < image.cols; ++x) {
      cv::Point2d source = row(4) + x * row(5) + y * row(6);
      for (int i = 0; i < 4; ++i) {
        source += bend(cv::Point2d(x, y) - cv::Point2d(to[static_cast<std::size_t>(i)])) * row(i);
      }
      sources.at<cv::Point2f>(y, x) = source;
    }
  }
  cv::remap(image, result, sources, cv::noArray(), cv::INTER_LINEAR, cv::BORDER_CONSTANT);
  return result;
}

}  // namespace portraitseg
