#pragma once

#include <opencv2/core/mat.hpp>

namespace portraitseg {

/// Portraits cut out by an alpha: H x W, CV_32FC1, 0 (background) to 1 (portrait). Images are CV_8UC3, BGR, of the same size.

/// A portrait's alpha from its probability: 0 up to 0.2, 1 from 0.8 on, linear between, so 0.5 at 0.5. What a network leaves of
/// doubt far from any edge would be a haze; the edges stay soft.
cv::Mat alpha_of(const cv::Mat& probability);

/// alpha * front + (1 - alpha) * back.
cv::Mat blend(const cv::Mat& front, const cv::Mat& back, const cv::Mat& alpha);

/// The portrait's own colours where the image mixes them with the background's (0 < alpha < 1), so that no rim of the old
/// background goes with it. Elsewhere the image as it is.
///
/// Source     Forte 2021, "Approximate Fast Foreground Colour Estimation": the colours around a pixel, weighted by alpha and by
///            1 - alpha, explain it; what they leave over is the portrait's.
/// Deviation  the weights are the squares of these, so that pixels of both count little.
cv::Mat portrait_colors(const cv::Mat& image, const cv::Mat& alpha);

/// CV_8UC4: portrait_colors() with the alpha in 0..255. Where that is 0 so is the colour: nothing of the background remains.
cv::Mat cut_out(const cv::Mat& image, const cv::Mat& alpha);

/// The background out of focus, by a Gaussian with a sigma of 1/40 of the longer side; without the portrait's colours, which
/// would be a halo around it.
cv::Mat blurred_background(const cv::Mat& image, const cv::Mat& alpha);

/// Width and height of the largest part of a picture that has the aspect ratio of `size`.
cv::Size covering_part(cv::Size picture, cv::Size size);

/// The part brought to `size`: by area where it shrinks, else bilinear.
cv::Mat resize_part(const cv::Mat& picture, const cv::Rect& part, cv::Size size);

/// The middle of the picture, as much of it as covers `size`.
cv::Mat cover(const cv::Mat& picture, cv::Size size);

}  // namespace portraitseg
