#include "portraitseg/data/replaced_background.h"

#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <opencv2/core.hpp>
#include <opencv2/imgcodecs.hpp>

#include "portraitseg/core/error.h"
#include "portraitseg/data/photos.h"

#include "support/memory_dataset.h"
#include "support/temporary_folder.h"

namespace portraitseg {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::MemoryDataset;

const cv::Size kSize(60, 80);

cv::Mat noise(int seed, cv::Size size = kSize) {
  cv::Mat image(size, CV_8UC3);
  cv::RNG(static_cast<std::uint64_t>(seed)).fill(image, cv::RNG::UNIFORM, 0, 256);
  return image;
}

/// The left half is portrait.
cv::Mat half() {
  cv::Mat mask = cv::Mat::zeros(kSize, CV_8UC1);
  mask.colRange(0, 30).setTo(1);
  return mask;
}

bool same(const cv::Mat& a, const cv::Mat& b) {
  return cv::norm(a, b, cv::NORM_INF) == 0;
}

TEST(Compose, FarFromTheEdgeEachPixelIsOfOneImageAlone) {
  const cv::Mat image = noise(1), background = noise(2), composed = compose(image, half(), background, 2);
  EXPECT_TRUE(same(composed.colRange(0, 23), image.colRange(0, 23)));
  EXPECT_TRUE(same(composed.colRange(37, 60), background.colRange(37, 60)));
}

TEST(Compose, TheMasksEdgeLiesAtOneHalf) {
  const cv::Mat white(kSize, CV_8UC3, cv::Scalar::all(200)), black(kSize, CV_8UC3, cv::Scalar::all(0));
  const cv::Mat composed = compose(white, half(), black, 2);
  for (int x = 20; x + 1 < 40; ++x)
    EXPECT_GE(composed.at<cv::Vec3b>(40, x)[0], composed.at<cv::Vec3b>(40, x + 1)[0]);
  EXPECT_NEAR(composed.at<cv::Vec3b>(40, 29)[0] + composed.at<cv::Vec3b>(40, 30)[0], 200, 1);
  EXPECT_GT(composed.at<cv::Vec3b>(40, 30)[0], 50);
  const cv::Mat hard = compose(white, half(), black, 0);
  EXPECT_EQ(hard.at<cv::Vec3b>(40, 29)[0], 200);
  EXPECT_EQ(hard.at<cv::Vec3b>(40, 30)[0], 0);
}

TEST(Compose, EveryClassIsPortraitAndIgnoredPixelsStayAsTheyAre) {
  const cv::Mat image = noise(1), background = noise(2);
  cv::Mat mask = half() * 5;
  mask.at<std::uint8_t>(70, 55) = kIgnore;  // far from the portrait
  const cv::Mat composed = compose(image, mask, background, 2);
  EXPECT_TRUE(same(composed.colRange(0, 23), image.colRange(0, 23)));
  EXPECT_EQ(composed.at<cv::Vec3b>(70, 55), image.at<cv::Vec3b>(70, 55));
}

Sample portrait(const std::string& id) {
  return {id, noise(7), half(), {{"age", "40"}}};
}

std::shared_ptr<MemoryDataset> portraits(const std::vector<std::string>& ids) {
  auto dataset = std::make_shared<MemoryDataset>();
  for (const auto& id : ids) dataset->add(portrait(id));
  dataset->list_sha256 = "portraits";
  return dataset;
}

std::shared_ptr<MemoryDataset> backgrounds() {
  auto dataset = std::make_shared<MemoryDataset>();
  for (int i = 0; i < 20; ++i)
    dataset->add(
        Sample{"b" + std::to_string(i), noise(100 + i, {200, 90}), cv::Mat::zeros(90, 200, CV_8U), {}});
  dataset->list_sha256 = "backgrounds";
  return dataset;
}

TEST(ReplacedBackground, TheSameSeedGivesTheSameBytesWhateverElseIsInTheList) {
  BackgroundOptions options;
  options.per_image = 2;
  const ReplacedBackground one(portraits({"a", "b"}), backgrounds(), options),
      other(portraits({"z", "b"}), backgrounds(), options);
  EXPECT_EQ(one.size(), 4);
  EXPECT_TRUE(same(one.get(2).image, other.get(2).image));
  EXPECT_TRUE(same(one.get(3).image, other.get(3).image));
  EXPECT_FALSE(same(one.get(2).image, one.get(3).image));
  EXPECT_FALSE(same(one.get(0).image, one.get(2).image));
  options.seed = 2;
  const ReplacedBackground reseeded(portraits({"a", "b"}), backgrounds(), options);
  EXPECT_FALSE(same(one.get(2).image, reseeded.get(2).image));
  EXPECT_NE(one.list_sha256, reseeded.list_sha256);
}

TEST(ReplacedBackground, KeepsTheMaskAndNamesItsParts) {
  BackgroundOptions options;
  options.per_image = 3;
  const ReplacedBackground set(portraits({"a", "b"}), backgrounds(), options);
  const Sample sample = set.get(4);
  EXPECT_EQ(sample.id, "b_background2");
  EXPECT_EQ(sample.id, set.id(4));
  EXPECT_TRUE(same(sample.mask, half()));
  EXPECT_EQ(sample.attributes.at("source"), "b");
  EXPECT_EQ(sample.attributes.at("age"), "40");
  EXPECT_EQ(sample.attributes.at("background").front(), 'b');
}

TEST(ReplacedBackground, TheBackgroundCoversTheImageUndistorted) {
  auto wide = std::make_shared<MemoryDataset>();  // 4 times as wide as it must be: grey levels are columns
  cv::Mat ramp(40, 160, CV_8UC3);
  for (int x = 0; x < ramp.cols; ++x) ramp.col(x).setTo(cv::Scalar::all(x));
  wide->add(Sample{"ramp", ramp, cv::Mat::zeros(ramp.size(), CV_8U), {}});
  const Sample sample = ReplacedBackground(portraits({"a"}), wide, {}).get(0);
  const cv::Vec3b left = sample.image.at<cv::Vec3b>(40, 40), right = sample.image.at<cv::Vec3b>(40, 58);
  EXPECT_NEAR(right[0] - left[0], 9, 1);  // twice as large
}

class Photos : public ::testing::Test {
 protected:
  void SetUp() override {
    for (const char* file : {"a.jpg", "b.png", "sub/c.jpg"}) {
      fs::create_directories((folder_.path() / file).parent_path());
      cv::imwrite((folder_.path() / file).string(), noise(1));
    }
    fs::create_directories(folder_.path() / "empty");
  }
  std::string ids(const std::string& given) const {
    std::string text;
    const auto photos = open_photos((folder_.path() / given).string(), OnError::kFail);
    for (std::int64_t i = 0; i < photos->size(); ++i) text += photos->get(i).id + " ";
    return text;
  }
  std::string error(const std::string& given) const {
    try {
      return ids(given);
    } catch (const UserError& error) {
      return error.what();
    }
  }
  testing::TemporaryFolder folder_;
};

TEST_F(Photos, AreThoseOfAFolderOrAPattern) {
  EXPECT_EQ(ids(""), "a b sub/c ");
  EXPECT_EQ(ids("*.jpg"), "a ");
  EXPECT_EQ(ids("sub"), "c ");
  EXPECT_EQ(ids("s*/*.jpg"), "sub/c ");
}

TEST_F(Photos, WhereThereAreNoneTheFolderIsNamed) {
  EXPECT_THAT(error("empty"), HasSubstr("empty: no image in it"));
  EXPECT_THAT(error("none"), HasSubstr("none: no such folder"));
  EXPECT_THAT(error("*.webp"), HasSubstr("no image below it fits '*.webp'"));
}

TEST_F(Photos, AFolderThatIsCalledLikeAPatternIsAFolder) {
  fs::rename(folder_.path() / "sub", folder_.path() / "su[b]");
  EXPECT_EQ(ids("su[b]"), "c ");
  EXPECT_EQ(ids("su[b]/*.jpg"), "c ");
}

TEST_F(Photos, OfOneNameKeepTheirExtensions) {
  for (const char* file : {"a.png", "a.jpg.png"}) cv::imwrite((folder_.path() / file).string(), noise(1));
  EXPECT_EQ(ids(""), "a.jpg a.jpg.png a.png b sub/c ");
}

TEST_F(Photos, NamesThatNoListCanHoldAreRefusedOrLeftOut) {
  for (const std::string name : {" a.jpg", "a\nb.jpg", "\xff.jpg"}) {
    cv::imwrite((folder_.path() / "sub" / name).string(), noise(1));
    EXPECT_THAT(error("sub"), HasSubstr("rename the photo")) << name;
    const auto photos = open_photos((folder_.path() / "sub").string(), OnError::kSkip);
    EXPECT_EQ(photos->size(), 1) << name;
    EXPECT_THAT(photos->skipped, ElementsAre(HasSubstr("/sub/"))) << name;
    fs::remove(folder_.path() / "sub" / name);
  }
}

TEST_F(Photos, BrokenOnesAreLeftOutOnceBeforeTheyAreNeeded) {
  std::ofstream(folder_.path() / "broken.jpg") << "no image";
  const auto open = [&](OnError on_error) {
    return readable_photos(open_photos(folder_.path().string(), on_error), {}, on_error);
  };
  try {
    open(OnError::kFail);
    ADD_FAILURE() << "taken";
  } catch (const DataError& error) {
    EXPECT_THAT(error.what(), HasSubstr("broken.jpg"));
  }
  const auto usable = open(OnError::kSkip);
  EXPECT_EQ(usable->size(), 3);
  EXPECT_EQ(usable->get(1).id, "b");
  EXPECT_EQ(usable->id(2), "sub/c");
  EXPECT_THAT(usable->skipped, ElementsAre(HasSubstr("broken.jpg")));
  const ReplacedBackground set(portraits({"a"}), usable, {});
  EXPECT_TRUE(set.skipped.empty());
  fs::remove(folder_.path() / "broken.jpg");
  EXPECT_EQ(open(OnError::kFail)->list_sha256, usable->list_sha256);
}

}  // namespace
}  // namespace portraitseg
