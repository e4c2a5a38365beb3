#include "portraitseg/data/eg1800.h"

#include <filesystem>
#include <fstream>
#include <thread>
#include <vector>

#include <gmock/gmock.h>

#include "portraitseg/core/file.h"

#include "support/dataset_test.h"
#include "support/mat_file.h"
#include "support/shared_data.h"

namespace portraitseg {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class Eg1800 : public testing::DatasetTest {
 protected:
  template <class T>
  void write_mat(const std::string& file, const std::string& variable, matio_classes kind, matio_types type,
                 const std::vector<T>& values, std::size_t rows) const {
    fs::create_directories((root() / file).parent_path());
    testing::write_mat(root() / file, variable, kind, type, values, rows);
  }

  void write_mat_mask(const std::string& file, const cv::Mat& mask,
                      const std::string& variable = "mask") const {
    const std::vector<std::uint8_t> values(mask.datastart, mask.dataend);
    write_mat(file, variable, MAT_C_UINT8, MAT_T_UINT8, values, static_cast<std::size_t>(mask.rows));
  }

  /// The original's layout with images 1 and 2600, of which only the first still exists.
  void write_original() const {
    cv::Mat mask = cv::Mat::zeros(30, 20, CV_8U);
    mask(cv::Rect(5, 5, 10, 10)).setTo(1);
    write_image("images_data_crop/00001.jpg", cv::Mat(30, 20, CV_8UC3, cv::Scalar(10, 20, 30)));
    write_mat_mask("images_mask/00001_mask.mat", mask);
    write_mat_mask("images_mask/02600_mask.mat", mask);
    write_mat<std::uint16_t>("trainlist.mat", "trainlist", MAT_C_UINT16, MAT_T_UINT16, {1, 2600}, 1);
  }

  std::string list_error(const std::string& name) const { return error(Eg1800Options(), name); }
};

TEST_F(Eg1800, ReadsPortraitNetsPackWithMasks01) {
  write("EG1800/Images/00001.png", "EG1800/Labels/00001.png", 1);
  write("EG1800/Images/00012.png", "EG1800/Labels/00012.png", 1);
  write_list("list.txt", "00012.png\n00001.png");
  const auto dataset = open(Eg1800Options(), "list.txt");
  ASSERT_EQ(dataset->size(), 2);
  expect_square(dataset->get(0), "00012");
  expect_square(dataset->get(1), "00001");
  EXPECT_EQ(dataset->list, fs::absolute(root() / "list.txt"));
  EXPECT_EQ(dataset->list_sha256, sha256("00012.png\n00001.png"));
}

TEST_F(Eg1800, ReadsClovasPackWithBareNumbersAndMasks0255) {
  write("Portrait/images_data_crop/00007.jpg", "Portrait/GT_png/00007_mask.png", 255);
  fs::create_directories(root() / "Portrait");
  write_list("Portrait/train.txt", "7\n");
  const auto dataset = open(Eg1800Options(), "train.txt");
  ASSERT_EQ(dataset->size(), 1);
  expect_square(dataset->get(0), "00007");
}

TEST_F(Eg1800, ReadsImagesAndLabelsWithMasks0200) {
  write("Images/00003.jpg", "Labels/00003.png", 200);
  write_list("list.txt", "00003.jpg\n");
  expect_square(open(Eg1800Options(), (root() / "list.txt").string())->get(0), "00003");
}

TEST_F(Eg1800, WrongFoldersAreNamed) {
  EXPECT_THAT(error(Eg1800Options(), "list.txt"), HasSubstr("no EG1800 here; expected Images/ and Labels/"));
  Eg1800Options options;
  options.root = (root() / "none").string();
  EXPECT_THROW(options.open("list.txt", OnError::kFail), DataError);
}

TEST_F(Eg1800, ReadsTheOriginalWithMatMasksAndLists) {
  write_original();
  const auto dataset = open(Eg1800Options(), "trainlist.mat", OnError::kSkip);
  ASSERT_EQ(dataset->size(), 1);
  expect_square(dataset->get(0), "00001");
  EXPECT_EQ(dataset->get(0).mask.at<std::uint8_t>(14, 5), 1);  // rows and columns are not swapped
  EXPECT_EQ(dataset->get(0).mask.at<std::uint8_t>(15, 5), 0);
  ASSERT_EQ(dataset->skipped.size(), 1u);
  EXPECT_THAT(dataset->skipped[0], HasSubstr("images_data_crop/02600.jpg: no such image"));
  EXPECT_THAT(list_error("trainlist.mat"), HasSubstr("images_data_crop/02600.jpg: no such image"));
  EXPECT_EQ(dataset->list_sha256, sha256(read_file(root() / "trainlist.mat")));
}

TEST_F(Eg1800, ReadsTheOriginalWithTextLists) {
  write_original();
  write_list("list.txt",
             "\xef\xbb\xbf"
             "1\r\n\r\n");
  expect_square(open(Eg1800Options(), "list.txt")->get(0), "00001");
}

TEST_F(Eg1800, ReadsDeepixelsPack) {
  write("image/00003.png", "ground_truth/EG1800_00003.png", 200);
  write("image/00001.png", "ground_truth/EG1800_00001.png", 200);
  const auto dataset = open(Eg1800Options(), "all");
  EXPECT_EQ(ids(*dataset), "00001 00003");
  EXPECT_EQ(dataset->list, "all");
  EXPECT_EQ(dataset->list_sha256, sha256("00001\n00003\n"));
  expect_square(dataset->get(0), "00001");
}

TEST_F(Eg1800, ListsMayHoldNumbersOfAnyType) {
  write_original();
  write_mat<double>("testlist.mat", "testlist", MAT_C_DOUBLE, MAT_T_DOUBLE, {1}, 1);
  EXPECT_EQ(ids(*open(Eg1800Options(), "testlist.mat")), "00001");
  write_mat<double>("half.mat", "half", MAT_C_DOUBLE, MAT_T_DOUBLE, {1.5}, 1);
  EXPECT_THAT(list_error("half.mat"), HasSubstr("half.mat: 'half' holds a number that is not whole"));
}

TEST_F(Eg1800, MatFilesThatAreNotWhatTheyShouldBeAreNamed) {
  write_original();
  write_list("list.txt", "1\n");
  const std::string mask = "images_mask/00001_mask.mat";
  write_mat_mask(mask, cv::Mat::ones(30, 20, CV_8U), "label");
  EXPECT_THAT(list_error("list.txt"), HasSubstr("00001_mask.mat: no variable 'mask'; it has: label"));
  write_mat_mask(mask, cv::Mat(30, 20, CV_8U, cv::Scalar(2)));
  EXPECT_THAT(list_error("list.txt"), HasSubstr("00001_mask.mat: mask value 2 at row 0, column 0"));
  write_mat_mask(mask, cv::Mat::ones(20, 30, CV_8U));
  EXPECT_THAT(list_error("list.txt"), HasSubstr("00001_mask.mat: the mask is 20x30, its image"));
  write_mat<double>(mask, "mask", MAT_C_DOUBLE, MAT_T_DOUBLE, std::vector<double>(600, -1), 30);
  EXPECT_THAT(list_error("list.txt"), HasSubstr("00001_mask.mat: 'mask' holds -1, which is not in 0..255"));
  write_mat_mask(mask, cv::Mat::zeros(30, 20, CV_8U));
  EXPECT_THAT(list_error("list.txt"), HasSubstr("list.txt: all 1 masks are all background"));
  write_text(mask, "no MATLAB");
  EXPECT_THAT(list_error("list.txt"), HasSubstr("00001_mask.mat: not a MAT file of version 5"));
  write_text(mask, "");
  EXPECT_THAT(list_error("list.txt"), HasSubstr("00001_mask.mat: not a MAT file of version 5"));
}

TEST_F(Eg1800, NewerMatFilesSaySo) {
  write_original();
  write_list("list.txt", "1\n");
  std::string bytes = read_file(root() / "images_mask/00001_mask.mat");
  bytes[124] = 0, bytes[125] = 2;  // the version of a MAT file that is HDF5
  write_text("images_mask/00001_mask.mat", bytes);
  EXPECT_THAT(list_error("list.txt"),
              HasSubstr("00001_mask.mat: a MAT file of version 7.3; expected version 5"));
}

TEST_F(Eg1800, AMatFileCutOffAnywhereIsRefusedInSilence) {
  write_original();
  write_list("list.txt", "1\n");
  const std::string bytes = read_file(root() / "images_mask/00001_mask.mat");
  ::testing::internal::CaptureStderr();
  ::testing::internal::CaptureStdout();
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    write_text("images_mask/00001_mask.mat", bytes.substr(0, size));
    ASSERT_THAT(list_error("list.txt"), HasSubstr("00001_mask.mat: ")) << size;
  }
  for (std::size_t at = 144; at < bytes.size();
       ++at) {  // and a byte of the compressed matrix that was changed
    std::string damaged = bytes;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x55);
    write_text("images_mask/00001_mask.mat", damaged);
    ASSERT_THAT(list_error("list.txt"), HasSubstr("00001_mask.mat: ")) << at;
  }
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
  EXPECT_EQ(::testing::internal::GetCapturedStdout(), "");
}

TEST_F(Eg1800, ThreadsReadTheSameMatMasks) {
  write_original();
  write_list("list.txt", "1\n");
  const auto dataset = open(Eg1800Options(), "list.txt");
  std::vector<int> wrong(4, 0);
  std::vector<std::thread> threads;
  for (int& count : wrong) {
    threads.emplace_back([&] {
      for (int i = 0; i < 200; ++i) count += cv::countNonZero(dataset->get(0).mask) != 100 ? 1 : 0;
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_THAT(wrong, ::testing::Each(0));
}

TEST_F(Eg1800, ReadsTheReleasedMatFiles) {
  const fs::path samples = testing::shared_root() / "data/eg1800/original_samples";
  if (!fs::exists(samples)) GTEST_SKIP() << samples << " is not there";
  const fs::path images = samples.parent_path() / "Images", labels = samples.parent_path() / "Labels";
  fs::create_directories(root() / "images_data_crop");
  fs::create_directories(root() / "images_mask");
  for (const std::string id : {"00001", "00002", "00003", "00005"}) {
    if (fs::exists(images / (id + ".jpg"))) fs::copy(images / (id + ".jpg"), root() / "images_data_crop");
    fs::copy(samples / (id + "_mask.mat"), root() / "images_mask");
  }
  for (const auto& [name, count] : {std::pair("trainlist.mat", 1529), std::pair("testlist.mat", 300)}) {
    fs::copy(samples / name, root());
    std::size_t total = 0;
    try {
      const auto dataset = open(Eg1800Options(), name, OnError::kSkip);
      total = dataset->skipped.size() + static_cast<std::size_t>(dataset->size());
      for (std::int64_t i = 0; i < dataset->size(); ++i) {
        const Sample sample = dataset->get(i);
        EXPECT_EQ(
            cv::norm(sample.mask, cv::imread((labels / (sample.id + ".png")).string(), cv::IMREAD_UNCHANGED)),
            0);
      }
      EXPECT_EQ(total, static_cast<std::size_t>(count));
    } catch (const DataError& error) {  // none of the four is in this list
      EXPECT_THAT(error.what(), HasSubstr("no image of the list could be used"));
    }
  }
}

}  // namespace
}  // namespace portraitseg
