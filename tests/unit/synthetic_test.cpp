#include "portraitseg/data/synthetic.h"

#include <filesystem>
#include <fstream>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>
#include <unistd.h>

#include "portraitseg/core/error.h"
#include "portraitseg/core/file.h"

namespace portraitseg {
namespace {

namespace fs = std::filesystem;

bool same_pixels(const cv::Mat& a, const cv::Mat& b) {
  return a.size() == b.size() && a.type() == b.type() && cv::norm(a, b, cv::NORM_L1) == 0;
}

double portrait_share(const cv::Mat& mask) {
  return static_cast<double>(cv::countNonZero(mask)) / static_cast<double>(mask.total());
}

TEST(SynthesizePortrait, SameArgumentsGiveSameBytes) {
  const Sample first = synthesize_portrait(7, 3, 120, 90);
  synthesize_portrait(7, 4, 120, 90);  // what was drawn before must not matter
  const Sample second = synthesize_portrait(7, 3, 120, 90);
  EXPECT_TRUE(same_pixels(first.image, second.image));
  EXPECT_TRUE(same_pixels(first.mask, second.mask));
  EXPECT_EQ(first.id, "00003");
  EXPECT_EQ(second.id, "00003");
}

TEST(SynthesizePortrait, SeedAndIndexEachChangeImageAndMask) {
  const Sample sample = synthesize_portrait(1, 1, 120, 90);
  for (const Sample& other : {synthesize_portrait(2, 1, 120, 90), synthesize_portrait(1, 2, 120, 90)}) {
    EXPECT_FALSE(same_pixels(sample.image, other.image));
    EXPECT_FALSE(same_pixels(sample.mask, other.mask));
  }
}

TEST(SynthesizePortrait, HasTheSizeAndTypeAskedFor) {
  for (const cv::Size size : {cv::Size(131, 97), cv::Size(97, 131), cv::Size(16, 16), cv::Size(320, 240)}) {
    const Sample sample = synthesize_portrait(1, 1, size.height, size.width);
    EXPECT_EQ(sample.image.size(), size);
    EXPECT_EQ(sample.mask.size(), size);
    EXPECT_EQ(sample.image.type(), CV_8UC3);
    EXPECT_EQ(sample.mask.type(), CV_8UC1);
  }
}

TEST(SynthesizePortrait, MaskIsOnePersonOfSaneSize) {
  double mean_share = 0;
  for (std::int64_t index = 1; index <= 200; ++index) {
    const cv::Mat mask = synthesize_portrait(11, index, 120, 90).mask;
    EXPECT_EQ(cv::countNonZero(mask > 1), 0) << "index " << index;
    EXPECT_GT(portrait_share(mask), 0.2) << "index " << index;
    EXPECT_LT(portrait_share(mask), 0.85) << "index " << index;
    mean_share += portrait_share(mask) / 200;
    cv::Mat labels;
    EXPECT_EQ(cv::connectedComponents(mask, labels), 2) << "background + one person; index " << index;
  }
  EXPECT_GT(mean_share, 0.35);
  EXPECT_LT(mean_share, 0.65);
}

TEST(SynthesizePortrait, MaskFollowsTheEdgesInTheImage) {
  // Over many images the strongest changes of colour lie on the mask's boundary and not a pixel beside it.
  const auto gradient_on_boundary = [](const cv::Mat& image, const cv::Mat& mask, int shift) {
    double sum = 0;
    for (int y = 0; y < mask.rows; ++y) {
      for (int x = 4; x + 5 < mask.cols; ++x) {
        if (mask.at<uchar>(y, x) == mask.at<uchar>(y, x + 1)) continue;
        sum += cv::norm(cv::Vec3d(image.at<cv::Vec3b>(y, x + shift)) -
                        cv::Vec3d(image.at<cv::Vec3b>(y, x + shift + 1)));
      }
    }
    return sum;
  };
  double on = 0, left = 0, right = 0;
  for (std::int64_t index = 1; index <= 50; ++index) {
    const Sample sample = synthesize_portrait(5, index, 240, 180);
    on += gradient_on_boundary(sample.image, sample.mask, 0);
    left += gradient_on_boundary(sample.image, sample.mask, -1);
    right += gradient_on_boundary(sample.image, sample.mask, 1);
  }
  EXPECT_GT(on, 1.3 * left);
  EXPECT_GT(on, 1.3 * right);
  EXPECT_NEAR(left / right, 1.0, 0.1);
}

TEST(SynthesizePortrait, RefusesSizesAndIndicesOutOfRange) {
  EXPECT_THROW(synthesize_portrait(1, 0, 120, 90), UserError);
  EXPECT_THROW(synthesize_portrait(1, 1, 15, 90), UserError);
  EXPECT_THROW(synthesize_portrait(1, 1, 120, 2049), UserError);
}

class WriteSyntheticDataset : public ::testing::Test {
 protected:
  WriteSyntheticDataset() {
    options_.train = 4;
    options_.val = 2;
    options_.test = 1;
    options_.height = 48;
    options_.width = 36;
  }
  ~WriteSyntheticDataset() override { fs::remove_all(folder_.parent_path()); }

  /// Every file's bytes and time, to see what was written.
  std::vector<std::string> contents() const {
    std::vector<std::string> all;
    for (const auto& entry : fs::recursive_directory_iterator(folder_)) {
      if (!entry.is_regular_file()) continue;
      const auto time = entry.last_write_time().time_since_epoch().count();
      all.push_back(entry.path().string() + std::to_string(time) + read_file(entry.path()));
    }
    return all;
  }

  const fs::path folder_ = fs::temp_directory_path() /
                           ("synthetic_test." + std::to_string(::getpid()) + "." +
                            ::testing::UnitTest::GetInstance()->current_test_info()->name()) /
                           "set";
  SyntheticDataset options_;
};

TEST_F(WriteSyntheticDataset, WritesTheDocumentedLayout) {
  write_synthetic_dataset(folder_, options_);
  const auto train = read_lines(folder_ / "train.txt"), val = read_lines(folder_ / "val.txt");
  EXPECT_EQ(train, (std::vector<std::string>{"00001.jpg", "00002.jpg", "00003.jpg", "00004.jpg"}));
  EXPECT_EQ(val, (std::vector<std::string>{"00005.jpg", "00006.jpg"}));
  EXPECT_EQ(read_lines(folder_ / "test.txt"), (std::vector<std::string>{"00007.jpg"}));
  for (std::int64_t index = 1; index <= 7; ++index) {
    const Sample sample = synthesize_portrait(options_.seed, index, options_.height, options_.width);
    const cv::Mat image = cv::imread((folder_ / "Images" / (sample.id + ".jpg")).string());
    const cv::Mat label =
        cv::imread((folder_ / "Labels" / (sample.id + ".png")).string(), cv::IMREAD_UNCHANGED);
    ASSERT_EQ(image.size(), sample.image.size());
    EXPECT_LT(cv::norm(image, sample.image, cv::NORM_L1) / static_cast<double>(image.total()), 30);
    EXPECT_TRUE(same_pixels(label, sample.mask * 255));
  }
  std::set<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder_)) names.insert(entry.path().filename().string());
  EXPECT_EQ(names, (std::set<std::string>{"Images", "Labels", "synthetic.json", "test.txt", "train.txt",
                                          "val.txt"}));
}

TEST_F(WriteSyntheticDataset, SecondRunWritesNothing) {
  write_synthetic_dataset(folder_, options_);
  const auto before = contents();
  write_synthetic_dataset(folder_, options_);
  EXPECT_EQ(contents(), before);
}

TEST_F(WriteSyntheticDataset, SameOptionsGiveSameBytesInAnotherFolder) {
  const fs::path other = folder_.parent_path() / "other";
  write_synthetic_dataset(folder_, options_);
  write_synthetic_dataset(other, options_);
  for (const auto& entry : fs::recursive_directory_iterator(folder_)) {
    if (!entry.is_regular_file()) continue;
    EXPECT_EQ(read_file(entry.path()), read_file(other / fs::relative(entry.path(), folder_)));
  }
}

TEST_F(WriteSyntheticDataset, RefusesAFolderWithOtherContentAndLeavesIt) {
  write_synthetic_dataset(folder_, options_);
  const auto before = contents();
  options_.seed = 2;
  EXPECT_THROW(write_synthetic_dataset(folder_, options_), DataError);
  EXPECT_EQ(contents(), before);

  const fs::path foreign = folder_.parent_path() / "foreign";
  fs::create_directories(foreign);
  std::ofstream(foreign / "notes.txt") << "mine";
  EXPECT_THROW(write_synthetic_dataset(foreign, options_), DataError);
  EXPECT_FALSE(fs::exists(foreign / "Images"));
}

TEST_F(WriteSyntheticDataset, FinishesAnInterruptedWrite) {
  write_synthetic_dataset(folder_, options_);
  const std::string whole = read_file(folder_ / "synthetic.json");
  fs::remove_all(folder_);

  fs::create_directories(folder_ / "val.txt");  // a folder where a file should go: the first run stops here
  std::string started = whole;
  started.replace(started.find("true"), 4, "false");
  write_file(folder_ / "synthetic.json", started);
  EXPECT_THROW(write_synthetic_dataset(folder_, options_), DataError);
  EXPECT_EQ(read_file(folder_ / "synthetic.json"), started);

  fs::remove_all(folder_ / "val.txt");
  write_synthetic_dataset(folder_, options_);
  EXPECT_EQ(read_file(folder_ / "synthetic.json"), whole);
  EXPECT_EQ(read_lines(folder_ / "val.txt").size(), 2U);
}

TEST_F(WriteSyntheticDataset, RefusesOptionsOutOfRange) {
  options_.train = -1;
  EXPECT_THROW(write_synthetic_dataset(folder_, options_), UserError);
  options_.train = 99999;
  EXPECT_THROW(write_synthetic_dataset(folder_, options_), UserError);
  EXPECT_FALSE(fs::exists(folder_));
}

}  // namespace
}  // namespace portraitseg
