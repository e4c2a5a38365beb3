#pragma once

#include <cstdint>
#include <vector>

#include <opencv2/core.hpp>

#include "portraitseg/core/random.h"

// The parts that a synthetic portrait is put together from; private to src/data/synthetic*.cpp.
//
// Two draws never stand in one argument list or one product: C++ does not say which is evaluated first, and
// the pictures would differ between compilers. Braces are evaluated from left to right.

namespace portraitseg::synthetic {

using Colour = cv::Scalar;  // BGR, 0..255; OpenCV clamps what a gain lifts above 255

constexpr int kSupersampling = 4;
constexpr int kCovered = 240;  // 16 samples x 15: the mean coverage of a pixel is a whole number

template <class Choices>
auto pick(const Choices& choices, Random& random) {
  return choices[static_cast<std::size_t>(random.integer(0, static_cast<std::int64_t>(choices.size()) - 1))];
}

Colour mix(const Colour& a, const Colour& b, double share_of_b);
Colour any_colour(Random& random);
Colour any_skin(Random& random);

/// A length in pixels: a share low..high of the picture's shorter side.
int any_length(const cv::Mat& picture, double low, double high, Random& random);

/// What stands behind the person: CV_8UC3 at the size of the image.
cv::Mat draw_background(cv::Size size, Random& random);

/// The person, kSupersampling times as large as the image.
struct DrawnPerson {
  cv::Mat colour;    ///< CV_8UC3; counts only where there is coverage
  cv::Mat coverage;  ///< CV_8UC1, 0 or kCovered
};

/// @param size of the image   @param background its mean colour: some clothes look like it
DrawnPerson draw_person(cv::Size size, const Colour& background, Random& random);

}  // namespace portraitseg::synthetic
