#include <algorithm>
#include <array>

#include <opencv2/imgproc.hpp>

#include "synthetic_drawing.h"

namespace portraitseg::synthetic {
namespace {

const std::vector<Colour> kSkins = {{200, 218, 246}, {152, 186, 228}, {115, 155, 206},
                                    {76, 112, 166},  {52, 76, 122},   {36, 50, 82}};

/// `count` ellipses and framed boxes at random places, each `low`..`high` of the picture's shorter side long.
template <class AnyColour>
void scatter(cv::Mat& picture, std::int64_t count, double low, double high, Random& random, AnyColour any) {
  for (std::int64_t i = 0; i < count; ++i) {
    const cv::Point2d at{random.uniform() * picture.cols, random.uniform() * picture.rows};
    const cv::Size size{any_length(picture, low, high, random), any_length(picture, low, high, random)};
    const Colour colour = any(random), frame = colour * random.uniform(0.5, 1.5);
    if (random.chance(0.5)) {
      cv::ellipse(picture, {at, size, 0}, colour, cv::FILLED, cv::LINE_AA);
    } else {
      cv::rectangle(picture, {at, size}, colour, cv::FILLED);
      cv::rectangle(picture, {at, size}, frame, any_length(picture, 0.005, 0.03, random));
    }
  }
}

/// Smooth transitions between random points, 2 x 2 (a gradient) to `most` x `most` (plaster, foliage, cloth).
void draw_patches(cv::Mat& picture, std::int64_t most, Random& random) {
  const Colour from = any_colour(random), to = random.chance(0.5) ? from * 1.7 : any_colour(random);
  const auto rows = static_cast<int>(random.integer(2, most));
  const auto cols = static_cast<int>(random.integer(2, most));
  cv::Mat patches(rows, cols, CV_8UC3);
  for (int i = 0; i < rows * cols; ++i) {
    patches(cv::Rect(i % cols, i / cols, 1, 1)) = mix(from, to, random.uniform());
  }
  cv::resize(patches, picture, picture.size(), 0, 0, cv::INTER_CUBIC);
}

void draw_texture(cv::Mat& picture, Random& random) {
  draw_patches(picture, 40, random);
}

void draw_bokeh(cv::Mat& picture, Random& random) {
  draw_patches(picture, 2, random);
  scatter(picture, random.integer(0, 24), 0.05, 0.4, random, any_colour);
  cv::GaussianBlur(picture, picture, {}, any_length(picture, 0.01, 0.06, random));
}

void draw_room(cv::Mat& picture, Random& random) {
  draw_patches(picture, 2, random);
  const int floor = cvRound(picture.rows * random.uniform(0.5, 1.1));
  cv::rectangle(picture, {0, floor}, {picture.cols, picture.rows}, any_colour(random), cv::FILLED);
  scatter(picture, random.integer(1, 5), 0.1, 0.7, random, any_colour);  // windows, doors, pictures, lamps
}

void draw_outdoors(cv::Mat& picture, Random& random) {
  draw_patches(picture, 2, random);
  if (random.chance(0.6)) picture = picture * 0.4 + Colour{150, 125, 100};  // a sky
  const int horizon = cvRound(picture.rows * random.uniform(0.3, 0.8));
  const Colour ground = mix(any_colour(random), {60, 120, 80}, 0.5);
  cv::Mat above = picture.rowRange(0, horizon);  // trees, hills, houses
  const auto leaves = [&](Random& r) { return ground * r.uniform(0.5, 1.2); };
  scatter(above, random.integer(3, 14), 0.2, 0.9, random, leaves);
  picture.rowRange(horizon, picture.rows).setTo(ground);
}

/// Bricks, tiles or, where one is as high as the picture, stripes.
void draw_bricks(cv::Mat& picture, Random& random) {
  const Colour brick = any_colour(random), mortar = any_colour(random);
  const int width = any_length(picture, 0.06, 0.3, random) + 3;
  const int gap = any_length(picture, 0.005, 0.05, random);
  const int height = random.chance(0.4) ? picture.rows + gap : width / 2 + 2;
  picture.setTo(mortar);
  for (int y = 0, row = 0; y < picture.rows; y += height, ++row) {
    for (int x = -(row % 2) * width / 2; x < picture.cols; x += width) {
      const Colour colour = brick * random.uniform(0.9, 1.1);
      cv::rectangle(picture, {x, y}, {x + width - gap - 1, y + height - gap - 1}, colour, cv::FILLED);
    }
  }
}

}  // namespace

Colour mix(const Colour& a, const Colour& b, double share_of_b) {
  return a * (1 - share_of_b) + b * share_of_b;
}

Colour any_colour(Random& random) {
  const double value = random.uniform(30, 230);
  const double spread = 0.8 * random.uniform();
  const auto channel = [&] { return value * random.uniform(1 - spread, 1 + spread); };
  return {channel(), channel(), channel()};
}

Colour any_skin(Random& random) {
  const auto i = static_cast<std::size_t>(random.integer(0, 4));
  return mix(kSkins[i], kSkins[i + 1], random.uniform());
}

int any_length(const cv::Mat& picture, double low, double high, Random& random) {
  return std::max(1, cvRound(random.uniform(low, high) * std::min(picture.rows, picture.cols)));
}

cv::Mat draw_background(cv::Size size, Random& random) {
  constexpr std::array kDrawings = {draw_texture, draw_bokeh,    draw_bokeh, draw_room,
                                    draw_room,    draw_outdoors, draw_bricks};
  cv::Mat picture(size, CV_8UC3);
  pick(kDrawings, random)(picture, random);
  // Things coloured like skin that are not the person: colour alone must not decide.
  if (random.chance(0.3)) scatter(picture, random.integer(1, 2), 0.08, 0.35, random, any_skin);
  if (random.chance(0.75)) cv::GaussianBlur(picture, picture, {}, random.uniform(0.5, 4));  // out of focus
  return picture;
}

}  // namespace portraitseg::synthetic
