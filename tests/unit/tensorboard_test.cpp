#include "portraitseg/report/tensorboard.h"

#include <fstream>

#include <gmock/gmock.h>

#include "portraitseg/core/error.h"
#include "portraitseg/core/file.h"

#include "support/event_file.h"
#include "support/temporary_folder.h"

namespace portraitseg {
namespace {

using testing::Events;
using testing::TemporaryFolder;

TEST(Crc32c, EqualsThePublishedVectors) {  // RFC 3720 B.4, and the check value that catalogues give
  EXPECT_EQ(crc32c("123456789"), 0xe3069283U);
  EXPECT_EQ(crc32c(""), 0U);
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8a9136aaU);
  EXPECT_EQ(crc32c(std::string(32, '\xff')), 0x62a8ab43U);
  std::string up, down;
  for (char c = 0; c < 32; ++c) up.push_back(c), down.insert(0, 1, c);
  EXPECT_EQ(crc32c(up), 0x46dd794eU);
  EXPECT_EQ(crc32c(down), 0x113fdb5cU);
}

TEST(Crc32c, EqualsALongDivision) {
  std::string bytes;
  for (int i = 0; i < 300; ++i) {
    EXPECT_EQ(crc32c(bytes), testing::long_division_crc32c(bytes)) << i;
    bytes.push_back(static_cast<char>(i * i + 7 * i));
  }
}

TEST(EventRecord, FileVersionHasTheBytesThatTensorFlowWrites) {
  // The first 12 bytes are those of every event file: length 24 and its masked checksum.
  const std::string start("\x18\0\0\0\0\0\0\0\xa3\x7fK\"", 12);
  const std::string data = std::string("\x09\0\0\0\0\0\0\xf8\x3f", 9) + "\x1a\x0d" + "brain.Event:2";
  const std::string record = event_file_version(1.5);
  ASSERT_EQ(record.size(), 12 + data.size() + 4);
  EXPECT_EQ(record.substr(0, 12), start);
  EXPECT_EQ(record.substr(12, data.size()), data);
  EXPECT_EQ(Events::parse(record).version, "brain.Event:2");
}

TEST(EventRecord, MessageHasTheBytesOfItsDefinition) {
  Event event;
  event.wall_time = 1.5;
  event.step = 300;
  event.scalars = {{"a", 0.5}};
  event.images = {{"b", 1, 200, "PNG"}};
  const std::string scalar = std::string("\x0a\x08\x0a\x01\x61\x15\0\0\0\x3f", 10);
  const std::string image = "\x0a\x11\x0a\x01\x62\x22\x0c\x08\x01\x10\xc8\x01\x18\x03\x22\x03PNG";
  const std::string data = std::string("\x09\0\0\0\0\0\0\xf8\x3f", 9) + "\x10\xac\x02" + "\x2a" +
                           static_cast<char>(scalar.size() + image.size()) + scalar + image;
  const std::string record = event_record(event);
  ASSERT_EQ(record.size(), data.size() + 16);
  EXPECT_EQ(record.substr(12, data.size()), data);
  EXPECT_EQ(record[0], static_cast<char>(data.size()));
}

TEST(EventRecord, IsReadBackByAnIndependentReader) {
  Event event;
  event.wall_time = 1.7e9 + 0.25;
  event.step = 1'000'000;
  event.scalars = {{"loss/total", -1.25e-7}, {"validation/miou", 95.0123}, {"", 0}};
  event.images = {{"samples/\xc3\xa4 1", 480, 1280, std::string(70'000, '\0') + "end"}};
  const Events events = Events::parse(event_file_version(1) + event_record(event));
  ASSERT_EQ(events.steps.size(), 1u);
  const auto& [step, read] = *events.steps.begin();
  EXPECT_EQ(step, 1'000'000u);
  EXPECT_EQ(read.wall_time, event.wall_time);
  EXPECT_EQ(read.scalars.size(), 3u);
  EXPECT_EQ(read.scalars.at("loss/total"), -1.25e-7F);
  EXPECT_EQ(read.scalars.at("validation/miou"), 95.0123F);
  const Events::Image& image = read.images.at("samples/\xc3\xa4 1");
  EXPECT_EQ(image.height, 480u);
  EXPECT_EQ(image.width, 1280u);
  EXPECT_EQ(image.colorspace, 3u);
  EXPECT_EQ(image.encoded, event.images[0].png);
}

Event figure(std::int64_t step, double value) {
  Event event;
  event.wall_time = 10.0 + static_cast<double>(step);
  event.step = step;
  event.scalars = {{"loss", value}};
  return event;
}

/// A file with the steps 1 to 5.
class GrowingEventFile : public ::testing::Test {
 protected:
  void SetUp() override {
    EXPECT_EQ(file_.cut_behind(0, 1), 0);
    for (std::int64_t step = 1; step <= 5; ++step) file_.append(figure(step, static_cast<double>(step)));
  }

  TemporaryFolder folder_;
  std::filesystem::path path_ = folder_.path() / "events.out.tfevents.test";
  EventFile file_{path_};
};

TEST_F(GrowingEventFile, HasEachStepOnceAfterItIsTakenUpAgain) {
  EXPECT_EQ(file_.cut_behind(3, 2), 3);
  for (std::int64_t step = 4; step <= 6; ++step) file_.append(figure(step, -static_cast<double>(step)));
  const Events events = Events::parse(read_file(path_));
  ASSERT_EQ(events.steps.size(), 6u);
  EXPECT_EQ(events.steps.at(3).scalars.at("loss"), 3);
  EXPECT_EQ(events.steps.at(4).scalars.at("loss"), -4);
}

TEST_F(GrowingEventFile, StaysAsItIsIfNothingIsBehind) {
  const std::string before = read_file(path_);
  EXPECT_EQ(file_.cut_behind(5, 2), 5);
  EXPECT_EQ(file_.cut_behind(9, 2), 5);
  EXPECT_EQ(read_file(path_), before);
}

TEST_F(GrowingEventFile, IsShortenedInPlaceForThoseWhoHaveItOpen) {
  std::ifstream open(path_, std::ios::binary);
  file_.cut_behind(3, 2);
  file_.append(figure(4, 7));
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(open), {}), read_file(path_));
}

TEST_F(GrowingEventFile, CutAnywhereByAKillContinuesAtTheLastWholeStep) {
  const std::string whole = read_file(path_);
  const std::size_t start = event_file_version(1).size();
  for (std::size_t size = 0; size < whole.size(); size += 7) {
    write_file(path_, whole.substr(0, size));
    const std::int64_t last = file_.cut_behind(5, 1);
    ASSERT_EQ(last, size < start ? 0 : static_cast<std::int64_t>((size - start) * 5 / (whole.size() - start)))
        << size;
    for (std::int64_t step = last + 1; step <= 5; ++step)
      file_.append(figure(step, static_cast<double>(step)));
    ASSERT_EQ(read_file(path_), whole) << size;
  }
}

TEST_F(GrowingEventFile, DamagedInTheMiddleIsCutThere) {
  std::string bytes = read_file(path_);
  const std::size_t start = event_file_version(1).size(), record = (bytes.size() - start) / 5;
  bytes[start + 2 * record + 20] ^= 1;
  write_file(path_, bytes);
  EXPECT_EQ(file_.cut_behind(5, 2), 2);
  EXPECT_EQ(Events::parse(read_file(path_)).steps.size(), 2u);
}

TEST(EventFile, RefusesAFileThatIsNone) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "events.out.tfevents.test";
  write_file(path, "something that somebody wrote here, and that is no event");
  try {
    EventFile(path).cut_behind(0, 1);
    FAIL();
  } catch (const DataError& error) {
    EXPECT_THAT(error.what(), ::testing::HasSubstr("events.out.tfevents.test: is no event file"));
  }
}

TEST(EventFile, FullDiskIsALineThatNamesIt) {
  if (!std::filesystem::exists("/dev/full")) GTEST_SKIP() << "this system has no /dev/full";
  try {
    EventFile("/dev/full").append(figure(1, 1));
    FAIL();
  } catch (const DataError& error) {
    EXPECT_STREQ(error.what(), "/dev/full: cannot write: No space left on device");
  }
}

}  // namespace
}  // namespace portraitseg
