// Data sets of alpha mattes: AISegment and P3M-10k.
#include <string>
#include <vector>

#include <gmock/gmock.h>

#include "portraitseg/core/file.h"
#include "portraitseg/data/aisegment.h"
#include "portraitseg/data/p3m.h"

#include "support/dataset_test.h"

namespace portraitseg {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

/// Images of one row, a pixel for each value of their matte.
class MattingDatasets : public testing::DatasetTest {
 protected:
  static std::vector<int> row(const Sample& sample) {
    EXPECT_EQ(sample.mask.type(), CV_8UC1);
    return std::vector<int>(sample.mask.begin<std::uint8_t>(), sample.mask.end<std::uint8_t>());
  }
  void write_photo(const std::string& file, int width = 4) const {
    write_image(file, cv::Mat(1, width, CV_8UC3, cv::Scalar(1, 2, 3)));
  }
};

const cv::Mat kMatte = (cv::Mat_<std::uint8_t>(1, 4) << 0, 127, 128, 255);

class AiSegment : public MattingDatasets {
 protected:
  void write_cutout(const std::string& file, const cv::Mat& alpha = kMatte) const {
    cv::Mat image;
    cv::merge(std::vector<cv::Mat>{255 - alpha, 255 - alpha, 255 - alpha, alpha}, image);
    write_image(file, image);
  }
};

TEST_F(AiSegment, TheAlphaChannelIsCutAtTheThreshold) {
  write_photo("clip_img/1803151818/clip_00000000/1803151818-00000003.jpg");
  write_cutout("matting/1803151818/matting_00000000/1803151818-00000003.png");
  EXPECT_THAT(row(open(AiSegmentOptions(), "all")->get(0)), ElementsAre(0, 0, 1, 1));
  AiSegmentOptions options;
  options.alpha_threshold = 255;
  EXPECT_THAT(row(open(std::move(options), "all")->get(0)), ElementsAre(0, 0, 0, 1));
  options.alpha_threshold = 1;
  EXPECT_THAT(row(open(std::move(options), "all")->get(0)), ElementsAre(0, 1, 1, 1));
}

TEST_F(AiSegment, StrayFilesOfMacOsAreLeftOut) {
  for (const std::string name : {"d1/%_00000001/b", "d1/%_00000000/a", "d2/%_00000000/c"}) {
    const auto in = [&](const std::string& word) { return std::string(name).replace(3, 1, word); };
    write_photo("clip_img/" + in("clip") + ".jpg");
    write_cutout("matting/" + in("matting") + ".png");
  }
  write_text("clip_img/d1/clip_00000000/._a.jpg", "of macOS");
  write_text("clip_img/._d1", "of macOS");
  const auto dataset = open(AiSegmentOptions(), "all");
  EXPECT_EQ(ids(*dataset), "d1/clip_00000000/a d1/clip_00000001/b d2/clip_00000000/c");
  EXPECT_EQ(dataset->get(1).attributes.at("group"), "d1/clip_00000001");
  EXPECT_EQ(dataset->list_sha256, sha256("d1/clip_00000000/a\nd1/clip_00000001/b\nd2/clip_00000000/c\n"));
  write_list("list.txt", "clip_img/d2/clip_00000000/c.jpg\r\nd1/clip_00000000/a.jpg\r\n");
  EXPECT_EQ(ids(*open(AiSegmentOptions(), "list.txt")), "d2/clip_00000000/c d1/clip_00000000/a");
}

TEST_F(AiSegment, MattesWithoutAlphaAndMissingOnesAreRefused) {
  write_photo("clip_img/d/clip_0/a.jpg");
  EXPECT_THAT(error(AiSegmentOptions(), "all"),
              HasSubstr("matting: no such folder; AISegment has clip_img/ and matting/"));
  write_cutout("matting/d/matting_0/b.png");
  EXPECT_THAT(error(AiSegmentOptions(), "all"), HasSubstr("matting/d/matting_0/a.png: image without mask"));
  write_image("matting/d/matting_0/a.png", kMatte);
  EXPECT_THAT(error(AiSegmentOptions(), "all"),
              HasSubstr("a.png: no alpha channel of 8 bits; it has 1 channels of 8 bits"));
  write_cutout("matting/d/matting_0/a.png", cv::Mat(2, 4, CV_8U, cv::Scalar(255)));
  EXPECT_THAT(error(AiSegmentOptions(), "all"), HasSubstr("a.png: the mask is 2x4, its image"));
  write_cutout("matting/d/matting_0/a.png",
               cv::Mat::ones(1, 4, CV_8U));  // alpha in 0..1: nothing reaches 128
  EXPECT_THAT(error(AiSegmentOptions(), "all"), HasSubstr("all 1 masks are all background"));
  write_cutout("matting/d/matting_0/a.png");
  const std::string whole = read_file(root() / "matting/d/matting_0/a.png");
  write_text("matting/d/matting_0/a.png", whole.substr(0, whole.size() - 20));
  EXPECT_THAT(error(AiSegmentOptions(), "all"), HasSubstr("a.png: truncated PNG"));
}

using P3m = MattingDatasets;

TEST_F(P3m, SplitsHaveFoldersOfTheirOwn) {
  write_photo("train/blurred_image/p_1.jpg");
  write_image("train/mask/p_1.png", kMatte);
  write_photo("validation/P3M-500-P/blurred_image/p_2.jpg");
  write_photo("validation/P3M-500-P/original_image/p_9.jpg");
  write_image("validation/P3M-500-P/mask/p_2.png", kMatte);
  write_photo("validation/P3M-500-NP/original_image/p_3.jpg");
  write_image("validation/P3M-500-NP/mask/p_3.png", kMatte);
  EXPECT_THAT(row(open(P3mOptions(), "train")->get(0)), ElementsAre(0, 0, 1, 1));
  EXPECT_EQ(ids(*open(P3mOptions(), "train")), "train/p_1");
  EXPECT_EQ(ids(*open(P3mOptions(), "P3M-500-P")), "P3M-500-P/p_2");
  EXPECT_EQ(ids(*open(P3mOptions(), "P3M-500-NP")), "P3M-500-NP/p_3");
  write_list("list.txt", "P3M-500-NP/p_3.jpg\ntrain/p_1\n");
  const auto dataset = open(P3mOptions(), "list.txt");
  EXPECT_EQ(ids(*dataset), "P3M-500-NP/p_3 train/p_1");
  EXPECT_THAT(row(dataset->get(0)), ElementsAre(0, 0, 1, 1));
  P3mOptions options;
  options.alpha_threshold = 100;
  EXPECT_THAT(row(open(std::move(options), "train")->get(0)), ElementsAre(0, 1, 1, 1));
}

TEST_F(P3m, WrongFoldersAndMasksAreRefused) {
  EXPECT_THAT(error(P3mOptions(), "train"), HasSubstr("train: no such split of P3M-10k"));
  EXPECT_THAT(error(P3mOptions(), "P3M-500-P"), HasSubstr("P3M-500-P: no such list"));
  write_photo("train/blurred_image/p_1.jpg");
  EXPECT_THAT(error(P3mOptions(), "train"), HasSubstr("train/mask/p_1.png: image without mask"));
  write_image("train/mask/p_1.png", cv::Mat(1, 4, CV_8UC3, cv::Scalar(0, 128, 255)));
  EXPECT_THAT(error(P3mOptions(), "train"), HasSubstr("train/mask/p_1.png: a mask in colours"));
}

}  // namespace
}  // namespace portraitseg
