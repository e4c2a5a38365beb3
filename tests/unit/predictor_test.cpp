#include "portraitseg/engine/predictor.h"

#include <limits>

#include <gtest/gtest.h>
#include <opencv2/core.hpp>
#include <torch/types.h>
#include <torch/utils.h>

#include "portraitseg/core/error.h"

namespace portraitseg {
namespace {

/// A convolution with weights drawn once, which answers at 1/stride.
class Convolution final : public SegmentationModel {
 public:
  Convolution(std::int64_t classes, std::int64_t stride, std::int64_t channels = 3) {
    torch::manual_seed(5);
    weight = register_parameter("weight", 4 * torch::randn({classes, channels, 3, 3}));
    stride_ = stride;
  }
  SegmentationOutput forward(const torch::Tensor& image) override {
    return {torch::conv2d(image - 0.5, weight, {}, stride_, 1), {}, {}};
  }
  std::int64_t size_multiple() const override { return stride_; }
  torch::Tensor weight;

 private:
  std::int64_t stride_;
};

cv::Mat photo(int seed, cv::Size size = {90, 121}) {
  cv::Mat image(size, CV_8UC3);
  cv::RNG(static_cast<std::uint64_t>(seed)).fill(image, cv::RNG::UNIFORM, 0, 256);
  return image;
}

Preprocessing plain(Geometry geometry) {
  Preprocessing preprocessing;
  preprocessing.geometry = geometry;
  preprocessing.size = {64, 48};
  if (geometry == Geometry::kLetterbox) preprocessing.size = {64, 64};
  return preprocessing;
}

Device cpu() {
  DeviceOptions options;
  options.name = "cpu";
  options.threads = 1;
  return Device(options);
}

Prediction predict_one(Predictor& predictor, const cv::Mat& image) {
  return predictor.restore(predictor.logits({predictor.input(image)})[0], image);
}

/// The steps without the class under test.
cv::Mat by_hand(ModelRunner& model, const Preprocessing& preprocessing, const cv::Mat& image) {
  const torch::NoGradGuard no_grad;
  const torch::Tensor input = preprocessing.normalise(preprocessing.place_image(image)).unsqueeze(0);
  return decide(preprocessing.restore_logits(model.forward(input).mask[0], image.size()));
}

TEST(Predictor, DoesItsStepsOneAfterTheOther) {
  const Device device = cpu();
  for (const auto geometry : {Geometry::kSquash, Geometry::kLetterbox}) {
    for (const std::int64_t classes : {1, 2, 5}) {
      for (const std::int64_t stride : {1, 4}) {
        Convolution model(classes, stride);
        Predictor predictor(model, plain(geometry), device);
        ModelRunner runner(model, device, ModelRunner::Purpose::kInference);
        const cv::Mat image = photo(1);
        const Prediction prediction = predict_one(predictor, image);
        EXPECT_EQ(cv::norm(predictor.predict(image).mask, prediction.mask, cv::NORM_INF), 0);
        EXPECT_EQ(cv::norm(prediction.mask, by_hand(runner, plain(geometry), image), cv::NORM_INF), 0);
        double largest = 0;
        cv::minMaxLoc(prediction.mask, nullptr, &largest);
        EXPECT_EQ(largest, classes == 1 ? 1 : static_cast<double>(classes - 1)) << "all classes are seen";
        EXPECT_DOUBLE_EQ(prediction.share(),
                         cv::countNonZero(prediction.mask) / static_cast<double>(image.total()));
      }
    }
  }
}

TEST(Predictor, ThePortraitsProbabilityIsThatOfEveryClassButTheFirst) {
  const Device device = cpu();
  for (const std::int64_t classes : {1, 2, 5}) {
    Convolution model(classes, 1);
    Predictor predictor(model, plain(Geometry::kSquash), device);
    const cv::Mat image = photo(2, {48, 64});  // the network's size: nothing is resampled
    const torch::Tensor logits = predictor.logits({predictor.input(image)})[0];
    const Prediction prediction = predictor.restore(logits, image);
    ASSERT_EQ(prediction.portrait.type(), CV_32FC1);
    const torch::Tensor expected =
        classes == 1 ? torch::sigmoid(logits[0]) : 1 - torch::softmax(logits.to(torch::kFloat64), 0)[0];
    const torch::Tensor seen =
        torch::from_blob(prediction.portrait.data, {64, 48}, torch::kFloat32).to(torch::kFloat64);
    EXPECT_LT((seen - expected).abs().max().item<double>(), 1e-6) << classes;
    if (classes <= 2) {
      EXPECT_EQ(cv::norm((prediction.portrait > 0.5) / 255, prediction.mask, cv::NORM_INF), 0);
    }
  }
}

TEST(Predictor, BatchesDoNotChangeAByte) {
  const Device device = cpu();
  Convolution model(2, 1);
  Predictor predictor(model, plain(Geometry::kSquash), device);
  std::vector<torch::Tensor> inputs;
  for (int i = 0; i < 5; ++i) inputs.push_back(predictor.input(photo(i)));
  const torch::Tensor together = predictor.logits(inputs);
  for (int i = 0; i < 5; ++i)
    EXPECT_TRUE(torch::equal(predictor.logits({inputs[static_cast<std::size_t>(i)]})[0], together[i]));
}

TEST(Predictor, ThePriorChannelIsTheMaskOfTheFrameBefore) {
  const Device device = cpu();
  Convolution model(2, 1, 4);
  Preprocessing preprocessing = plain(Geometry::kSquash);
  preprocessing.prior_channel = true;
  const Predictor predictor(model, preprocessing, device);
  const cv::Mat image = photo(3);
  cv::Mat before = cv::Mat::zeros(image.size(), CV_8UC1);
  EXPECT_EQ(predictor.input(image)[3].abs().max().item<float>(), 0);
  before(cv::Rect(0, 0, 45, 121)).setTo(3);  // any class but 0
  const torch::Tensor prior = predictor.input(image, before)[3];
  EXPECT_EQ(prior.slice(1, 0, 24).min().item<float>(), 1);
  EXPECT_EQ(prior.slice(1, 24).max().item<float>(), 0);
}

/// Logits of a larger portrait on the left and a smaller one on the right; the guide is flat but for an edge.
struct TwoParts {
  explicit TwoParts(std::int64_t classes) : logits(torch::full({classes, 20, 60}, -2.0F)) {
    if (classes > 1) logits[0].fill_(1.0F);
    logits[classes - 1].slice(0, 4, 16).slice(1, 5, 25).fill_(3.0F);
    logits[classes - 1].slice(0, 8, 12).slice(1, 45, 50).fill_(3.0F);
    guide.colRange(0, 15).setTo(200);
  }
  torch::Tensor logits;
  cv::Mat guide = cv::Mat::zeros(20, 60, CV_8UC1);
};

TEST(Predictor, KeepsTheLargestPartAndItsProbabilities) {
  const Device device = cpu();
  for (const std::int64_t classes : {1, 2, 5}) {
    Convolution model(classes, 1);
    const Predictor predictor(model, plain(Geometry::kSquash), device, {},
                              PostProcessing::parse("largest_component"));
    const TwoParts parts(classes);
    const torch::Tensor answer = predictor.post_processed(parts.logits, {});
    const cv::Mat before = decide(parts.logits), after = decide(answer);
    EXPECT_EQ(cv::countNonZero(before), 12 * 20 + 4 * 5);
    EXPECT_EQ(cv::norm(after, largest_component(before), cv::NORM_INF), 0) << classes;
    const cv::Mat portrait = portrait_probability(answer);
    EXPECT_LT(portrait.at<float>(10, 47), 1e-6) << "of the smaller part";
    EXPECT_LT(portrait.at<float>(10, 52), 1e-6) << "beside it";
    EXPECT_EQ(
        cv::norm(portrait.colRange(0, 30), portrait_probability(parts.logits).colRange(0, 30), cv::NORM_INF),
        0);
  }
}

TEST(Predictor, DecidesTheFilteredProbability) {
  const Device device = cpu();
  for (const std::int64_t classes : {1, 2, 5}) {
    Convolution model(classes, 1);
    const Predictor predictor(model, plain(Geometry::kSquash), device, {},
                              PostProcessing::parse("guided_filter:4:0.01"));
    const TwoParts parts(classes);
    const torch::Tensor answer = predictor.post_processed(parts.logits, parts.guide);
    const cv::Mat expected = guided_filter(portrait_probability(parts.logits), parts.guide, 4, 0.01);
    EXPECT_GT(cv::countNonZero((expected > 0.5) != (decide(parts.logits) != 0)), 0);
    if (classes <= 2) {
      EXPECT_EQ(cv::norm((expected > 0.5) / 255, decide(answer), cv::NORM_INF), 0) << classes;
      EXPECT_LT(cv::norm(cv::min(cv::max(expected, 0), 1), portrait_probability(answer), cv::NORM_INF), 1e-5);
    } else {
      std::vector<torch::Tensor> planes;
      for (torch::Tensor plane : torch::softmax(parts.logits, 0).unbind(0)) {
        plane = plane.contiguous();
        const cv::Mat filtered =
            guided_filter(cv::Mat(20, 60, CV_32FC1, plane.data_ptr()), parts.guide, 4, 0.01);
        planes.push_back(torch::from_blob(filtered.data, {20, 60}, torch::kFloat32).clone());
      }
      EXPECT_EQ(cv::norm(decide(torch::stack(planes)), decide(answer), cv::NORM_INF), 0);
    }
  }
}

TEST(Predictor, OfAMirroredImageTheMeanOfBothViewsIsMirrored) {
  const Device device = cpu();
  Convolution model(2, 1);
  Predictor once(model, plain(Geometry::kSquash), device),
      both(model, plain(Geometry::kSquash), device, {true, {1}});
  const cv::Mat image = photo(4, {48, 64});
  cv::Mat mirrored, back;
  cv::flip(image, mirrored, 1);
  const auto asymmetry = [&](Predictor& predictor) {
    cv::flip(predictor.predict(mirrored).portrait, back, 1);
    return cv::norm(predictor.predict(image).portrait, back, cv::NORM_INF);
  };
  EXPECT_GT(asymmetry(once), 0.1);
  EXPECT_LT(asymmetry(both), 1e-5);
}

/// What the loops are to repeat.
TEST(Decide, IsTheArgmaxAlsoOfEqualLogitsAndOfThoseThatAreNoNumbers) {
  torch::manual_seed(1);
  for (const auto type : {torch::kFloat32, torch::kFloat64}) {
    torch::Tensor logits = torch::randint(-2, 3, {4, 30, 20}).to(type);
    logits[2][3].fill_(std::numeric_limits<double>::quiet_NaN());
    logits[1][3].slice(0, 0, 10).fill_(std::numeric_limits<double>::quiet_NaN());
    logits[3][4].fill_(std::numeric_limits<double>::infinity());
    logits[0][5].fill_(-std::numeric_limits<double>::infinity());
    const cv::Mat mask = decide(logits);
    const torch::Tensor seen = torch::from_blob(mask.data, {30, 20}, torch::kUInt8);
    EXPECT_TRUE(torch::equal(seen, logits.argmax(0).to(torch::kUInt8)));
    const cv::Mat turned = decide(logits.transpose(1, 2));
    EXPECT_EQ(cv::norm(turned, mask.t(), cv::NORM_INF), 0);
    const cv::Mat single = decide(logits.slice(0, 1, 2));
    EXPECT_TRUE(torch::equal(torch::from_blob(single.data, {30, 20}, torch::kUInt8),
                             (logits[1] > 0).to(torch::kUInt8)));
  }
}

}  // namespace
}  // namespace portraitseg
