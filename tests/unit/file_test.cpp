#include "portraitseg/core/file.h"

#include <csignal>
#include <fstream>

#include <gmock/gmock.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "portraitseg/core/error.h"
#include "portraitseg/core/random.h"

#include "support/temporary_folder.h"

namespace portraitseg {
namespace {

TEST(Sha256, EqualsThePublishedVectors) {  // FIPS 180-4 examples
  EXPECT_EQ(sha256(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sha256("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(sha256(std::string(1000000, 'a')),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(WriteFile, ReplacesTheWholeFileAndLeavesNothingElse) {
  const testing::TemporaryFolder folder;
  const auto path = folder.path() / "file";
  write_file(path, "a longer first content");
  write_file(path, "second");
  EXPECT_EQ(read_file(path), "second");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder.path()), {}), 1);
}

TEST(WriteFile, FailureNamesThePathAndKeepsTheOldFile) {
  const testing::TemporaryFolder folder;
  try {
    write_file(folder.path() / "missing" / "file", "x");
    FAIL();
  } catch (const DataError& error) {
    EXPECT_THAT(error.what(), ::testing::HasSubstr("missing/file: cannot create"));
  }
  EXPECT_THROW(read_file(folder.path() / "none"), DataError);
}

TEST(WriteFile, FollowsLinksAndWritesToDevicesWithoutReplacingThem) {
  namespace fs = std::filesystem;
  const testing::TemporaryFolder folder;
  write_file(folder.path() / "target", "old");
  fs::create_symlink(folder.path() / "target", folder.path() / "link");
  write_file(folder.path() / "link", "new");
  EXPECT_TRUE(fs::is_symlink(folder.path() / "link"));
  EXPECT_EQ(read_file(folder.path() / "target"), "new");
  write_file("/dev/null", "x");
  EXPECT_TRUE(fs::is_character_file("/dev/null"));
}

TEST(ReadFile, RefusesADeviceWhichMayHaveNoEnd) {
  try {
    read_file("/dev/zero");
    FAIL();
  } catch (const DataError& error) {
    EXPECT_STREQ(error.what(), "/dev/zero: is a device, not a file");
  }
}

TEST(AppendFile, MakesTheFileAndAddsToItInPlace) {
  const testing::TemporaryFolder folder;
  const auto path = folder.path() / "file";
  append_file(path, "one,");
  std::ifstream reader(path);
  append_file(path, "two");
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(reader), {}), "one,two");
  EXPECT_THROW(append_file(folder.path() / "missing" / "file", "x"), DataError);
}

TEST(AppendFile, ThatFailsLeavesTheFileAsItWas) {
  const testing::TemporaryFolder folder;
  const auto path = folder.path() / "file";
  write_file(path, "12345");
  const pid_t child = ::fork();
  if (child == 0) {  // here no file may have more than 8 bytes
    std::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit = {8, 8};
    if (::setrlimit(RLIMIT_FSIZE, &limit) != 0) ::_exit(1);
    try {
      append_file(path, "6789abc");
    } catch (const DataError&) {
      ::_exit(2);
    }
    ::_exit(0);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 2) << status;
  EXPECT_EQ(read_file(path), "12345");
}

TEST(ReadLines, DropsLineEndsBlanksAndEmptyLines) {
  const testing::TemporaryFolder folder;
  std::ofstream(folder.path() / "list") << "\xef\xbb\xbf a.jpg\r\n\n  \nb c.jpg  \n\xef\xbd\x81.jpg";
  EXPECT_EQ(read_lines(folder.path() / "list"),
            (std::vector<std::string>{"a.jpg", "b c.jpg", "\xef\xbd\x81.jpg"}));
}

TEST(Random, StreamFollowsFromTheKeyAlone) {
  Random a(1, Purpose::kAugment, {2, 3}), b(1, Purpose::kAugment, {2, 3}), c(1, Purpose::kAugment, {3, 2}),
      d(1, Purpose::kShuffle, {2, 3}), e(2, Purpose::kAugment, {2, 3});
  const auto first = a.next();
  EXPECT_EQ(first, b.next());
  for (Random* other : {&c, &d, &e}) EXPECT_NE(first, other->next());
}

TEST(Random, DrawsHaveTheirDistribution) {
  Random random(1, Purpose::kAugment);
  double sum = 0, normal_sum = 0, normal_square = 0;
  std::vector<int> counts(6);
  constexpr int kDraws = 200000;
  for (int i = 0; i < kDraws; ++i) {
    const double u = random.uniform(-1, 3);
    ASSERT_TRUE(u >= -1 && u < 3);
    sum += u;
    const double n = random.normal();
    normal_sum += n;
    normal_square += n * n;
    ++counts[static_cast<std::size_t>(random.integer(0, 5))];
  }
  EXPECT_NEAR(sum / kDraws, 1, 0.02);
  EXPECT_NEAR(normal_sum / kDraws, 0, 0.02);
  EXPECT_NEAR(normal_square / kDraws, 1, 0.03);
  for (const int count : counts) EXPECT_NEAR(count, kDraws / 6.0, 700);
}

TEST(Random, PermutationHoldsEachNumberOnce) {
  Random random(5, Purpose::kShuffle);
  auto order = permutation(1000, random);
  EXPECT_FALSE(std::is_sorted(order.begin(), order.end()));
  std::sort(order.begin(), order.end());
  for (std::int64_t i = 0; i < 1000; ++i) EXPECT_EQ(order[static_cast<std::size_t>(i)], i);
}

}  // namespace
}  // namespace portraitseg
