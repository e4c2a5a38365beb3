#include "portraitseg/data/face_crops.h"

#include <gmock/gmock.h>
#include <opencv2/core.hpp>

#include "portraitseg/core/error.h"

#include "support/memory_dataset.h"
#include "support/temporary_folder.h"

namespace portraitseg {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::MemoryDataset;

const cv::Size kImage(1000, 800);

/// Portrait where the rectangles are.
cv::Mat mask_of(const std::vector<cv::Rect>& portraits, cv::Size size = kImage) {
  cv::Mat mask = cv::Mat::zeros(size, CV_8UC1);
  for (const auto& portrait : portraits) mask(portrait & cv::Rect({}, size)).setTo(1);
  return mask;
}

std::vector<cv::Rect> boxes_of(const std::vector<FaceCrop>& crops) {
  std::vector<cv::Rect> boxes;
  for (const auto& crop : crops) boxes.push_back(crop.box);
  return boxes;
}

TEST(PortraitBox, EnlargesInHeightsOfTheFaceTo3By4) {
  const cv::Rect box = portrait_box({400, 300, 160, 160}, {}, kImage);
  EXPECT_EQ(box, cv::Rect(400 - 70, 300 - 88, 300, 400));
  EXPECT_EQ(box.width * 4, box.height * 3);
  EXPECT_EQ(portrait_box({400, 300, 100, 100}, {1, 2, 0.5}, kImage), cv::Rect(350, 200, 200, 400));
}

TEST(PortraitBox, IsMovedIntoTheImageWithItsSize) {
  EXPECT_EQ(portrait_box({0, 0, 160, 160}, {}, kImage), cv::Rect(0, 0, 300, 400));
  EXPECT_EQ(portrait_box({840, 640, 160, 160}, {}, kImage), cv::Rect(700, 400, 300, 400));
}

TEST(PortraitBox, IsCutWhereItIsLargerThanTheImage) {
  EXPECT_EQ(portrait_box({300, 200, 400, 400}, {}, kImage), cv::Rect(125, 0, 750, 800));
  EXPECT_EQ(portrait_box({0, 0, 800, 800}, {}, {900, 800}), cv::Rect(0, 0, 900, 800));
}

TEST(BoxIou, IsTheShareOfTheUnion) {
  EXPECT_EQ(box_iou({0, 0, 10, 10}, {0, 0, 10, 10}), 1);
  EXPECT_EQ(box_iou({0, 0, 10, 10}, {10, 0, 10, 10}), 0);
  EXPECT_DOUBLE_EQ(box_iou({0, 0, 10, 10}, {5, 0, 10, 10}), 50.0 / 150);
  EXPECT_EQ(box_iou({}, {}), 0);
}

TEST(ChooseCrops, TakesTheLargestFaceFirstWhateverOrderTheyAreFoundIn) {
  const cv::Rect small(100, 200, 120, 120), large(600, 200, 160, 160);
  const cv::Mat mask = mask_of({{100, 200, 120, 300}, {600, 200, 160, 300}});
  for (const auto& faces : {std::vector<cv::Rect>{small, large}, {large, small}}) {
    FaceCropCounts counts;
    EXPECT_THAT(boxes_of(choose_crops(faces, mask, {}, counts)),
                ElementsAre(portrait_box(large, {}, kImage), portrait_box(small, {}, kImage)));
    EXPECT_EQ(counts.images, 1);
    EXPECT_EQ(counts.boxes, 2);
    EXPECT_EQ(counts.crops, 2);
  }
}

/// The one counter that is 1 beside images and boxes.
std::string reason(const std::vector<cv::Rect>& faces, const cv::Mat& mask, FaceCropOptions options = {}) {
  FaceCropCounts counts;
  choose_crops(faces, mask, options, counts);
  std::string text;
  for (const auto& [name, count] : {std::pair<const char*, std::int64_t>{"off_portrait", counts.off_portrait},
                                    {"small", counts.small},
                                    {"little_portrait", counts.little_portrait},
                                    {"little_background", counts.little_background},
                                    {"overlapping", counts.overlapping},
                                    {"without_face", counts.without_face}})
    if (count > 0) text += name;
  return text;
}

TEST(ChooseCrops, CountsEachReasonToLeaveOneOut) {
  const cv::Rect face(400, 300, 160, 160);
  const cv::Mat portrait = mask_of({{360, 260, 240, 400}});
  EXPECT_EQ(reason({face}, portrait), "");
  EXPECT_EQ(reason({}, portrait), "without_face");
  EXPECT_EQ(reason({{0, 0, 160, 160}}, portrait), "off_portrait");
  FaceCropOptions high;
  high.smallest_height = 401;
  EXPECT_EQ(reason({face}, portrait, high), "small");
  high.smallest_height = 400;
  EXPECT_EQ(reason({face}, portrait, high), "");
  EXPECT_EQ(reason({face}, mask_of({{400, 300, 160, 81}})), "");  // 0.108 of the crop
  FaceCropOptions much;
  much.smallest_portrait = 0.2;
  EXPECT_EQ(reason({face}, mask_of({face}), much), "");
  EXPECT_EQ(reason({face}, mask_of({{400, 300, 160, 100}}), much), "little_portrait");
  EXPECT_EQ(reason({face}, mask_of({{{}, kImage}})), "little_background");
  EXPECT_EQ(reason({face, {420, 310, 150, 150}}, portrait), "overlapping");
}

TEST(ChooseCrops, IgnoredPixelsAreNoPortraitAndOtherClassesAre) {
  const cv::Rect face(400, 300, 160, 160);
  cv::Mat mask = mask_of({{360, 260, 240, 400}});
  EXPECT_EQ(reason({face}, mask * 3), "");
  EXPECT_EQ(reason({face}, mask * 255), "off_portrait");
}

Sample numbered(const std::string& id) {
  Sample sample{id, cv::Mat(kImage, CV_8UC3), mask_of({{360, 260, 240, 400}}), {{"age", "40"}}};
  cv::RNG(1).fill(sample.image, cv::RNG::UNIFORM, 0, 256);
  return sample;
}

TEST(FaceCrops, ImageAndMaskAreThatPartOfTheSource) {
  auto images = std::make_shared<MemoryDataset>();
  images->add(numbered("a/1"));
  images->list_sha256 = "x";
  const cv::Rect face(400, 300, 160, 160), box = portrait_box(face, {}, kImage);
  const FaceCrops crops(
      images, [&](const cv::Mat&) { return std::vector<cv::Rect>{face}; }, "d", {}, {}, OnError::kFail);
  ASSERT_EQ(crops.size(), 1);
  const Sample crop = crops.get(0), source = numbered("a/1");
  EXPECT_EQ(crop.id, "a/1_face1");
  EXPECT_EQ(crop.id, crops.id(0));
  EXPECT_EQ(cv::norm(crop.image, source.image(box), cv::NORM_INF), 0);
  EXPECT_EQ(cv::norm(crop.mask, source.mask(box), cv::NORM_INF), 0);
  EXPECT_THAT(crop.attributes,
              ElementsAre(std::pair<const std::string, std::string>{"age", "40"},
                          std::pair<const std::string, std::string>{"crop", "330 212 300 400"},
                          std::pair<const std::string, std::string>{"face", "400 300 160 160"},
                          std::pair<const std::string, std::string>{"source", "a/1"}));
}

TEST(FaceCrops, AnUnreadableImageStopsOrIsNamedAndTheOthersKeepTheirPlaces) {
  auto images = std::make_shared<MemoryDataset>();
  images->add([]() -> Sample { throw DataError("bad.jpg", "truncated"); }, "bad").add(numbered("good"));
  const FindFaces one = [](const cv::Mat&) { return std::vector<cv::Rect>{{400, 300, 160, 160}}; };
  EXPECT_THROW(FaceCrops(images, one, "d", {}, {}, OnError::kFail), DataError);
  const FaceCrops crops(images, one, "d", {}, {}, OnError::kSkip);
  ASSERT_EQ(crops.size(), 1);
  EXPECT_EQ(crops.get(0).id, "good_face1");
  EXPECT_THAT(crops.skipped, ElementsAre(HasSubstr("bad.jpg: truncated")));
  EXPECT_EQ(crops.counts().images, 1);
}

TEST(FaceCrops, AnotherFrameDetectorOrListOfImagesIsAnotherList) {
  auto images = std::make_shared<MemoryDataset>();
  images->add(numbered("1"));
  const FindFaces one = [](const cv::Mat&) { return std::vector<cv::Rect>{{400, 300, 160, 160}}; };
  const std::string hash = FaceCrops(images, one, "d", {}, {}, OnError::kFail).list_sha256;
  EXPECT_EQ(hash, face_crops_sha256(*images, "d", {}));
  FaceCropOptions wide;
  wide.frame.side = 0.6;
  EXPECT_NE(hash, face_crops_sha256(*images, "d", wide));
  EXPECT_NE(hash, face_crops_sha256(*images, "e", {}));
  images->list_sha256 = "another";
  EXPECT_NE(hash, face_crops_sha256(*images, "d", {}));
}

TEST(FaceDetector, SaysWhichFileIsNoCascade) {
  const testing::TemporaryFolder folder;
  const auto file = folder.path() / "faces.xml";
  for (const std::string text :
       {"", "faces", "<?xml version=\"1.0\"?><opencv_storage><a>1</a></opencv_storage>"}) {
    std::FILE* const out = std::fopen(file.c_str(), "w");
    std::fputs(text.c_str(), out);
    std::fclose(out);
    try {
      haar_face_detector(file, 90);
      ADD_FAILURE() << "taken: " << text;
    } catch (const DataError& error) {
      EXPECT_THAT(error.what(), HasSubstr("faces.xml: is no cascade"));
    }
  }
  EXPECT_THROW(haar_face_detector(folder.path() / "none.xml", 90), DataError);
}

TEST(FaceDetector, AnImageOnePixelWideHasNoFace) {
  if (installed_face_cascade().empty()) GTEST_SKIP() << "the package opencv-data is not installed";
  const FindFaces find = haar_face_detector(installed_face_cascade(), 90);
  EXPECT_TRUE(find(cv::Mat::zeros(300, 1, CV_8UC3)).empty());
  EXPECT_TRUE(find(cv::Mat::zeros(1, 300, CV_8UC3)).empty());
}

}  // namespace
}  // namespace portraitseg
