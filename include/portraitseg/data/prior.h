#pragma once

#include <array>
#include <cstddef>
#include <string>

#include <opencv2/core/mat.hpp>

#include "portraitseg/core/config.h"
#include "portraitseg/core/random.h"

namespace portraitseg {

/// PortraitNet's prior channel for video: the mask of the frame before, made from the mask of this one.
struct PriorOptions {
  double probability = 0;  ///< that there is one; 0: no step of it is made. PortraitNet: 0.5
  double shift = 0.05;  ///< of the corners in its affine, perspective and thin-plate warps, in shorter sides
  void fields(Fields& f);
};

/// How far the corners of the output are moved, px: x, y of (0, 0), (w, 0), (0, h) and, of four, (w, h).
template <std::size_t count>
struct CornerShifts {
  std::array<cv::Point2f, count> from{};  ///< where a corner was
  std::array<cv::Point2f, count> to{};    ///< where it goes
};

/// A movement between two frames: four steps, one after the other, each applied or not.
struct MotionDraws {
  bool blurred = false;
  int blur_length = 5;  ///< px
  int blur_deg = 0;     ///< direction, against the diagonal
  bool affine = false;
  CornerShifts<3> affine_shifts;
  bool perspective = false;
  CornerShifts<4> perspective_shifts;
  bool thin_plate = false;
  CornerShifts<4> thin_plate_shifts;
};

struct PriorDraws {
  bool present = false;      ///< there is a prior
  bool image_moves = false;  ///< the movement is that of image and mask; else that of the prior
  MotionDraws motion = {};
};

/// Always 52 draws: present; image_moves; blurred, length, direction; affine, 12 shifts; perspective, 16 shifts;
/// thin_plate, 16 shifts. Shifts are whole pixels from -s to s - 1 with s = shift * shorter side, as the reference
/// draws them; x before y, all corners of `from` first.
PriorDraws draw_prior(const PriorOptions& options, cv::Size output, Random& random);

/// An image, its mask and what is known of the frame before.
struct Frame {
  cv::Mat image;       ///< CV_8UC3
  cv::Mat mask;        ///< CV_8UC1: 0, 1, kIgnore
  cv::Mat prior = {};  ///< CV_32FC1, 0..1; empty: there is none
};

/// Adds the prior that the draws say. It is 1 on class 1, kIgnore counts as background. Then
/// - the prior moves, and image and mask stay as they are; or
/// - image and mask move and the prior stays. The mask moves as numbers from 0 to 1 and is class 1 from 0.5 on, after
///   its lowest and highest number were stretched to 0 and 1 (as the blurred image's are to 0 and 255). kIgnore: the
///   mask moves once with these pixels as background and once as class 1; where the two differ it is kIgnore.
///
/// Source      dong-x16/PortraitNet data/data_aug.py, data/datasets_portraitseg.py: its video mode.
/// Deviations  What has one value everywhere has nothing to stretch and stays; the reference makes a mask of class 1
///             alone background.
///             Where the output is not square the reference exchanges width and height of the corners in the
///             perspective and the thin-plate warp, and draws shifts from -height to width; here neither.
/// @throws UserError naming `id` if the mask has another class than 0 and 1.
Frame add_prior(const Frame& frame, const PriorDraws& draws, const std::string& id);

/// The steps. Any type of 8 bits or float; bilinear, 0 outside of the image.

/// The mean along a line through the pixel; beyond the image border its pixels are mirrored.
cv::Mat motion_blur(const cv::Mat& image, int length, int deg);
cv::Mat warp_affine(const cv::Mat& image, const CornerShifts<3>& shifts);
cv::Mat warp_perspective(const cv::Mat& image, const CornerShifts<4>& shifts);

/// Bookstein 1989, "Principal Warps": the smoothest map that moves the four corners, as the reference's
/// cv::ThinPlateSplineShapeTransformer: within a grey level of it.
cv::Mat warp_thin_plate(const cv::Mat& image, const CornerShifts<4>& shifts);

}  // namespace portraitseg
