// Metrics and edge targets against values of the reference implementations (PyTorch, OpenCV, SciPy).

#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <opencv2/core.hpp>
#include <torch/types.h>

#include "portraitseg/data/edge_band.h"
#include "portraitseg/metrics/boundary_distance.h"
#include "portraitseg/metrics/edge_iou.h"
#include "portraitseg/metrics/pixel_counts.h"
#include "portraitseg/metrics/weighted_iou.h"
#include "portraitseg/weights/safetensors.h"

#include "support/shared_data.h"

namespace portraitseg {
namespace {

cv::Mat to_mat(const torch::Tensor& mask) {
  const auto bytes = mask.to(torch::kUInt8).contiguous();
  return cv::Mat(static_cast<int>(bytes.size(0)), static_cast<int>(bytes.size(1)), CV_8UC1, bytes.data_ptr())
      .clone();
}

std::vector<cv::Mat> to_mats(const torch::Tensor& masks) {
  std::vector<cv::Mat> result;
  for (const auto& mask : masks.unbind(0)) result.push_back(to_mat(mask));
  return result;
}

void expect_close(double actual, double golden) {
  EXPECT_NEAR(actual, golden, 1e-6 * std::abs(golden));
}

/// Distances of the pixels in `where`, against a golden [H, W] in pixels.
void expect_distances(const cv::Mat& squared, const torch::Tensor& golden, const cv::Mat& where) {
  ASSERT_EQ(squared.rows, golden.size(0));
  ASSERT_EQ(squared.cols, golden.size(1));
  const auto expected = golden.accessor<double, 2>();
  for (int y = 0; y < squared.rows; ++y) {
    for (int x = 0; x < squared.cols; ++x) {
      if (where.at<std::uint8_t>(y, x) != 0) expect_close(std::sqrt(squared.at<int>(y, x)), expected[y][x]);
    }
  }
}

class MetricsParity : public ::testing::Test {
 protected:
  void SetUp() override {
    PORTRAITSEG_NEEDS_SHARED_DATA();
    golden = read_safetensors(testing::golden_path("metrics.safetensors"));
    predictions = to_mats(golden.at("pred"));
    labels = to_mats(golden.at("label"));
  }

  double value(const std::string& name) const { return golden.at(name).item<double>(); }

  TensorFile golden;
  std::vector<cv::Mat> predictions, labels;
};

TEST_F(MetricsParity, ConfusionAndCalcIou) {
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const auto counts = PixelCounts::of(predictions[i], labels[i]);
    const auto confusion =
        golden.at("confusion")[static_cast<std::int64_t>(i)];  // rows label, columns prediction
    EXPECT_EQ(counts.tn, confusion[0][0].item<std::int64_t>());
    EXPECT_EQ(counts.fp, confusion[0][1].item<std::int64_t>());
    EXPECT_EQ(counts.fn, confusion[1][0].item<std::int64_t>());
    EXPECT_EQ(counts.tp, confusion[1][1].item<std::int64_t>());
    expect_close(counts.iou_foreground(), golden.at("calcIOU")[static_cast<std::int64_t>(i)].item<double>());
  }
}

TEST_F(MetricsParity, ClovaIouAndF1) {
  for (const std::string name : {"label", "label_ignore"}) {
    SCOPED_TRACE(name);
    const auto named_labels = to_mats(golden.at(name));
    PixelCounts batch;  // "batch": all images as one set of pixels
    double iou = 0, f1 = 0;
    for (std::size_t i = 0; i < labels.size(); ++i) {
      const auto counts = PixelCounts::of(predictions[i], named_labels[i]);
      batch += counts;
      iou += 100 * counts.iou_foreground() / static_cast<double>(labels.size());
      f1 += 100 * counts.f1() / static_cast<double>(labels.size());
    }
    expect_close(iou, value("iou_binary.per_image." + name));
    expect_close(f1, value("calcF1.per_image." + name));
    expect_close(100 * batch.iou_foreground(), value("iou_binary.batch." + name));
    expect_close(100 * batch.f1(), value("calcF1.batch." + name));
  }
}

TEST_F(MetricsParity, EmptyMasks) {
  const cv::Mat none = cv::Mat::zeros(labels[0].size(), CV_8UC1);
  const auto both_empty = PixelCounts::of(none, none), label_empty = PixelCounts::of(predictions[0], none);
  EXPECT_EQ(100 * both_empty.iou_foreground(), value("iou_binary.both_empty"));
  EXPECT_EQ(100 * both_empty.f1(), value("calcF1.both_empty"));
  EXPECT_EQ(both_empty.iou_foreground(), value("calcIOU.both_empty"));
  EXPECT_EQ(100 * label_empty.iou_foreground(), value("iou_binary.label_empty"));
  EXPECT_EQ(100 * label_empty.f1(), value("calcF1.label_empty"));
  EXPECT_EQ(label_empty.iou_foreground(), value("calcIOU.label_empty"));
}

TEST_F(MetricsParity, WeightedIou) {
  const cv::Mat everywhere = cv::Mat::ones(labels[0].size(), CV_8UC1);
  for (int i = 0; i < 2; ++i) {
    const auto distance = squared_distance(boundary_of_both_sides(labels[static_cast<std::size_t>(i)]));
    expect_distances(distance, golden.at("boundary_distance")[i], everywhere);
  }
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const auto values = weighted_iou(predictions[i], labels[i], {3, 5, 10});
    const auto row = static_cast<std::int64_t>(i);
    expect_close(values[0], golden.at("weighted_iou.sigma3")[row].item<double>());
    expect_close(values[1], golden.at("weighted_iou.sigma5")[row].item<double>());
    expect_close(values[2], golden.at("weighted_iou.sigma10")[row].item<double>());
  }
}

TEST_F(MetricsParity, EdgeIou) {
  const auto edge_golden = read_safetensors(testing::golden_path("metrics_edge_iou.safetensors"));
  for (std::size_t i = 0; i < 2; ++i) {
    const auto distance = squared_distance(boundary_of_foreground(labels[i]));
    expect_distances(distance, edge_golden.at("edge_iou.distance" + std::to_string(i)), labels[i] == 1);
  }
  const std::vector<int> sigmas = {3, 5, 10, 20, 40, 80};
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const auto values = edge_iou(predictions[i], labels[i], {sigmas.begin(), sigmas.end()});
    for (std::size_t s = 0; s < sigmas.size(); ++s) {
      const auto& expected = edge_golden.at("edge_iou.sigma" + std::to_string(sigmas[s]));
      expect_close(values[s], expected[static_cast<std::int64_t>(i)].item<double>());
    }
  }
}

TEST(EdgeBandParity, EqualsClovasEdgeTarget) {
  PORTRAITSEG_NEEDS_SHARED_DATA();
  const auto golden = read_safetensors(testing::golden_path("edges.safetensors"));
  for (const std::string name : {"real0", "synthetic0", "synthetic1", "all_background", "all_foreground"}) {
    for (const int kernel : {5, 15}) {
      const cv::Mat band = edge_band(to_mat(golden.at("mask." + name)), kernel);
      const cv::Mat expected = to_mat(golden.at("clova_edge" + std::to_string(kernel) + "." + name));
      ASSERT_EQ(band.size(), expected.size());
      EXPECT_EQ(cv::countNonZero(band != expected), 0) << name << ", kernel " << kernel;
    }
  }
}

}  // namespace
}  // namespace portraitseg
