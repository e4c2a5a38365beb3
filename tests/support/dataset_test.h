#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <utility>

#include <gtest/gtest.h>
#include <opencv2/core.hpp>
#include <opencv2/imgcodecs.hpp>

#include "portraitseg/core/error.h"
#include "portraitseg/data/dataset.h"

#include "support/temporary_folder.h"

namespace portraitseg::testing {

/// Writes small images and masks in any layout.
class DatasetTest : public ::testing::Test {
 protected:
  void write(const std::string& image, const std::string& mask, int foreground,
             cv::Size mask_size = {20, 30}) {
    for (const auto& file : {image, mask}) std::filesystem::create_directories((root() / file).parent_path());
    cv::imwrite((root() / image).string(), cv::Mat(30, 20, CV_8UC3, cv::Scalar(10, 20, 30)));
    cv::Mat values = cv::Mat::zeros(mask_size, CV_8U);
    values(cv::Rect(5, 5, 10, 10)).setTo(foreground);
    cv::imwrite((root() / mask).string(), values);
  }
  void write_list(const std::string& name, const std::string& text) const { write_text(name, text); }
  std::filesystem::path root() const { return folder_.path(); }

  std::unique_ptr<Dataset> open(DatasetOptions&& options, const std::string& list,
                                OnError on_error = OnError::kFail) const {
    options.root = root().string();
    return options.open(list, on_error);
  }
  std::string error(DatasetOptions&& options, const std::string& list) const {
    try {
      const auto dataset = open(std::move(options), list);
      for (std::int64_t i = 0; i < dataset->size(); ++i) dataset->get(i);
    } catch (const UserError& error) {
      return error.what();
    }
    return "no error";
  }
  static std::string ids(const Dataset& dataset) {
    std::string text;
    for (std::int64_t i = 0; i < dataset.size(); ++i) text += (i == 0 ? "" : " ") + dataset.get(i).id;
    return text;
  }
  void write_image(const std::string& file, const cv::Mat& image) const {
    std::filesystem::create_directories((root() / file).parent_path());
    cv::imwrite((root() / file).string(), image);
  }
  void write_text(const std::string& file, const std::string& text) const {
    std::filesystem::create_directories((root() / file).parent_path());
    std::ofstream(root() / file, std::ios::binary) << text;
  }
  static void expect_square(const Sample& sample, const std::string& id) {
    EXPECT_EQ(sample.id, id);
    EXPECT_EQ(sample.image.size(), cv::Size(20, 30));
    EXPECT_EQ(cv::countNonZero(sample.mask == 1), 100);
    EXPECT_EQ(cv::countNonZero(sample.mask), 100);
  }

 private:
  testing::TemporaryFolder folder_;
};

}  // namespace portraitseg::testing
