#include "portraitseg/weights/zip.h"

#include <functional>
#include <stdexcept>
#include <utility>

#include <gmock/gmock.h>

#include "portraitseg/core/error.h"

#include "support/pickle_bytes.h"

namespace portraitseg {
namespace {

using ::testing::HasSubstr;
using testing::little;

/// The error of reading every entry; "" if there is none.
std::string error_of(const std::string& bytes) {
  try {
    const ZipReader zip(bytes, "x.zip");
    for (const auto& entry : zip.entries()) zip.read(entry);
  } catch (const DataError& error) {
    return error.what();
  }
  return "";
}

std::string archive(const std::vector<std::pair<std::string, std::string>>& entries) {
  ZipWriter zip;
  for (const auto& [name, data] : entries) zip.add(name, data);
  return std::move(zip).finish();
}

/// An archive made by hand, with a place to put something wrong.
struct ByHand {
  std::string name = "a/data.pkl", local_name = name, data = "hello";
  std::uint16_t flags = 0, method = 0, disk = 0;
  std::uint64_t size = 5, plain_size = 5, offset = 0, count = 1, directory_shift = 0;
  std::uint32_t crc = crc32("hello");
  bool zip64 = false;

  std::string bytes() const {
    const std::string head =
        little(20, 2) + little(flags, 2) + little(method, 2) + little(0, 4) + little(crc, 4);
    std::string file = "PK\3\4" + head + little(data.size(), 4) + little(data.size(), 4) +
                       little(local_name.size(), 2) + little(7, 2) + local_name + "\x99\x99\3" +
                       std::string(1, 0) + "xyz" + data;
    const std::string extra = zip64 ? little(7, 2) + little(0, 2) + little(1, 2) + little(24, 2) +
                                          little(plain_size, 8) + little(size, 8) + little(offset, 8)
                                    : "";
    const std::string sizes = zip64 ? std::string(8, '\xff') : little(size, 4) + little(plain_size, 4);
    const std::string entry = "PK\1\2" + little(20, 2) + head + sizes + little(name.size(), 2) +
                              little(extra.size(), 2) + little(0, 2) + little(disk, 2) + little(0, 6) +
                              (zip64 ? std::string(4, '\xff') : little(offset, 4)) + name + extra;
    std::string directory;
    for (std::uint64_t i = 0; i < std::min<std::uint64_t>(count, 2); ++i) directory += entry;
    const std::uint64_t at = file.size();
    file += directory;
    if (zip64) {
      const std::uint64_t end = file.size();
      file += "PK\6\6" + little(44, 8) + little(45, 2) + little(45, 2) + little(disk, 4) + little(disk, 4) +
              little(count, 8) + little(count, 8) + little(directory.size(), 8) +
              little(at + directory_shift, 8);
      file += "PK\6\7" + little(0, 4) + little(end, 8) + little(1, 4);
      return file + "PK\5\6" + little(0, 4) + std::string(12, '\xff') + little(0, 2);
    }
    return file + "PK\5\6" + little(disk, 2) + little(disk, 2) + little(count, 2) + little(count, 2) +
           little(directory.size(), 4) + little(at + directory_shift, 4) + little(0, 2);
  }
};

TEST(Crc32, IsTheOneOfTheStandard) {
  EXPECT_EQ(crc32("123456789"), 0xcbf43926u);  // the check value of CRC-32/ISO-HDLC
  EXPECT_EQ(crc32(""), 0u);
}

TEST(Zip, ReadsBackWhatWasWritten) {
  const std::vector<std::pair<std::string, std::string>> entries = {
      {"archive/data.pkl", "abc"},
      {"archive/data/0", ""},
      {"archive/data/1", std::string(1000, '\0')},
      {"", "x"}};
  const std::string bytes = archive(entries);
  const ZipReader zip(bytes, "x.zip");
  ASSERT_EQ(zip.entries().size(), entries.size());
  for (const auto& [name, data] : entries) {
    const auto* entry = zip.find(name);
    ASSERT_NE(entry, nullptr) << name;
    EXPECT_EQ(zip.read(*entry), data);
    EXPECT_EQ((entry->data.data() - bytes.data()) % 64, 0) << "data of " << name << " are aligned";
  }
  EXPECT_EQ(zip.find("archive"), nullptr);
  EXPECT_EQ(ZipReader(archive({}), "empty.zip").entries().size(), 0u);
}

TEST(Zip, SameContentGivesTheSameBytes) {
  EXPECT_EQ(archive({{"a", "1"}, {"b", "2"}}), archive({{"a", "1"}, {"b", "2"}}));
}

TEST(Zip, WriterRefusesWhatNeedsZip64) {
  ZipWriter zip;
  EXPECT_THROW(zip.add(std::string(0x10000, 'a'), ""), std::length_error);
  ZipWriter many;
  for (int i = 0; i < 0xfffe; ++i) many.add("", "");
  EXPECT_THROW(many.add("", ""), std::length_error);
}

TEST(Zip, ReadsExtraFieldsCommentsAndZip64) {
  EXPECT_EQ(error_of(ByHand().bytes()), "");
  EXPECT_EQ(
      error_of(archive({{"a", "1"}}).replace(archive({{"a", "1"}}).size() - 2, 2, little(5, 2)) + "PK\5\6!"),
      "");
  ByHand large;
  large.zip64 = true;
  const std::string bytes = large.bytes();
  const ZipReader zip(bytes, "x.zip");
  ASSERT_NE(zip.find("a/data.pkl"), nullptr);
  EXPECT_EQ(zip.read(*zip.find("a/data.pkl")), "hello");
}

TEST(Zip, RefusesWhatItCannotReadByName) {
  const auto with = [](const std::function<void(ByHand&)>& change) {
    ByHand file;
    change(file);
    return error_of(file.bytes());
  };
  EXPECT_THAT(with([](ByHand& f) { f.method = 8; }), HasSubstr("x.zip: entry 'a/data.pkl' is compressed"));
  EXPECT_THAT(with([](ByHand& f) { f.flags = 1; }),
              HasSubstr("x.zip: no zip archive, or cut off: entry 'a/data.pkl' is encrypted"));
  EXPECT_THAT(with([](ByHand& f) { f.disk = 1; }), HasSubstr("several disks"));
  EXPECT_THAT(with([](ByHand& f) { f.crc = 1; }), HasSubstr("'a/data.pkl' is damaged: wrong CRC-32"));
  EXPECT_EQ(with([](ByHand& f) { f.crc = 0; }), "") << "none was computed";
  EXPECT_THAT(with([](ByHand& f) { f.plain_size = 6; }), HasSubstr("has two sizes"));
  EXPECT_THAT(with([](ByHand& f) { f.local_name = "b/data.pkl"; }), HasSubstr("has two names"));
  EXPECT_THAT(with([](ByHand& f) { f.size = f.plain_size = 6; }), HasSubstr("lies outside the file"));
  EXPECT_THAT(with([](ByHand& f) { f.offset = 1; }), HasSubstr("is not where the directory says"));
  EXPECT_THAT(with([](ByHand& f) { f.offset = 0xfffffff0; }), HasSubstr("is not where the directory says"));
  EXPECT_THAT(with([](ByHand& f) { f.count = 2; }), HasSubstr("two entries share bytes"));
  EXPECT_THAT(with([](ByHand& f) { f.count = 60000; }), HasSubstr("the directory is damaged"));
  EXPECT_THAT(with([](ByHand& f) { f.directory_shift = 1; }),
              HasSubstr("the directory lies outside the file"));
  EXPECT_THAT(with([](ByHand& f) { f.name = f.local_name = "a\nb\x01", f.method = 8; }),
              HasSubstr("'a\\x0ab\\x01'"));
  EXPECT_THAT(error_of(archive({{"a", "1"}, {"a", "2"}})), HasSubstr("two entries named 'a'"));
}

TEST(Zip, LengthsOf64BitsDoNotWrapAround) {
  for (const std::uint64_t huge : {~std::uint64_t{0}, std::uint64_t{1} << 63, ~std::uint64_t{0} - 40}) {
    for (const auto field : {&ByHand::size, &ByHand::offset, &ByHand::count, &ByHand::directory_shift}) {
      ByHand file;
      file.zip64 = true;
      file.*field = huge;
      if (field == &ByHand::size) file.plain_size = huge;
      EXPECT_THAT(error_of(file.bytes()), HasSubstr("x.zip: no zip archive, or cut off: "));
    }
  }
}

TEST(Zip, EveryCutIsNoticed) {
  const std::string whole = archive({{"a/data.pkl", "abc"}, {"a/data/0", std::string(70, 'x')}});
  for (std::size_t size = 0; size < whole.size(); ++size)
    EXPECT_THAT(error_of(whole.substr(0, size)), HasSubstr("no zip archive, or cut off")) << size;
}

TEST(Zip, EveryFlippedBitOfDataIsNoticed) {
  const std::string whole = archive({{"a/data.pkl", "abc"}, {"a/data/0", std::string(70, 'x')}});
  const ZipReader zip(whole, "x.zip");
  for (std::size_t at = 0; at < whole.size(); ++at) {
    bool data = false;
    for (const auto& entry : zip.entries())
      data = data || (whole.data() + at >= entry.data.data() &&
                      whole.data() + at < entry.data.data() + entry.data.size());
    for (int bit = 0; bit < 8; ++bit) {
      std::string flipped = whole;
      flipped[at] = static_cast<char>(flipped[at] ^ (1 << bit));
      const std::string error = error_of(flipped);  // elsewhere: an error or none, but no crash
      if (data) {
        EXPECT_THAT(error, HasSubstr("wrong CRC-32")) << at << " bit " << bit;
      }
    }
  }
}

}  // namespace
}  // namespace portraitseg
