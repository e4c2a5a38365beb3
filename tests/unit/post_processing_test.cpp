#include "portraitseg/data/post_processing.h"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <opencv2/imgproc.hpp>

#include "portraitseg/core/error.h"

namespace portraitseg {
namespace {

using ::testing::HasSubstr;

/// The pixels that hang together with `start`, by the definition.
std::vector<cv::Point> flooded(const cv::Mat& mask, cv::Point start, cv::Mat& seen) {
  std::vector<cv::Point> part = {start};
  seen.at<std::uint8_t>(start) = 1;
  for (std::size_t i = 0; i < part.size(); ++i) {
    for (int dy = -1; dy <= 1; ++dy) {
      for (int dx = -1; dx <= 1; ++dx) {
        const cv::Point next(part[i].x + dx, part[i].y + dy);
        if (!cv::Rect({}, mask.size()).contains(next) || mask.at<std::uint8_t>(next) == 0) continue;
        if (seen.at<std::uint8_t>(next) != 0) continue;
        seen.at<std::uint8_t>(next) = 1;
        part.push_back(next);
      }
    }
  }
  return part;
}

cv::Mat largest_by_flooding(const cv::Mat& mask) {
  cv::Mat seen = cv::Mat::zeros(mask.size(), CV_8U), kept = cv::Mat::zeros(mask.size(), CV_8U);
  std::vector<cv::Point> largest;
  for (int y = 0; y < mask.rows; ++y) {
    for (int x = 0; x < mask.cols; ++x) {
      if (mask.at<std::uint8_t>(y, x) == 0 || seen.at<std::uint8_t>(y, x) != 0) continue;
      const auto part = flooded(mask, {x, y}, seen);
      if (part.size() > largest.size()) largest = part;
    }
  }
  for (const auto& point : largest) kept.at<std::uint8_t>(point) = mask.at<std::uint8_t>(point);
  return kept;
}

/// Eq. 5, 6 and 8 of the paper, window by window.
cv::Mat guided_by_definition(const cv::Mat& p, const cv::Mat& guide, int radius, double eps) {
  const auto window = [&](int y, int x) {
    const cv::Rect square(x - radius, y - radius, 2 * radius + 1, 2 * radius + 1);
    return square & cv::Rect({}, p.size());
  };
  cv::Mat a(p.size(), CV_64F), b(p.size(), CV_64F), q(p.size(), CV_32F);
  for (int y = 0; y < p.rows; ++y) {
    for (int x = 0; x < p.cols; ++x) {
      double n = 0, sum_i = 0, sum_p = 0, sum_ii = 0, sum_ip = 0;
      const cv::Rect w = window(y, x);
      for (int v = w.y; v < w.y + w.height; ++v) {
        for (int u = w.x; u < w.x + w.width; ++u) {
          const double i = guide.at<std::uint8_t>(v, u) / 255.0, value = p.at<float>(v, u);
          n += 1, sum_i += i, sum_p += value, sum_ii += i * i, sum_ip += i * value;
        }
      }
      const double mean_i = sum_i / n, mean_p = sum_p / n;
      a.at<double>(y, x) = (sum_ip / n - mean_i * mean_p) / (sum_ii / n - mean_i * mean_i + eps);
      b.at<double>(y, x) = mean_p - a.at<double>(y, x) * mean_i;
    }
  }
  for (int y = 0; y < p.rows; ++y) {
    for (int x = 0; x < p.cols; ++x)
      q.at<float>(y, x) = static_cast<float>(
          cv::mean(a(window(y, x)))[0] * guide.at<std::uint8_t>(y, x) / 255 + cv::mean(b(window(y, x)))[0]);
  }
  return q;
}

cv::Mat random_floats(cv::Size size, std::uint64_t seed) {
  cv::Mat values(size, CV_32FC1);
  cv::RNG(seed).fill(values, cv::RNG::UNIFORM, 0, 1);
  return values;
}

cv::Mat random_mask(cv::Size size, double share, std::uint64_t seed) {
  return (random_floats(size, seed) < share) / 255;
}

TEST(PostProcessing, IsNamedInTheOrderInWhichItIsApplied) {
  const auto post = PostProcessing::parse("largest_component,guided_filter:8:0.010");
  EXPECT_EQ(post.name(), "guided_filter:8:0.01+largest_component");
  ASSERT_TRUE(post.guided_filter.has_value());
  EXPECT_EQ(post.guided_filter->radius, 8);
  EXPECT_EQ(post.guided_filter->eps, 0.01);
  EXPECT_EQ(PostProcessing::parse("largest_component").name(), "largest_component");
  EXPECT_TRUE(PostProcessing::parse("none").empty());
  EXPECT_EQ(PostProcessing().name(), "");
}

TEST(PostProcessing, WrongTextIsOneLineThatNamesThePartAndWhatItHasToBe) {
  const std::string form = "guided_filter:RADIUS:EPS (1 to 1000; 1e-08 to 1)";
  const std::pair<const char*, std::string> wrong[] = {
      {"", "known: " + form + ", largest_component"},
      {"largest", "known: " + form + ", largest_component"},
      {"larges_component", "did you mean 'largest_component'?"},
      {"guided_filter", "expected " + form},
      {"guided_filter:8", "expected " + form},
      {"guided_filter:0:0.01", "RADIUS has to be a whole number from 1 to 1000"},
      {"guided_filter:2.5:0.01", "RADIUS has to be a whole number from 1 to 1000"},
      {"guided_filter:8:0", "EPS has to be a number from 1e-08 to 1"},
      {"guided_filter:8:2", "EPS has to be a number from 1e-08 to 1"},
  };
  for (const auto& [text, words] : wrong) {
    try {
      PostProcessing::parse(text);
      ADD_FAILURE() << text;
    } catch (const UserError& error) {
      EXPECT_THAT(error.what(), HasSubstr(words)) << text;
    }
  }
}

TEST(LargestComponent, EqualsFloodingOnRandomMasks) {
  std::uint64_t seed = 0;
  for (const double share : {0.05, 0.2, 0.35, 0.4, 0.45, 0.6}) {
    for (const cv::Size size : {cv::Size(1, 1), cv::Size(7, 5), cv::Size(24, 31), cv::Size(64, 48)}) {
      for (int i = 0; i < 20; ++i) {  // the sparse ones have many parts of the same size
        const cv::Mat mask = random_mask(size, share, ++seed);
        ASSERT_EQ(cv::norm(largest_component(mask), largest_by_flooding(mask), cv::NORM_INF), 0)
            << mask << share << " " << size;
      }
    }
  }
}

TEST(LargestComponent, KeepsClassesThatTouchAndTheMaskWithoutAny) {
  cv::Mat mask = (cv::Mat_<std::uint8_t>(3, 5) << 3, 0, 0, 0, 1,  //
                  0, 2, 0, 0, 1,                                  //
                  0, 0, 4, 0, 0);
  const cv::Mat expected = (cv::Mat_<std::uint8_t>(3, 5) << 3, 0, 0, 0, 0,  //
                            0, 2, 0, 0, 0,                                  //
                            0, 0, 4, 0, 0);
  EXPECT_EQ(cv::norm(largest_component(mask), expected, cv::NORM_INF), 0);
  EXPECT_EQ(mask.at<std::uint8_t>(0, 4), 1) << "the mask given is left as it is";
  const cv::Mat empty = cv::Mat::zeros(4, 4, CV_8UC1);
  EXPECT_EQ(cv::norm(largest_component(empty), empty, cv::NORM_INF), 0);
}

TEST(OtherComponents, AreThoseThatAreNotTheLargestWithWhatIsNearest) {
  cv::Mat mask = cv::Mat::zeros(20, 60, CV_8UC1);
  mask(cv::Rect(0, 5, 21, 10)).setTo(1);
  mask(cv::Rect(40, 8, 6, 4)).setTo(2);
  const cv::Mat others = other_components(mask);
  EXPECT_EQ(cv::countNonZero(others & (mask == 2)), 24);
  EXPECT_EQ(cv::countNonZero(others & (mask == 1)), 0);
  EXPECT_EQ(others.at<std::uint8_t>(10, 31), 255) << "9 px from it, 11 from the largest";
  EXPECT_EQ(others.at<std::uint8_t>(10, 30), 0) << "10 px from both";
  EXPECT_EQ(others.at<std::uint8_t>(10, 59), 255);
  EXPECT_EQ(cv::norm(largest_component(mask), (mask == 1) / 255, cv::NORM_INF), 0);
  for (const cv::Mat& one : {cv::Mat((mask == 1) / 255), cv::Mat(cv::Mat::zeros(20, 60, CV_8UC1))})
    EXPECT_EQ(cv::countNonZero(other_components(one)), 0);
}

TEST(GuidedFilter, EqualsItsDefinition) {
  for (const int radius : {1, 3, 9, 40}) {
    for (const double eps : {1e-4, 0.01, 0.5}) {
      const cv::Size size(29, 23);
      cv::Mat p = random_floats(size, 1), guide;
      random_floats(size, 2).convertTo(guide, CV_8U, 255);
      EXPECT_LT(cv::norm(guided_filter(p, guide, radius, eps), guided_by_definition(p, guide, radius, eps),
                         cv::NORM_INF),
                1e-5)
          << radius << " " << eps;
    }
  }
}

TEST(GuidedFilter, SmoothsWhereTheGuideIsFlatAndKeepsItsEdges) {
  cv::Mat guide = cv::Mat::zeros(60, 60, CV_8UC1), p = random_floats({60, 60}, 3) * 0.2;
  guide.colRange(30, 60).setTo(255);
  p.colRange(32, 60) += 0.8;  // the network is 2 px off the image's edge
  const cv::Mat q = guided_filter(p, guide, 6, 1e-4);
  cv::Scalar mean, before, after;
  cv::meanStdDev(p.colRange(0, 20), mean, before);
  cv::meanStdDev(q.colRange(0, 20), mean, after);
  EXPECT_LT(after[0], before[0] / 5);
  for (int y = 10; y < 50; ++y) {
    EXPECT_LT(q.at<float>(y, 29), 0.5) << y;
    EXPECT_GT(q.at<float>(y, 30), 0.5) << "the answer moves to the image's edge, " << y;
  }
}

TEST(GreyGuide, IsTheSameForBothTypesOfImages) {
  cv::Mat image(2, 2, CV_8UC3, cv::Scalar(255, 0, 0)), floats;
  image.at<cv::Vec3b>(0, 0) = {255, 255, 255};
  image.convertTo(floats, CV_32F);
  EXPECT_EQ(cv::norm(grey_guide(image), grey_guide(floats), cv::NORM_INF), 0);
  EXPECT_EQ(grey_guide(image).at<std::uint8_t>(0, 0), 255);
  EXPECT_EQ(grey_guide(image).at<std::uint8_t>(1, 1), 29) << "0.114 of blue";
}

}  // namespace
}  // namespace portraitseg
