#include "portraitseg/data/preprocessing.h"

#include <set>
#include <string>

#include <gtest/gtest.h>
#include <opencv2/imgproc.hpp>
#include <torch/types.h>
#include <zlib.h>

#include "portraitseg/data/image_file.h"
#include "portraitseg/data/targets.h"
#include "portraitseg/weights/safetensors.h"

#include "support/golden.h"
#include "support/shared_data.h"

namespace portraitseg {
namespace {

using testing::golden_path;
using testing::largest_difference;
using testing::to_mat;

std::vector<double> numbers(const torch::Tensor& tensor) {
  const auto values = tensor.to(torch::kFloat64).contiguous();
  return {values.data_ptr<double>(), values.data_ptr<double>() + values.numel()};
}

Preprocessing clova(std::int64_t height, std::int64_t width) {
  const auto inputs = read_safetensors(golden_path("inputs_clova.safetensors"));
  Preprocessing preprocessing;
  preprocessing.size = {height, width};
  preprocessing.mean = numbers(inputs.at("mean"));
  preprocessing.std = numbers(inputs.at("std"));
  return preprocessing;
}

Preprocessing portraitnet(std::int64_t side) {
  Preprocessing preprocessing;
  preprocessing.geometry = Geometry::kLetterbox;
  preprocessing.interpolation = Interpolation::kCubic;
  preprocessing.size = {side, side};
  preprocessing.mean = {103.94, 116.78, 123.68};
  preprocessing.scale = 0.017;
  return preprocessing;
}

TEST(PreprocessingParity, ClovaEqualsTheReference) {
  PORTRAITSEG_NEEDS_SHARED_DATA();
  const auto golden = read_safetensors(golden_path("preprocess.safetensors"));
  for (const auto& [name, height, width] : {std::tuple("w32_h24", 24, 32), std::tuple("w96_h64", 64, 96)}) {
    const Preprocessing preprocessing = clova(height, width);
    const auto input = preprocessing.normalise(preprocessing.place_image(to_mat(golden.at("small.image"))));
    const std::string prefix = std::string("clova.small.") + name;
    EXPECT_LE(largest_difference(input.unsqueeze(0), golden.at(prefix + ".image")), 1e-8) << name;
    const cv::Mat mask = preprocessing.place_mask(to_mat(golden.at("small.mask")));
    EXPECT_EQ(largest_difference(testing::to_tensor(mask), golden.at(prefix + ".label")), 0) << name;
  }
}

TEST(PreprocessingParity, RealImagesBecomeTheReferencesInput) {
  PORTRAITSEG_NEEDS_SHARED_DATA();
  const auto inputs = read_safetensors(golden_path("inputs_clova.safetensors"));
  const auto folder = testing::shared_root() / "data" / "eg1800";
  const Preprocessing preprocessing = clova(224, 224);
  const char* const names[] = {"00002", "00005"};
  for (int row = 0; row < 2; ++row) {
    const std::string name = names[row];
    const auto input =
        preprocessing.normalise(preprocessing.place_image(read_image(folder / "Images" / (name + ".jpg"))));
    EXPECT_LE(largest_difference(input, inputs.at("input")[row]), 1e-8) << name;
    const cv::Mat mask = preprocessing.place_mask(read_mask_values(folder / "Labels" / (name + ".png")));
    EXPECT_EQ(largest_difference(testing::to_tensor(mask), inputs.at("label")[row]), 0) << name;
  }
}

TEST(PreprocessingParity, LetterboxEqualsTheReference) {
  PORTRAITSEG_NEEDS_SHARED_DATA();
  const auto golden = read_safetensors(golden_path("preprocess.safetensors"));
  const auto image = golden.at("small.image");
  for (const auto& [name, source] :
       {std::pair("small", image), std::pair("tall", image.transpose(0, 1).contiguous())}) {
    const Preprocessing preprocessing = portraitnet(64);
    cv::Mat placed = preprocessing.place_image(to_mat(source)), bytes;
    const auto input = preprocessing.normalise(placed).unsqueeze(0);
    placed.convertTo(bytes, CV_8U);
    cv::Mat expected = to_mat(golden.at(std::string("padding.") + name + ".image"));
    EXPECT_LE(cv::norm(bytes, expected, cv::NORM_INF), 1) << name;
    EXPECT_LE(largest_difference(input, golden.at(std::string("portraitnet_normalized.") + name)), 1e-6)
        << name;
  }
}

TEST(PreprocessingParity, RealImagesAreDecodedAndLetterboxedAsInTheReference) {
  PORTRAITSEG_NEEDS_SHARED_DATA();
  const auto golden = read_safetensors(golden_path("preprocess.safetensors"));
  const Preprocessing preprocessing = portraitnet(224);
  for (const auto& [row, name] : {std::pair("real0", "00002.jpg"), std::pair("real1", "00005.jpg")}) {
    const cv::Mat image = read_image(testing::shared_root() / "data" / "eg1800" / "Images" / name);
    const std::string decode = std::string("decode.") + row;
    const auto crc = crc32(0, image.data, static_cast<unsigned>(image.total() * image.elemSize()));
    EXPECT_EQ(static_cast<std::int64_t>(crc), golden.at(decode + ".crc32").item<std::int64_t>()) << row;

    const cv::Mat placed = preprocessing.place_image(image);
    cv::Mat bytes;
    placed.convertTo(bytes, CV_8U);
    const cv::Mat expected = to_mat(golden.at(std::string("padding.") + row + ".image"));
    EXPECT_LE(cv::norm(bytes, expected, cv::NORM_INF), 1) << row;
    const auto rows = preprocessing.normalise(placed).slice(1, 96, 112).unsqueeze(0);
    const auto& normalised = golden.at(std::string("portraitnet_normalized.") + row + ".rows96_112");
    EXPECT_LE(largest_difference(rows, normalised), 1e-6) << row;
  }
}

TEST(PreprocessingParity, CubicMasksEqualTheReference) {
  PORTRAITSEG_NEEDS_SHARED_DATA();
  const auto golden = read_safetensors(golden_path("preprocess.safetensors"));
  const auto expect = [&](const std::string& name, const cv::Mat& mask, std::int64_t side) {
    Preprocessing preprocessing = portraitnet(side);
    preprocessing.label_interpolation = LabelInterpolation::kCubic;
    const cv::Mat placed = preprocessing.place_mask(mask);
    const auto& expected = golden.at("padding." + name + ".mask");
    EXPECT_EQ(largest_difference(testing::to_tensor(placed), expected), 0) << name;
    preprocessing.label_interpolation = LabelInterpolation::kNearest;
    EXPECT_GT(largest_difference(testing::to_tensor(preprocessing.place_mask(mask)), expected), 0) << name;
  };
  expect("small", to_mat(golden.at("small.mask")), 64);
  expect("tall", to_mat(golden.at("small.mask").transpose(0, 1).contiguous()), 64);
  expect("real0", read_mask_values(testing::shared_root() / "data" / "eg1800" / "Labels" / "00002.png"), 224);
}

TEST(PreprocessingParity, LabelsOfAnEncoderStageAreResizedTwice) {
  PORTRAITSEG_NEEDS_SHARED_DATA();
  const auto golden = read_safetensors(golden_path("preprocess.safetensors"));
  const cv::Mat label = label_at_stride(clova(64, 96).place_mask(to_mat(golden.at("small.mask"))), 8);
  EXPECT_EQ(largest_difference(testing::to_tensor(label), golden.at("clova.small.w96_h64.label_scale8")), 0);
}

TEST(Preprocessing, CubicMasksKeepTheirClasses) {
  cv::Mat mask = cv::Mat::zeros(90, 70, CV_8UC1);
  mask(cv::Rect(10, 10, 30, 60)).setTo(3);
  mask(cv::Rect(40, 10, 20, 30)).setTo(8);
  mask(cv::Rect(40, 40, 20, 30)).setTo(255);  // ignored
  Preprocessing cubic;
  cubic.size = {33, 47};
  Preprocessing nearest = cubic;
  cubic.label_interpolation = LabelInterpolation::kCubic;
  for (const Geometry geometry : {Geometry::kSquash, Geometry::kLetterbox}) {
    cubic.geometry = nearest.geometry = geometry;
    const cv::Mat placed = cubic.place_mask(mask), near = nearest.place_mask(mask);
    const std::set<int> values(placed.begin<std::uint8_t>(), placed.end<std::uint8_t>());
    EXPECT_EQ(values, (std::set<int>{0, 3, 8, 255}));
    cv::Mat inside;  // away from the classes' borders there is nothing to interpolate
    cv::morphologyEx(near, inside, cv::MORPH_GRADIENT, cv::Mat::ones(5, 5, CV_8U));
    EXPECT_EQ(cv::countNonZero((inside == 0) & (placed != near)), 0);
    EXPECT_LT(cv::countNonZero(placed != near), 200);
  }
}

TEST(Preprocessing, CubicMasksOfOneClassStayOne) {
  Preprocessing cubic;
  cubic.size = {33, 47};
  cubic.label_interpolation = LabelInterpolation::kCubic;
  for (const int value : {0, 1, 5, 255}) {
    const cv::Mat placed = cubic.place_mask(cv::Mat(60, 50, CV_8UC1, cv::Scalar(value)));
    EXPECT_EQ(cv::countNonZero(placed != value), 0) << value;
  }
}

TEST(Preprocessing, LetterboxedLogitsComeBackToTheirPlace) {
  for (const cv::Size size : {cv::Size(60, 90), cv::Size(90, 60), cv::Size(61, 90), cv::Size(64, 64)}) {
    cv::Mat image(size, CV_8UC3, cv::Scalar::all(0));
    image(cv::Rect(20, 30, 20, 20)).setTo(cv::Scalar::all(255));
    const Preprocessing preprocessing = portraitnet(256);
    const auto logits = preprocessing.normalise(preprocessing.place_image(image)).slice(0, 0, 1);
    const auto restored = preprocessing.restore_logits(logits, size);
    ASSERT_EQ(restored.sizes(), (std::vector<std::int64_t>{1, size.height, size.width}));
    EXPECT_GT(restored[0][40][30].item<float>(), 1.5);
    EXPECT_LT(restored[0][25][30].item<float>(), -1.5);
    EXPECT_LT(restored[0][40][15].item<float>(), -1.5);
    EXPECT_LT(restored[0][55][45].item<float>(), -1.5);
  }
}

TEST(Preprocessing, RgbOrderSwapsTheChannels) {
  Preprocessing preprocessing;
  preprocessing.size = {32, 32};
  preprocessing.scale = 1;
  const cv::Mat image(32, 32, CV_8UC3, cv::Scalar(1, 2, 3));
  EXPECT_EQ(preprocessing.normalise(preprocessing.place_image(image))[0][0][0].item<float>(), 1);
  preprocessing.channel_order = ChannelOrder::kRgb;
  EXPECT_EQ(preprocessing.normalise(preprocessing.place_image(image))[0][0][0].item<float>(), 3);
}

}  // namespace
}  // namespace portraitseg
