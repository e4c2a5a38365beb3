#include "portraitseg/data/prior.h"

#include <cmath>
#include <set>
#include <vector>

#include <gmock/gmock.h>
#include <opencv2/core.hpp>
#include <opencv2/imgproc.hpp>

#include "portraitseg/core/error.h"
#include "portraitseg/data/sample.h"

namespace portraitseg {
namespace {

using ::testing::HasSubstr;

bool same(const cv::Mat& a, const cv::Mat& b) {
  return a.type() == b.type() && a.size() == b.size() && cv::norm(a, b, cv::NORM_INF) == 0;
}

cv::Mat formula_image(cv::Size size) {
  cv::Mat image(size, CV_8UC3);
  for (int y = 0; y < size.height; ++y) {
    for (int x = 0; x < size.width; ++x) {
      image.at<cv::Vec3b>(y, x) =
          cv::Vec3b(static_cast<std::uint8_t>(127 + 120 * std::sin(0.13 * x + 0.05 * y)),
                    static_cast<std::uint8_t>(127 + 120 * std::cos(0.09 * y - 0.04 * x)),
                    static_cast<std::uint8_t>(255.0 * x * y / size.area()));
    }
  }
  return image;
}

const CornerShifts<3> kThreeShifts{{{{2, -1}, {-3, 0}, {1, 2}}}, {{{-1, 3}, {2, -2}, {0, -3}}}};
const CornerShifts<4> kFourShifts{{{{2, -1}, {-3, 0}, {1, 2}, {-2, -4}}},
                                  {{{-1, 3}, {2, -2}, {0, -3}, {1, 1}}}};

/// Rows and columns that goldens look at.
const std::vector<cv::Point> kPlaces = {{5, 5}, {30, 20}, {60, 24}, {10, 44}, {50, 40}};

void expect_near(const cv::Mat& image, const std::vector<cv::Vec3b>& golden, const cv::Scalar& sums) {
  for (std::size_t i = 0; i < kPlaces.size(); ++i) {
    const cv::Vec3i found = image.at<cv::Vec3b>(kPlaces[i]), expected = golden[i];
    EXPECT_LE(cv::norm(found - expected, cv::NORM_INF), 1) << kPlaces[i];
  }
  // A tenth of a level on average, or two border pixels.
  const cv::Scalar found = cv::sum(image);
  for (int c = 0; c < 3; ++c) EXPECT_NEAR(found[c], sums[c], 400);
}

// Made with OpenCV 4.6 and NumPy 1.24 on formula_image(64 x 48), the corners those of kFourShifts:
//   tps = cv2.createThinPlateSplineShapeTransformer(); tps.estimateTransformation(to, from, four DMatch(i, i, 0))
//   tps.warpImage(image), image.sum(axis=(0, 1))
TEST(PriorSteps, ThinPlateEqualsOpenCvsShapeTransformer) {
  expect_near(warp_thin_plate(formula_image({64, 48}), kFourShifts),
              {{229, 245, 1}, {7, 228, 46}, {224, 243, 105}, {22, 11, 14}, {243, 139, 149}},
              {403749, 449008, 171179});
}

// The same, with cv2.getAffineTransform(from, to), cv2.warpAffine; cv2.getPerspectiveTransform, cv2.warpPerspective.
TEST(PriorSteps, AffineAndPerspectiveEqualReference) {
  expect_near(warp_affine(formula_image({64, 48}), kThreeShifts),
              {{230, 246, 1}, {8, 199, 54}, {211, 225, 139}, {0, 0, 0}, {0, 0, 0}}, {349594, 373730, 144207});
  expect_near(warp_perspective(formula_image({64, 48}), kFourShifts),
              {{241, 244, 1}, {33, 241, 52}, {213, 240, 104}, {29, 23, 52}, {222, 158, 157}},
              {422141, 468593, 187210});
}

// kernel = cv2.warpAffine(np.diag(np.ones(n)), cv2.getRotationMatrix2D((n // 2, n // 2), deg, 1), (n, n)) / n
// cv2.filter2D(image, -1, kernel)
TEST(PriorSteps, MotionBlurEqualsReference) {
  expect_near(motion_blur(formula_image({64, 48}), 7, 30),
              {{165, 185, 1}, {10, 172, 38}, {133, 185, 91}, {66, 13, 28}, {167, 94, 126}},
              {334936, 350245, 143043});
  expect_near(motion_blur(formula_image({64, 48}), 24, 200),
              {{162, 191, 3}, {49, 177, 39}, {155, 190, 88}, {83, 12, 28}, {141, 97, 129}},
              {343348, 365155, 147253});
}

TEST(PriorSteps, WithoutShiftsNothingMoves) {
  const cv::Mat image = formula_image({64, 48});
  cv::Mat numbers;
  image.convertTo(numbers, CV_32F, 1.0 / 255);
  for (const cv::Mat& still : {image, numbers}) {
    EXPECT_LE(cv::norm(warp_affine(still, {}), still, cv::NORM_INF), 1e-6);
    EXPECT_LE(cv::norm(warp_perspective(still, {}), still, cv::NORM_INF), 1e-6);
    EXPECT_LE(cv::norm(warp_thin_plate(still, {}), still, cv::NORM_INF), 1e-6);
  }
}

TEST(PriorSteps, ShiftedCornersMeanTheSameInAllWarps) {
  // All corners 3 right and 2 down: a translation in each of them, also where the image is not square.
  CornerShifts<3> three;
  CornerShifts<4> four;
  three.to.fill({3, 2});
  four.to.fill({3, 2});
  const cv::Mat image = formula_image({64, 48});
  cv::Mat expected = cv::Mat::zeros(image.size(), CV_8UC3);
  image(cv::Rect(0, 0, 61, 46)).copyTo(expected(cv::Rect(3, 2, 61, 46)));
  EXPECT_LE(cv::norm(warp_affine(image, three), expected, cv::NORM_INF), 1);
  EXPECT_LE(cv::norm(warp_perspective(image, four), expected, cv::NORM_INF), 1);
  EXPECT_LE(cv::norm(warp_thin_plate(image, four), expected, cv::NORM_INF), 1);
}

/// A portrait-like disc, its lower part ignored if asked.
Frame frame(bool ignored = false) {
  Frame f{formula_image({80, 80}), cv::Mat::zeros(80, 80, CV_8UC1)};
  cv::circle(f.mask, {40, 40}, 25, cv::Scalar(1), cv::FILLED);
  if (ignored) f.mask.rowRange(50, 66).setTo(kIgnore);
  return f;
}

/// Every step.
PriorDraws everything(bool image_moves) {
  PriorDraws draws{true, image_moves};
  draws.motion = {true, 12, 40, true, kThreeShifts, true, kFourShifts, true, kFourShifts};
  return draws;
}

cv::Mat as_float(const cv::Mat& mask) {
  cv::Mat result;
  mask.convertTo(result, CV_32F);
  return result;
}

TEST(Prior, IsAbsentUnlessDrawn) {
  PriorDraws draws = everything(true);
  draws.present = false;
  const Frame before = frame(), after = add_prior(before, draws, "x");
  EXPECT_TRUE(after.prior.empty());
  EXPECT_TRUE(same(after.image, before.image) && same(after.mask, before.mask));
}

TEST(Prior, WithoutStepsIsTheMask) {
  for (const bool image_moves : {false, true}) {
    PriorDraws draws{true, image_moves};
    const Frame before = frame(), after = add_prior(before, draws, "x");
    EXPECT_TRUE(same(after.prior, as_float(before.mask)));
    EXPECT_TRUE(same(after.image, before.image) && same(after.mask, before.mask));
  }
}

TEST(Prior, MovesAloneThroughAllStepsInOrder) {
  const Frame before = frame(true), after = add_prior(before, everything(false), "x");
  EXPECT_TRUE(same(after.image, before.image) && same(after.mask, before.mask));
  cv::Mat prior = motion_blur(as_float((before.mask == 1) / 255), 12, 40);
  prior = warp_thin_plate(warp_perspective(warp_affine(prior, kThreeShifts), kFourShifts), kFourShifts);
  EXPECT_LE(cv::norm(after.prior, prior, cv::NORM_INF), 1e-6);
  EXPECT_TRUE(cv::checkRange(after.prior, true, nullptr, 0, 1 + 1e-7));
}

TEST(Prior, StaysWhileImageAndMaskMoveTogether) {
  const Frame before = frame(), after = add_prior(before, everything(true), "x");
  EXPECT_TRUE(same(after.prior, as_float(before.mask)));
  cv::Mat image = motion_blur(before.image, 12, 40), mask = motion_blur(as_float(before.mask), 12, 40);
  cv::normalize(image, image, 0, 255, cv::NORM_MINMAX);
  cv::normalize(mask, mask, 0, 1, cv::NORM_MINMAX);
  const auto warp = [](const cv::Mat& m) {
    return warp_thin_plate(warp_perspective(warp_affine(m, kThreeShifts), kFourShifts), kFourShifts);
  };
  mask = warp(mask);
  cv::normalize(mask, mask, 0, 1, cv::NORM_MINMAX);
  EXPECT_TRUE(same(after.image, warp(image)));
  EXPECT_TRUE(same(after.mask, (mask >= 0.5) / 255));
  EXPECT_FALSE(same(after.mask, before.mask));
}

TEST(Prior, OneStepAloneIsThatStep) {
  const Frame before = frame();
  PriorDraws draws = everything(false);
  draws.motion = {};
  draws.motion.perspective = true;
  draws.motion.perspective_shifts = kFourShifts;
  EXPECT_LE(cv::norm(add_prior(before, draws, "x").prior,
                     warp_perspective(as_float(before.mask), kFourShifts), cv::NORM_INF),
            1e-6);
}

TEST(Prior, IgnoredPixelsMoveAndNothingElseIsCertainBecauseOfThem) {
  const Frame known = frame(), unknown = frame(true);
  const cv::Mat certain = add_prior(known, everything(true), "x").mask;
  const cv::Mat mask = add_prior(unknown, everything(true), "x").mask;
  const cv::Mat ignored = mask == kIgnore;
  EXPECT_GT(cv::countNonZero(ignored), 300);
  EXPECT_EQ(mask.at<std::uint8_t>(57, 41), kIgnore);
  EXPECT_EQ(cv::countNonZero((mask != certain) & ~ignored), 0);  // what is not ignored is as it was
  const std::set<int> values(mask.begin<std::uint8_t>(), mask.end<std::uint8_t>());
  EXPECT_EQ(values, (std::set<int>{0, 1, kIgnore}));
}

TEST(Prior, MasksOfOneClassStayOne) {
  for (const int value : {0, 1}) {
    Frame f{formula_image({64, 64}), cv::Mat(64, 64, CV_8UC1, cv::Scalar(value))};
    PriorDraws draws{true, true};
    EXPECT_TRUE(same(add_prior(f, draws, "x").mask, f.mask));
    for (int deg = 0; deg <= 360; deg += 20) {
      draws.motion.blurred = true;
      draws.motion.blur_length = 5 + deg % 26;
      draws.motion.blur_deg = deg;
      EXPECT_TRUE(same(add_prior(f, draws, "x").mask, f.mask)) << deg;
    }
  }
}

TEST(Prior, MasksOfManyClassesAreRefused) {
  Frame f = frame();
  f.mask.at<std::uint8_t>(3, 3) = 2;
  try {
    add_prior(f, everything(true), "00002");
    FAIL();
  } catch (const UserError& error) {
    EXPECT_THAT(error.what(), HasSubstr("augment.prior: the mask of 00002 has classes above 1"));
  }
  EXPECT_NO_THROW(add_prior(f, PriorDraws(), "00002"));
}

TEST(Prior, DrawsHaveTheirSharesAndRanges) {
  PriorOptions options;
  options.probability = 0.3;
  constexpr int kDraws = 10000;
  std::vector<int> counts(6);
  std::set<int> lengths, degrees;
  std::set<float> shifts;
  double shift_sum = 0, length_sum = 0;
  for (std::uint64_t i = 0; i < kDraws; ++i) {
    Random random(1, Purpose::kAugment, {i});
    const PriorDraws draws = draw_prior(options, {300, 224}, random);
    const MotionDraws& m = draws.motion;
    const std::vector<bool> applied = {draws.present, draws.image_moves, m.blurred,
                                       m.affine,      m.perspective,     m.thin_plate};
    for (std::size_t k = 0; k < counts.size(); ++k) counts[k] += applied[k];
    lengths.insert(m.blur_length);
    degrees.insert(m.blur_deg);
    length_sum += m.blur_length;
    for (const auto& point : m.affine_shifts.to) shifts.insert({point.x, point.y});
    for (const auto& point : m.perspective_shifts.from) shifts.insert({point.x, point.y});
    for (const auto& point : m.thin_plate_shifts.to) shifts.insert({point.x, point.y});
    shift_sum += m.thin_plate_shifts.from[3].y;
  }
  EXPECT_NEAR(counts[0], 0.3 * kDraws, 5 * std::sqrt(kDraws * 0.3 * 0.7));
  for (std::size_t k = 1; k < counts.size(); ++k) {
    EXPECT_NEAR(counts[k], 0.5 * kDraws, 5 * std::sqrt(kDraws * 0.25)) << k;
  }
  EXPECT_EQ(lengths.size(), 26U);  // 5..30
  EXPECT_EQ(*lengths.begin(), 5);
  EXPECT_NEAR(length_sum / kDraws, 17.5, 5 * 7.5 / std::sqrt(kDraws));
  EXPECT_EQ(degrees.size(), 361U);
  EXPECT_EQ(*degrees.begin(), 0);
  EXPECT_EQ(shifts.size(), 22U);  // int(0.05 * 224) = 11, NumPy's upper bound is exclusive: -11..10
  EXPECT_EQ(*shifts.begin(), -11);
  EXPECT_EQ(*shifts.rbegin(), 10);
  EXPECT_NEAR(shift_sum / kDraws, -0.5, 5 * 6.35 / std::sqrt(kDraws));
}

TEST(Prior, AlwaysTakes52Draws) {
  PriorOptions always, still;
  always.probability = 1;
  still.shift = 0;
  for (const PriorOptions& options : {PriorOptions(), always, still}) {
    Random used(1, Purpose::kAugment), counted(1, Purpose::kAugment);
    const PriorDraws draws = draw_prior(options, {32, 32}, used);
    for (int i = 0; i < 52; ++i) counted.next();
    EXPECT_EQ(used.next(), counted.next());
    EXPECT_EQ(draws.present, options.probability == 1);
    EXPECT_TRUE(options.shift > 0 || draws.motion.affine_shifts.to[2] == cv::Point2f(0, 0));
  }
}

TEST(Prior, NonsenseIsRefused) {
  for (const char* yaml : {"probability: 1.5", "shift: -0.1", "shift: 0.5"}) {
    PriorOptions options;
    EXPECT_THROW(Config::parse(yaml, "test").read(options), ConfigError) << yaml;
  }
}

}  // namespace
}  // namespace portraitseg
