#include "portraitseg/data/video_file.h"

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

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
}

TEST(VideoFile, AVideoThatEndsEarlyIsReadAsFarAsItGoes) {
  const testing::TemporaryFolder folder;
  const fs::path path = folder.path() / "a.avi";
  write_frames(path, 40);
  fs::resize_file(path, fs::file_size(path) / 2);
  VideoReader reader(path);
  int frames = 0;
  while (reader.next()) ++frames;
  EXPECT_GT(frames, 10);
  EXPECT_LT(frames, 30);
  EXPECT_EQ(reader.shortfall(), "ended after frame " + std::to_string(frames) + " of about 40 announced");
  write_frames(path, 40);
  VideoReader whole(path);
  while (whole.next()) continue;
  EXPECT_EQ(whole.shortfall(), "");
}

TEST(VideoFile, AFrameOfAnotherSizeIsRefused) {
  const testing::TemporaryFolder folder;
  VideoWriter writer(folder.path() / "a.avi", {64, 64}, 10);
  EXPECT_THAT([&] { writer.write(cv::Mat::zeros(32, 40, CV_8UC3)); },
              ThrowsMessage<DataError>(HasSubstr("a frame of 40x32 pixels in a video of 64x64")));
}

TEST(VideoFile, AColonInItsNameIsNoProtocol) {
  const testing::TemporaryFolder folder;
  const fs::path before = fs::current_path();
  fs::current_path(folder.path());
  for (const char* name : {"12:30.mp4", "12:30.avi"}) {
    write_frames(name, 5);
    EXPECT_EQ(read_levels(name).size(), 5U) << name;
  }
  fs::current_path(before);
}

TEST(VideoFile, AnAviStopsBeforeItsSizesOverflow) {
  const testing::TemporaryFolder folder;
  cv::Mat noise(240, 320, CV_8UC3);
  cv::RNG(1).fill(noise, cv::RNG::UNIFORM, 0, 256);
  const auto write = [&] {
    VideoWriter writer(folder.path() / "a.avi", noise.size(), 25, /*largest_avi=*/1 << 20);
    for (int i = 0; i < 100; ++i) writer.write(noise);
    writer.finish();
  };
  EXPECT_THAT(write, ThrowsMessage<DataError>(HasSubstr("a.avi: would have more than 1048576 bytes")));
  EXPECT_TRUE(fs::is_empty(folder.path()));
}

TEST(VideoFile, IsWrittenWhereItsLinkLeads) {
  const testing::TemporaryFolder folder;
  const fs::path link = folder.path() / "link.avi", target = folder.path() / "target.avi";
  write_frames(target, 2);
  fs::create_symlink(target, link);
  write_frames(link, 3);
  EXPECT_TRUE(fs::is_symlink(link));
  EXPECT_EQ(read_levels(target).size(), 3U);
}

TEST(VideoFile, SaysWhereItCannotBeWritten) {
  const testing::TemporaryFolder folder;
  EXPECT_THROW(write_frames(folder.path() / "none" / "a.avi", 1), DataError);
}

}  // namespace
}  // namespace portraitseg
