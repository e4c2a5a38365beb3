// Faces in real portraits.
#include "portraitseg/data/face_crops.h"

#include <gtest/gtest.h>
#include <opencv2/core.hpp>

#include "portraitseg/data/eg1800.h"

#include "support/memory_dataset.h"
#include "support/shared_data.h"

namespace portraitseg {
namespace {

std::shared_ptr<testing::MemoryDataset> first_portraits(std::int64_t count) {
  Eg1800Options options;
  options.root = (testing::shared_root() / "data" / "eg1800").string();
  const auto all = options.open("eg1800_test.txt", OnError::kFail);
  auto some = std::make_shared<testing::MemoryDataset>();
  for (std::int64_t i = 0; i < count; ++i) some->add(all->get(i));
  return some;
}

TEST(FaceCropsOfEg1800, AreFoundInNearlyEveryPortraitAndAlignedWithTheirMasks) {
  PORTRAITSEG_NEEDS_SHARED_DATA();
  if (installed_face_cascade().empty()) GTEST_SKIP() << "the package opencv-data is not installed";
  const auto portraits = first_portraits(20);
  const FaceCropOptions options;
  const FaceCrops crops(
      portraits,
      haar_face_detector(installed_face_cascade(),
                         static_cast<int>(options.smallest_height / options.frame.height())),
      "detector", options, {}, OnError::kFail);
  EXPECT_LE(crops.counts().without_face, 1);
  EXPECT_GE(crops.size(), 19);
  for (std::int64_t i = 0; i < crops.size(); ++i) {
    const Sample crop = crops.get(i);
    cv::Rect box;
    ASSERT_EQ(std::sscanf(crop.attributes.at("crop").c_str(), "%d %d %d %d", &box.x, &box.y, &box.width,
                          &box.height),
              4);
    std::int64_t source = 0;
    while (portraits->id(source) != crop.attributes.at("source")) ++source;
    const Sample whole = portraits->get(source);
    EXPECT_EQ(cv::norm(crop.image, whole.image(box), cv::NORM_INF), 0) << crop.id;
    EXPECT_EQ(cv::norm(crop.mask, whole.mask(box), cv::NORM_INF), 0) << crop.id;
    EXPECT_NEAR(static_cast<double>(crop.image.cols) / crop.image.rows, 0.75, 0.01) << crop.id;
  }
}

TEST(FaceCropsOfEg1800, SeveralPeopleInOneImageBecomeAPortraitEach) {
  PORTRAITSEG_NEEDS_SHARED_DATA();
  if (installed_face_cascade().empty()) GTEST_SKIP() << "the package opencv-data is not installed";
  const auto portraits = first_portraits(4);
  Sample group{
      "group", cv::Mat(900, 2500, CV_8UC3, cv::Scalar::all(128)), cv::Mat::zeros(900, 2500, CV_8U), {}};
  for (int i = 0; i < 4; ++i) {
    const Sample one = portraits->get(i);
    const cv::Rect place(cv::Point(20 + 620 * i, 50), one.image.size());
    one.image.copyTo(group.image(place));
    one.mask.copyTo(group.mask(place));
  }
  auto images = std::make_shared<testing::MemoryDataset>();
  images->add(group);
  const FaceCrops crops(images, haar_face_detector(installed_face_cascade(), 89), "detector", {}, {},
                        OnError::kFail);
  EXPECT_EQ(crops.size(), 4);
}

}  // namespace
}  // namespace portraitseg
