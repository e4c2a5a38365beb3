#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include <opencv2/imgproc.hpp>

#include "synthetic_drawing.h"

namespace portraitseg::synthetic {
namespace {

using Outline = std::vector<cv::Point2d>;

constexpr double kSides[] = {-1, 1};

const std::vector<Colour> kHairColours = {{24, 22, 24},   {34, 44, 60},  {48, 74, 110},   {110, 175, 215},
                                          {70, 125, 180}, {36, 66, 150}, {150, 150, 154}, {214, 216, 220}};

/// An arc of an ellipse, from..to in degrees: 0 right, 90 down, 180 left, 270 up.
Outline ellipse(cv::Point2d centre, double rx, double ry, double from = 0, double to = 360) {
  Outline outline;
  for (int i = 0; i <= 40; ++i) {
    const double t = (from + (to - from) * i / 40) * CV_PI / 180;
    outline.push_back({centre.x + rx * std::cos(t), centre.y + ry * std::sin(t)});
  }
  return outline;
}

/// A closed Catmull-Rom curve through the points and their mirror images; `right` runs from top to bottom.
Outline symmetric_curve(const Outline& right) {
  Outline points = right, curve;
  for (std::size_t i = right.size(); i-- > 0;) points.push_back({-right[i].x, right[i].y});
  const std::size_t n = points.size();
  for (std::size_t i = 0; i < n; ++i) {
    const cv::Point2d a = points[(i + n - 1) % n], b = points[i], c = points[(i + 1) % n];
    const cv::Point2d d = points[(i + 2) % n], quadratic = 2 * a - 5 * b + 4 * c - d;
    for (double t = 0; t < 1; t += 0.125) {
      curve.push_back(b + 0.5 * t * ((c - a) + t * (quadratic + t * (3 * b - a - 3 * c + d))));
    }
  }
  return curve;
}

/// Draws the person, kSupersampling times as large as the image, in coordinates with the origin in the middle
/// of the head, y downwards and half the head's height as the unit. Copies draw on the same picture.
struct Pen {
  cv::Mat colour;    // CV_8UC3; counts only where there is coverage
  cv::Mat coverage;  // CV_8UC1, 0 or kCovered; grows by part() and limb() alone
  cv::Point2d origin;
  double unit = 1;  // samples
  double tilt = 0;  // radians, clockwise

  cv::Point at(cv::Point2d p) const {
    return {cvRound(origin.x + unit * (std::cos(tilt) * p.x - std::sin(tilt) * p.y)),
            cvRound(origin.y + unit * (std::sin(tilt) * p.x + std::cos(tilt) * p.y))};
  }
  void fill(const cv::Mat& target, const Outline& outline, const Colour& value) const {
    std::vector<std::vector<cv::Point>> polygon(1);
    for (const auto& p : outline) polygon[0].push_back(at(p));
    cv::fillPoly(target, polygon, value);
  }
  void stroke(const cv::Mat& target, const Outline& line, double width, const Colour& value) const {
    for (std::size_t i = 1; i < line.size(); ++i) {
      cv::line(target, at(line[i - 1]), at(line[i]), value, std::max(1, cvRound(unit * width)));
    }
  }
  void paint(const Outline& outline, const Colour& value) const { fill(colour, outline, value); }
  void line(const Outline& line, double width, const Colour& value) const {
    stroke(colour, line, width, value);
  }
  void part(const Outline& outline, const Colour& value) const {
    fill(colour, outline, value);
    fill(coverage, outline, kCovered);
  }
  void limb(const Outline& bones, double width, const Colour& value) const {
    stroke(colour, bones, width, value);
    stroke(coverage, bones, width, kCovered);
  }
  /// draw(pen), clipped to the outline. For details that would spoil other parts of the person.
  template <class Draw>
  void inside(const Outline& outline, Draw draw) const {
    const cv::Mat clip = cv::Mat::zeros(colour.size(), CV_8U);
    fill(clip, outline, 255);
    Pen copy = *this;
    copy.colour = colour.clone();
    draw(copy);
    copy.colour.copyTo(colour, clip);
  }
};

// Person

enum class Hair { kShort, kLong, kBun, kCurly, kBald, kHat };
constexpr std::array kHairs = {Hair::kShort, Hair::kShort, Hair::kLong, Hair::kLong, Hair::kLong,
                               Hair::kBun,   Hair::kCurly, Hair::kBald, Hair::kHat};

struct Person {
  Pen head, body;
  Hair style = Hair::kShort;
  Colour skin, hair, clothes;
  Outline face;          // the head without hair and ears
  double width = 0.75;   // half the head's width
  double turn = 0;       // how far the face looks to the side, -1..1
  double shoulders = 2;  // half the width of the shoulders
  double slope = 0.3;    // how far the shoulders fall
};

Person any_person(cv::Size size, const Colour& background, Random& random) {
  Person p;
  p.body.colour = cv::Mat::zeros(size * kSupersampling, CV_8UC3);
  p.body.coverage = cv::Mat::zeros(size * kSupersampling, CV_8U);
  p.body.unit = kSupersampling * std::sqrt(size.area()) * random.uniform(0.13, 0.27);
  p.body.origin.x = kSupersampling * size.width * std::clamp(0.5 + 0.12 * random.normal(), 0.2, 0.8);
  const double height = kSupersampling * size.height * random.uniform(0.28, 0.46);
  p.body.origin.y = std::max(height, p.body.unit * random.uniform(0.9, 1.5));  // the crown is cut by a little
  p.body.tilt = 0.05 * random.normal();
  p.head = p.body;
  p.head.tilt += std::clamp(0.1 * random.normal(), -0.3, 0.3);
  p.style = pick(kHairs, random);
  p.skin = any_skin(random);
  p.hair = pick(kHairColours, random);
  p.clothes = any_colour(random);
  if (random.chance(0.1)) p.clothes = background * random.uniform(0.85, 1.15);  // a boundary hard to see
  p.width = random.uniform(0.68, 0.84);
  p.turn = std::clamp(0.4 * random.normal(), -1.0, 1.0);
  p.shoulders = random.uniform(1.7, 2.5);
  p.slope = random.uniform(0.1, 0.5);
  p.face = ellipse({0, 0}, p.width, 1);
  const double jaw = random.uniform(0.05, 0.3);
  for (auto& point : p.face) point.x *= 1 - jaw * std::pow(std::max(0.0, point.y), 2);
  return p;
}

void paint_pattern(const Pen& pen, Random& random) {
  const Colour colour = any_colour(random);
  const double step = random.uniform(0.2, 0.6), width = step * random.uniform(0.2, 0.6);
  const bool rows = random.chance(0.6), columns = !rows || random.chance(0.4);
  for (double at = -4; at < 10; at += step) {
    if (rows) pen.line({{-4, at}, {4, at}}, width, colour);
    if (columns) pen.line({{at, 0}, {at, 10}}, width, colour);
  }
}

void paint_collar(const Person& p, Random& random) {
  const double depth = random.uniform(1.5, 2.6), open = random.uniform(0.3, 0.55);
  const Colour shirt = any_colour(random), cloth = random.chance(0.5) ? p.clothes * 0.7 : shirt * 0.8;
  p.body.paint({{-open, 1.1}, {open, 1.1}, {0, depth}}, random.chance(0.5) ? p.skin * 0.9 : shirt);
  for (const double s : kSides) {
    p.body.paint({{s * open, 1.1}, {s * (open + 0.3), 1.35}, {s * 0.25, depth + 0.1}, {0, depth}}, cloth);
  }
  const double end = random.chance(0.5) ? 8 : 0;  // buttons, or none
  for (double y = depth + 0.3; y < end; y += 0.5) p.body.paint(ellipse({0, y}, 0.06, 0.06), cloth * 1.3);
}

void draw_body(const Person& p, Random& random) {
  const double s = p.shoulders, y = 1.3 + p.slope, neck = random.uniform(0.32, 0.5);
  Outline right = {{0.35, 1.15}, {0.5 * s, 1.25 + 0.4 * p.slope}, {0.88 * s, y + 0.05}, {s, y + 0.5}};
  right.insert(right.end(), {{0.98 * s, y + 2}, {0.9 * s, y + 4}, {0.95 * s, y + 9}});
  const Outline torso = symmetric_curve(right);
  p.body.part(torso, p.clothes);
  if (random.chance(0.45)) p.body.inside(torso, [&](const Pen& pen) { paint_pattern(pen, random); });
  p.body.part({{neck, 0.4}, {neck + 0.1, 1.3}, {0, 1.5}, {-neck - 0.1, 1.3}, {-neck, 0.4}}, p.skin * 0.92);
  p.head.paint(ellipse({0, 0.35}, 0.9 * neck + 0.1, 0.85), p.skin * 0.72);  // the chin's shadow
  if (random.chance(0.55)) paint_collar(p, random);
}

/// Arms that hang down, or bend and raise a hand to the chest or the cheek.
void draw_arms(const Person& p, Random& random) {
  const double width = random.uniform(0.55, 0.8), y = 1.45 + p.slope + width / 2;
  const Colour sleeve = p.clothes * random.uniform(0.8, 1.1);
  for (const double s : kSides) {
    const cv::Point2d shoulder{s * (p.shoulders - width / 2), y}, elbow{s * p.shoulders * 1.1, y + 2.4};
    const cv::Point2d hand{s * random.uniform(0.3, 0.8), random.uniform(0.7, 2.6)};
    const bool raised = random.chance(0.3);
    p.body.limb({shoulder, elbow, raised ? hand : elbow + cv::Point2d{0, 6}}, width, sleeve);
    if (raised) p.body.limb({hand, {hand.x - s * 0.15, hand.y - 0.3}}, 0.5, p.skin);
  }
}

void paint_eyes(const Person& p, Random& random) {
  const Colour iris = pick(kHairColours, random) * 0.8, frame{30, 30, 40};
  const double open = random.uniform(0.05, 0.1), brow = random.uniform(-0.23, -0.15);
  const double thick = random.uniform(0.04, 0.09);
  const bool glasses = random.chance(0.25), sunglasses = random.chance(0.08);
  for (const double s : kSides) {
    const cv::Point2d eye{(0.3 * p.turn + 0.42 * s) * p.width, -0.1};
    p.head.paint(ellipse(eye, 0.22, 0.16), p.skin * 0.9);
    p.head.paint(ellipse(eye, 0.15, open), {235, 238, 240});
    p.head.paint(ellipse({eye.x + 0.04 * p.turn, eye.y}, 0.07, std::min(0.07, open)), iris);
    p.head.line(ellipse(eye, 0.16, open, 190, 350), 0.03, p.skin * 0.3);
    p.head.line(ellipse({eye.x, brow}, 0.22, 0.15, 205, 335), thick, mix(p.hair * 0.8, p.skin, 0.2));
    if (sunglasses) p.head.paint(ellipse(eye, 0.25, 0.2), frame);
    if (glasses || sunglasses) p.head.line(ellipse(eye, 0.25, 0.2), 0.04, frame);
    if (glasses || sunglasses) p.head.line({{eye.x + 0.25 * s, eye.y}, {s, -0.15}}, 0.04, frame);
  }
}

void paint_nose_and_mouth(const Person& p, Random& random) {
  const double x = 0.35 * p.turn * p.width, half = random.uniform(0.2, 0.32);
  const double lips = random.uniform(0.03, 0.07), smile = random.uniform(-0.03, 0.14);
  p.head.line({{x * 0.9, -0.1}, {x + (p.turn < 0 ? -0.06 : 0.06), 0.22}}, 0.05, p.skin * 0.85);
  p.head.paint(ellipse({x, 0.24}, 0.14, 0.07), p.skin * 0.8);
  p.head.paint(ellipse({x, 0.2}, 0.11, 0.07), p.skin);
  Outline mouth = symmetric_curve({{0.1, 0.5 - lips}, {half, 0.5 - smile}, {0.1, 0.52 + lips + smile / 2}});
  for (auto& point : mouth) point.x += x;
  p.head.paint(mouth, mix(p.skin * 0.75, {70, 60, 170}, random.uniform(0.1, 0.6)));
  if (random.chance(0.3)) p.head.paint(ellipse({x, 0.53}, half * 0.7, lips * 0.6), {225, 230, 235});  // teeth
}

void draw_head(const Person& p, Random& random) {
  for (const double s : kSides) {
    const cv::Point2d ear{s * p.width * (1 - 0.12 * s * p.turn), 0.02};
    p.head.part(ellipse(ear, 0.13, 0.22), p.skin * 0.9);
    p.head.paint(ellipse(ear, 0.07, 0.13), p.skin * 0.75);
  }
  p.head.part(p.face, p.skin);
  const double dark_side = random.chance(0.5) ? 1.25 : -1.25, beard = random.uniform(0.0, 0.4);
  const Colour stubble = mix(p.skin, p.hair, random.uniform(0.3, 0.9));
  const bool bearded = random.chance(0.25);
  p.head.inside(p.face, [&](const Pen& pen) {
    pen.paint(ellipse({dark_side * p.width, 0.1}, 0.7 * p.width, 1.3), p.skin * 0.92);
    if (bearded) pen.paint(symmetric_curve({{0.2, 0.3}, {0.9 * p.width, beard}, {1.1, 1.2}}), stubble);
  });
  paint_eyes(p, random);
  paint_nose_and_mouth(p, random);
}

void draw_hair_part(const Person& p, const Outline& outline, double shade, Random& random) {
  p.head.part(outline, p.hair * shade);
  p.head.inside(outline, [&](const Pen& pen) {
    for (int strand = 0; strand < 36; ++strand) {
      const double top = random.uniform(-0.9, 0.9), bottom = top * random.uniform(0.7, 1.6);
      const double width = random.uniform(0.02, 0.06), sheen = shade * random.uniform(0.75, 1.3);
      pen.line({{top, -1.4}, {bottom, 0.2}, {bottom, 3}}, width, p.hair * sheen);
    }
  });
}

void draw_curls(const Person& p, double from, double to, double volume, Random& random) {
  for (int i = 0; i < 70; ++i) {
    const double angle = random.uniform(from, to) * CV_PI / 180, reach = random.uniform(0.85, 1 + volume);
    const cv::Point2d centre{p.width * reach * std::cos(angle), reach * std::sin(angle)};
    const double radius = random.uniform(0.12, 0.24);
    p.head.part(ellipse(centre, radius, radius), p.hair * random.uniform(0.7, 1.25));
  }
}

/// Hair behind the head and the shoulders.
void draw_back_hair(const Person& p, Random& random) {
  if (p.style == Hair::kCurly) {
    p.head.part(ellipse({0, -0.1}, p.width * 1.2, 1.15), p.hair * 0.8);
    draw_curls(p, 150, 390, random.uniform(0.15, 0.5), random);
  } else if (p.style == Hair::kLong || (p.style == Hair::kHat && random.chance(0.5))) {
    const double wide = p.width + random.uniform(0.1, 0.35), middle = wide + random.uniform(-0.1, 0.15);
    const double end = random.uniform(0.9, 2.8);
    const Outline right = {{0.3, -1.12}, {wide, -0.5}, {middle, 0.5}, {wide, end}, {0.4, end + 0.2}};
    draw_hair_part(p, symmetric_curve(right), 0.75, random);
  } else if (p.style == Hair::kBun) {
    const double radius = random.uniform(0.28, 0.45);
    p.head.part(ellipse({random.uniform(-0.3, 0.3), -1.2}, radius, radius), p.hair * 0.85);
  }
}

/// The hair on the skull down to the hairline, and locks in front of the shoulders.
void draw_front_hair(const Person& p, Random& random) {
  const double volume = random.uniform(0.04, 0.2), temple = random.uniform(-0.15, 0.25);
  const double line = random.uniform(-0.8, -0.4), parting = random.uniform(-0.5, 0.5) * p.width, w = p.width;
  Outline cap = ellipse({0, temple - 0.1}, w + 0.04 + volume / 3, 0.9 + temple + volume, 180, 360);
  cap.insert(cap.end(), {{0.97 * w, temple + 0.1}, {0.85 * w, -0.25}, {0.5 * w, line}});
  cap.insert(cap.end(),
             {{parting, line - 0.1}, {-0.5 * w, line}, {-0.85 * w, -0.25}, {-0.97 * w, temple + 0.1}});
  draw_hair_part(p, cap, 1, random);
  if (p.style == Hair::kCurly) draw_curls(p, 200, 340, 0.15, random);
  if (p.style != Hair::kLong || random.chance(0.5)) return;
  const double length = random.uniform(0.6, 1.3);
  for (const double s : kSides) {
    draw_hair_part(p, ellipse({s * (w + 0.02), length - 0.25}, 0.2, length), 0.9, random);
  }
}

void draw_hat(const Person& p, Random& random) {
  const Colour felt = any_colour(random), band = felt * random.uniform(0.5, 0.8);
  const double rim = random.uniform(-0.55, -0.35), wide = p.width + random.uniform(0.05, 0.15);
  p.head.part(ellipse({0, rim}, wide, random.uniform(0.65, 0.95), 180, 360), felt);
  if (random.chance(0.5)) {
    p.head.part(ellipse({0, rim}, wide + random.uniform(0.25, 0.6), 0.14), band);
  } else {
    p.head.limb({{0.1 - wide, rim}, {wide - 0.1, rim}}, 0.22, band);  // a woollen hat's fold
  }
}

void draw_parts(const Person& p, Random& random) {
  const bool arms = random.chance(0.5), arms_last = random.chance(0.5);
  draw_back_hair(p, random);
  draw_body(p, random);
  if (arms && !arms_last) draw_arms(p, random);
  draw_head(p, random);
  if (p.style != Hair::kBald) draw_front_hair(p, random);
  if (p.style == Hair::kHat) draw_hat(p, random);
  if (arms && arms_last) draw_arms(p, random);
}

}  // namespace

DrawnPerson draw_person(cv::Size size, const Colour& background, Random& random) {
  const Person person = any_person(size, background, random);
  draw_parts(person, random);
  return {person.body.colour, person.body.coverage};
}

}  // namespace portraitseg::synthetic
