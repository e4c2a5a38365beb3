#include "portraitseg/data/video_file.h"

#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <opencv2/core.hpp>

#include "portraitseg/core/error.h"

#include "support/temporary_folder.h"

namespace portraitseg {
namespace {

namespace fs = std::filesystem;

using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

void write_frames(const fs::path& path, int count, cv::Size size = {64, 48}, double fps = 12) {
  VideoWriter writer(path, size, fps);
  for (int i = 0; i < count; ++i) writer.write(cv::Mat(size, CV_8UC3, cv::Scalar::all(20 * i)));
  writer.finish();
}

std::vector<double> read_levels(const fs::path& path) {
  VideoReader reader(path);
  std::vector<double> levels;
  while (auto frame = reader.next()) levels.push_back(cv::mean(*frame)[0]);
  return levels;
}

TEST(VideoFile, GivesBackTheFramesInTheirOrder) {
  const testing::TemporaryFolder folder;
  const fs::path path = folder.path() / "a.avi";
  write_frames(path, 10, {63, 47});
  VideoReader reader(path);
  EXPECT_EQ(reader.size(), cv::Size(63, 47));
  EXPECT_EQ(reader.fps(), 12);
  EXPECT_EQ(reader.announced(), 10);
  const auto levels = read_levels(path);
  ASSERT_EQ(levels.size(), 10U);
  for (int i = 0; i < 10; ++i) EXPECT_NEAR(levels[static_cast<std::size_t>(i)], 20 * i, 3);
}

TEST(VideoFile, KeepsARateThatIsNoWholeNumber) {
  const testing::TemporaryFolder folder;
  for (const char* name : {"a.avi", "a.mp4"}) {
    write_frames(folder.path() / name, 10, {64, 48}, 30000.0 / 1001);
    EXPECT_NEAR(VideoReader(folder.path() / name).fps(), 29.97, 0.001) << name;
    EXPECT_EQ(read_levels(folder.path() / name).size(), 10U) << name;
  }
}

TEST(VideoFile, UnderItsNameItIsWholeOrNotThere) {
  const testing::TemporaryFolder folder;
  const fs::path path = folder.path() / "a.avi";
  {
    VideoWriter writer(path, {64, 48}, 25);
    writer.write(cv::Mat::zeros(48, 64, CV_8UC3));
    EXPECT_FALSE(fs::exists(path));
  }
  EXPECT_TRUE(fs::is_empty(folder.path())) << "an interrupted one leaves nothing";
  write_frames(path, 2);
  EXPECT_EQ(std::distance(fs::directory_iterator(folder.path()), {}), 1);
}

TEST(VideoFile, SaysWhatCannotBeRead) {
  const testing::TemporaryFolder folder;
  const fs::path path = folder.path() / "a.avi";
  const auto read = [&] { read_levels(path); };
  EXPECT_THAT(read, ThrowsMessage<DataError>(HasSubstr("a.avi: cannot be opened")));
  std::ofstream(path) << "no video";
  EXPECT_THAT(read, ThrowsMessage<DataError>(HasSubstr("a.avi: cannot be opened")));
  write_frames(path, 40);
  fs::resize_file(path, fs::file_size(path) / 2);
  EXPECT_THAT(read, ThrowsMessage<DataError>(HasSubstr("breaks off after frame")));
}

TEST(VideoFile, SaysWhereItCannotBeWritten) {
  const testing::TemporaryFolder folder;
  EXPECT_THROW(write_frames(folder.path() / "none" / "a.avi", 1), DataError);
}

}  // namespace
}  // namespace portraitseg
