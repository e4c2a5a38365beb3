#include "portraitseg/data/post_processing.h"

#include <cstdint>

#include <opencv2/imgproc.hpp>

#include "portraitseg/core/steps.h"

namespace portraitseg {
namespace {

constexpr const char* kGuidedFilter = "guided_filter";
constexpr const char* kLargestComponent = "largest_component";

const std::vector<StepForm>& forms() {
  static const std::vector<StepForm> all = {
      {kGuidedFilter, {{"RADIUS", {1, 1000}, true}, {"EPS", {1e-8, 1}}}},
      {kLargestComponent, {}},
  };
  return all;
}

/// Means of square windows; the pixels beyond the border are not counted.
class WindowMean {
 public:
  WindowMean(cv::Size image, int radius) : window_(2 * radius + 1, 2 * radius + 1) {
    pixels_ = sum(cv::Mat::ones(image, CV_64FC1));
  }
  cv::Mat operator()(const cv::Mat& values) const { return sum(values) / pixels_; }

 private:
  cv::Mat sum(const cv::Mat& values) const {
    cv::Mat sums;
    cv::boxFilter(values, sums, CV_64F, window_, {-1, -1}, false, cv::BORDER_CONSTANT);
    return sums;
  }

  cv::Size window_;
  cv::Mat pixels_;
};

/// The first pixel, by rows, of a component that has the largest area. @param areas of the labels; 0 is the background
int first_of_largest(const cv::Mat& labels, const std::vector<int>& areas) {
  int largest = 0;
  for (std::size_t label = 1; label < areas.size(); ++label) largest = std::max(largest, areas[label]);
  for (int y = 0; y < labels.rows; ++y) {
    const auto* const row = labels.ptr<int>(y);
    for (int x = 0; x < labels.cols; ++x) {
      if (row[x] != 0 && areas[static_cast<std::size_t>(row[x])] == largest) return row[x];
    }
  }
  return 0;
}

/// Of every pixel to the nearest one that is set. @param mask not all 0
cv::Mat distance_to(const cv::Mat& mask) {
  cv::Mat distance;
  cv::distanceTransform(mask == 0, distance, cv::DIST_L2, cv::DIST_MASK_PRECISE);
  return distance;
}

}  // namespace

PostProcessing PostProcessing::parse(const std::string& text) {
  PostProcessing post;
  for (const auto& step : parse_steps(text, forms())) {
    if (step.name == kLargestComponent) {
      post.largest_component = true;
    } else {
      post.guided_filter = GuidedFilter{static_cast<int>(step.numbers[0]), step.numbers[1]};
    }
  }
  return post;
}

std::string PostProcessing::name() const {
  std::string name;
  if (guided_filter)
    name = Step{kGuidedFilter, {static_cast<double>(guided_filter->radius), guided_filter->eps}}.text();
  if (largest_component) name += (name.empty() ? "" : "+") + std::string(kLargestComponent);
  return name;
}

cv::Mat largest_component(const cv::Mat& mask) {
  CV_Assert(mask.type() == CV_8UC1);
  cv::Mat labels, statistics, centers;
  const int count = cv::connectedComponentsWithStats(mask != 0, labels, statistics, centers, 8, CV_32S);
  if (count <= 2) return mask.clone();  // the background and one
  std::vector<int> areas;
  for (int label = 0; label < count; ++label) areas.push_back(statistics.at<int>(label, cv::CC_STAT_AREA));
  cv::Mat kept = cv::Mat::zeros(mask.size(), CV_8UC1);
  mask.copyTo(kept, labels == first_of_largest(labels, areas));
  return kept;
}

cv::Mat other_components(const cv::Mat& mask) {
  const cv::Mat kept = largest_component(mask), others = mask != kept;
  if (cv::countNonZero(others) == 0) return others;
  return distance_to(others) < distance_to(kept);
}

cv::Mat guided_filter(const cv::Mat& probability, const cv::Mat& guide, int radius, double eps) {
  CV_Assert(probability.type() == CV_32FC1 && guide.type() == CV_8UC1 && probability.size() == guide.size());
  cv::Mat p, grey, filtered;
  probability.convertTo(p, CV_64F);  // the variances are differences of sums
  guide.convertTo(grey, CV_64F, 1.0 / 255);
  const WindowMean mean(p.size(), radius);
  const cv::Mat mean_grey = mean(grey), mean_p = mean(p);
  const cv::Mat covariance = mean(grey.mul(p)) - mean_grey.mul(mean_p);
  const cv::Mat variance = mean(grey.mul(grey)) - mean_grey.mul(mean_grey);
  const cv::Mat a = covariance / (variance + eps), b = mean_p - a.mul(mean_grey);
  const cv::Mat result = mean(a).mul(grey) + mean(b);
  result.convertTo(filtered, CV_32F);
  return filtered;
}

cv::Mat grey_guide(const cv::Mat& image) {
  cv::Mat bytes, guide;
  image.convertTo(bytes, CV_8U);
  cv::cvtColor(bytes, guide, cv::COLOR_BGR2GRAY);
  return guide;
}

}  // namespace portraitseg
