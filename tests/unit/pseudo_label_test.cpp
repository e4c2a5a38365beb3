#include "portraitseg/engine/pseudo_label.h"

#include <gmock/gmock.h>
#include <opencv2/core.hpp>
#include <torch/types.h>

#include "portraitseg/core/error.h"
#include "portraitseg/engine/evaluator.h"

#include "support/memory_dataset.h"

namespace portraitseg {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::MemoryDataset;

LabelQuality good() {
  return {0.97, 0.97, 0.95, 0.5, 1};
}

TEST(ReasonToReject, NamesTheCheckThatFailsAndNoneAtTheLimit) {
  const LabelLimits limits;
  EXPECT_EQ(reason_to_reject(good(), limits), "");
  const auto with = [&](double LabelQuality::*figure, double value) {
    LabelQuality quality = good();
    quality.*figure = value;
    return reason_to_reject(quality, limits);
  };
  EXPECT_EQ(with(&LabelQuality::confidence, 0.9499), "confidence");
  EXPECT_EQ(with(&LabelQuality::confidence, 0.95), "");
  EXPECT_EQ(with(&LabelQuality::agreement, 0.9499), "agreement");
  EXPECT_EQ(with(&LabelQuality::agreement, 0.95), "");
  EXPECT_EQ(with(&LabelQuality::boundary_f1, 0.8999), "boundary_f1");
  EXPECT_EQ(with(&LabelQuality::boundary_f1, 0.9), "");
  EXPECT_EQ(with(&LabelQuality::share, 0.0499), "small_share");
  EXPECT_EQ(with(&LabelQuality::share, 0.05), "");
  EXPECT_EQ(with(&LabelQuality::share, 0.9501), "large_share");
  EXPECT_EQ(with(&LabelQuality::share, 0.95), "");
  EXPECT_EQ(with(&LabelQuality::largest_component, 0.8999), "scattered");
  EXPECT_EQ(with(&LabelQuality::largest_component, 0.9), "");
}

TEST(ReasonToReject, OfTwoChecksThatFailTheFirstIsNamed) {
  EXPECT_EQ(reason_to_reject({0, 0, 0, 0.5, 0}, {}), "scattered");
  EXPECT_EQ(reason_to_reject({0, 0, 0, 0.01, 0}, {}), "small_share");
  EXPECT_EQ(reason_to_reject({0, 0, 0, 0.5, 1}, {}), "confidence");
  EXPECT_EQ(reason_to_reject({1, 0, 0, 0.5, 1}, {}), "agreement");
}

/// Two classes; the portrait with probability `p` in the columns, with 1 - p elsewhere.
torch::Tensor columns(int from, int to, double p) {
  torch::Tensor portrait = torch::full({40, 40}, 1 - p);
  portrait.slice(1, from, to).fill_(p);
  return torch::stack({1 - portrait, portrait});
}

TEST(LabelQuality, MeasuresBothViews) {
  const LabelQuality same = label_quality(columns(10, 30, 0.9), columns(10, 30, 0.8));
  EXPECT_NEAR(same.confidence, 0.9, 1e-6);  // the photo's, not the mirrored one's
  EXPECT_EQ(same.agreement, 1);
  EXPECT_EQ(same.boundary_f1, 1);
  EXPECT_EQ(same.share, 0.5);
  EXPECT_EQ(same.largest_component, 1);
  const LabelQuality moved = label_quality(columns(10, 30, 0.9), columns(12, 32, 0.9));
  EXPECT_DOUBLE_EQ(moved.agreement, 18.0 / 22);
  EXPECT_DOUBLE_EQ(moved.boundary_f1, 24.0 / 28);  // without the 6 columns that are 7 px from the edge
}

TEST(LabelQuality, OfOneChannelIsThatOfTwo) {
  const LabelQuality two = label_quality(columns(10, 30, 0.9), columns(12, 32, 0.9));
  const LabelQuality one =
      label_quality(columns(10, 30, 0.9).slice(0, 1, 2), columns(12, 32, 0.9).slice(0, 1, 2));
  EXPECT_NEAR(one.confidence, two.confidence, 1e-6);
  EXPECT_EQ(one.agreement, two.agreement);
  EXPECT_EQ(one.boundary_f1, two.boundary_f1);
  EXPECT_EQ(one.share, two.share);
}

TEST(LabelQuality, EveryClassButTheBackgroundIsPortrait) {
  torch::Tensor three = torch::zeros({3, 40, 40});
  three[0].fill_(1);
  three.slice(2, 10, 20).copy_(torch::tensor({0.0, 1.0, 0.0}).reshape({3, 1, 1}).expand({3, 40, 10}));
  three.slice(2, 20, 30).copy_(torch::tensor({0.0, 0.0, 1.0}).reshape({3, 1, 1}).expand({3, 40, 10}));
  EXPECT_EQ(label_quality(three, three).share, 0.5);
  EXPECT_EQ(label_quality(three, three).largest_component, 1);
  EXPECT_EQ(label_quality(three, columns(10, 30, 1)).agreement, 1);
}

TEST(LabelQuality, TheLargestComponentIsAShareOfThePortrait) {
  torch::Tensor parts = columns(0, 12, 1);
  parts.slice(2, 20, 24).copy_(columns(0, 4, 1).slice(2, 0, 4));
  EXPECT_DOUBLE_EQ(label_quality(parts, parts).largest_component, 0.75);
  const torch::Tensor none = columns(0, 0, 1);
  EXPECT_EQ(label_quality(none, none).largest_component, 0);
  EXPECT_EQ(label_quality(none, none).share, 0);
}

/// Portrait is what is brighter than 127 on the left half; blind to the right.
class LeftEyed final : public SegmentationModel {
 public:
  LeftEyed() { register_parameter("unused", torch::zeros({1})); }
  SegmentationOutput forward(const torch::Tensor& image) override {
    torch::Tensor bright = (image.mean(1, true) - 0.5) * 40;
    if (blind) bright.slice(3, image.size(3) / 2).fill_(-20);
    return {torch::cat({-bright, bright}, 1), {}, {}};
  }
  std::int64_t size_multiple() const override { return 1; }
  bool blind = true;
};

Sample bright_square(const std::string& id) {
  Sample sample{id, cv::Mat::zeros(120, 90, CV_8UC3), cv::Mat::zeros(120, 90, CV_8UC1), {{"from", "web"}}};
  sample.image(cv::Rect(20, 30, 50, 60)).setTo(cv::Scalar::all(255));
  return sample;
}

Preprocessing plain(Geometry geometry) {
  Preprocessing preprocessing;
  preprocessing.geometry = geometry;
  preprocessing.size = {64, 64};
  return preprocessing;
}

TEST(PseudoLabel, MasksAsPredictDoesAndMirrorsBackWhatItSees) {
  const Device device(DeviceOptions{"cpu", 1});
  const cv::Mat photo = bright_square("a").image;
  for (const auto geometry : {Geometry::kSquash, Geometry::kLetterbox}) {
    LeftEyed model;
    model.blind = false;
    ModelRunner runner(model, device, ModelRunner::Purpose::kInference);
    const PseudoLabel seen = pseudo_label(runner, plain(geometry), photo);
    Predictor predictor(model, plain(geometry), device);
    EXPECT_EQ(cv::norm(seen.mask, predictor.predict(photo).mask, cv::NORM_INF), 0);
    EXPECT_NEAR(seen.quality.share, 50.0 * 60 / (90 * 120), 0.03);
    EXPECT_GT(seen.quality.agreement, 0.95);
    EXPECT_GT(seen.quality.confidence, 0.95);
    model.blind = true;
    EXPECT_LT(pseudo_label(runner, plain(geometry), photo).quality.agreement, 0.1);
  }
}

TEST(PseudoLabels, HoldThePhotosThatPassAndSayWhyTheOthersDoNot) {
  const Device device(DeviceOptions{"cpu", 1});
  auto photos = std::make_shared<MemoryDataset>();
  Sample dark = bright_square("dark");
  dark.image.setTo(0);
  photos->add([]() -> Sample { throw DataError("bad.jpg", "truncated"); }, "bad")
      .add(dark)
      .add(bright_square("good"));
  LeftEyed model;
  model.blind = false;
  LabelLimits limits;
  limits.boundary_f1 = 0.5;
  const PseudoLabels labels(photos, model, "m", plain(Geometry::kSquash), limits, device, {}, OnError::kSkip);
  ASSERT_EQ(labels.size(), 1);
  EXPECT_EQ(labels.id(0), "good");
  const Sample sample = labels.get(0);
  EXPECT_EQ(sample.id, "good");
  EXPECT_EQ(cv::norm(sample.image, bright_square("good").image, cv::NORM_INF), 0);
  ModelRunner runner(model, device, ModelRunner::Purpose::kInference);
  EXPECT_EQ(
      cv::norm(sample.mask, pseudo_label(runner, plain(Geometry::kSquash), sample.image).mask, cv::NORM_INF),
      0);
  EXPECT_EQ(sample.attributes.count("confidence") + sample.attributes.count("from"), 2U);
  ASSERT_EQ(labels.photos().size(), 2U);
  EXPECT_EQ(labels.photos()[0].reason, "small_share");
  EXPECT_EQ(labels.accepted().front().id, "good");
  EXPECT_THAT(labels.skipped, ElementsAre(HasSubstr("bad.jpg")));
  EXPECT_THROW(PseudoLabels(photos, model, "m", plain(Geometry::kSquash), limits, device, {}, OnError::kFail),
               DataError);
}

TEST(PseudoLabels, AListIsThatOfItsInputs) {
  MemoryDataset photos;
  photos.list_sha256 = "photos";
  const Preprocessing squash = plain(Geometry::kSquash);
  const std::string hash = pseudo_labels_sha256(photos, "m", squash, {});
  EXPECT_EQ(hash, pseudo_labels_sha256(photos, "m", squash, {}));
  EXPECT_NE(hash, pseudo_labels_sha256(photos, "n", squash, {}));
  EXPECT_NE(hash, pseudo_labels_sha256(photos, "m", plain(Geometry::kLetterbox), {}));
  LabelLimits limits;
  limits.largest_component = 0.91;
  EXPECT_NE(hash, pseudo_labels_sha256(photos, "m", squash, limits));
  photos.list_sha256 = "others";
  EXPECT_NE(hash, pseudo_labels_sha256(photos, "m", squash, {}));
}

class EvenSizes final : public SegmentationModel {
 public:
  EvenSizes() { register_parameter("unused", torch::zeros({1})); }
  SegmentationOutput forward(const torch::Tensor& image) override {
    check_input(image);
    return {image.slice(1, 0, 2), {}, {}};
  }
  std::int64_t size_multiple() const override { return 2; }
};

TEST(PseudoLabels, APhotoOfASizeThatTheNetworkRefusesIsNamedAndLeftOut) {
  const Device device(DeviceOptions{"cpu", 1});
  auto photos = std::make_shared<MemoryDataset>();
  Sample odd = bright_square("odd");
  odd.image = odd.image.rowRange(0, 99).clone();
  photos->add(odd).add(bright_square("even"));
  EvenSizes model;
  const auto keep = plain(Geometry::kKeep);
  const PseudoLabels labels(photos, model, "m", keep, {0, 0, 0, 0, 1, 0}, device, {}, OnError::kSkip);
  EXPECT_THAT(labels.skipped, ElementsAre(HasSubstr("odd: input size 99x90")));
  ASSERT_EQ(labels.size(), 1);
  EXPECT_EQ(labels.get(0).image.rows, 120);
  EXPECT_THROW(PseudoLabels(photos, model, "m", keep, {}, device, {}, OnError::kFail), DataError);
}

}  // namespace
}  // namespace portraitseg
