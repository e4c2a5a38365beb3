#include "portraitseg/data/convert.h"

#include <filesystem>
#include <iterator>

#include <gmock/gmock.h>
#include <opencv2/core.hpp>

#include "portraitseg/core/error.h"
#include "portraitseg/core/file.h"
#include "portraitseg/data/folders.h"

#include "support/memory_dataset.h"
#include "support/temporary_folder.h"

namespace portraitseg {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::MemoryDataset;

Sample noise(const std::string& id, int seed, bool with_ignored = false) {
  Sample sample = testing::plain_sample(id, {}, 11, {20 + seed % 3, 30});
  cv::RNG(static_cast<std::uint64_t>(seed)).fill(sample.image, cv::RNG::UNIFORM, 0, 256);
  if (with_ignored) sample.mask.row(11).setTo(kIgnore);
  return sample;
}

class Convert : public ::testing::Test {
 protected:
  static DatasetList list(const std::string& name, const std::vector<Sample>& samples) {
    auto dataset = std::make_shared<MemoryDataset>();
    for (const auto& sample : samples) dataset->add(sample);
    dataset->list = name;
    dataset->list_sha256 = sha256(name);
    return {name, dataset};
  }
  fs::path out() const { return folder_.path() / "out"; }
  std::unique_ptr<Dataset> reopen(const std::string& name) const {
    FoldersOptions options;
    options.root = out().string();
    return options.open(name, OnError::kFail);
  }
  static void expect_same(const Sample& a, const Sample& b) {
    EXPECT_EQ(a.id, b.id);
    EXPECT_EQ(cv::norm(a.image, b.image, cv::NORM_INF), 0);
    EXPECT_EQ(cv::norm(a.mask, b.mask, cv::NORM_INF), 0);
  }
  std::string refusal(const std::vector<DatasetList>& lists, const ConvertOptions& options = {}) const {
    try {
      convert(lists, out(), options);
    } catch (const UserError& error) {
      return error.what();
    }
    return "no error";
  }

  testing::TemporaryFolder folder_;
};

TEST_F(Convert, FoldersReadsTheSameImagesAndMasks) {
  const std::vector<Sample> train = {noise("b", 1, true), noise("sub/a.x", 2)}, val = {noise("c", 3)};
  const auto done = convert({list("train.json", train), list("val.txt", val)}, out(), {});
  EXPECT_EQ(done.images, 3);
  EXPECT_EQ(done.written, 3);
  EXPECT_EQ(read_file(out() / "train.txt"), "b.png\nsub/a.x.png\n");
  const auto again = reopen("train.txt");
  ASSERT_EQ(again->size(), 2);
  for (std::int64_t i = 0; i < 2; ++i) expect_same(again->get(i), train[static_cast<std::size_t>(i)]);
  expect_same(reopen("val.txt")->get(0), val[0]);
  EXPECT_FALSE(fs::exists(out() / "attributes.csv"));
}

TEST_F(Convert, JpegImagesKeepTheirMasksExactly) {
  const Sample sample = noise("a", 1);
  ConvertOptions options;
  options.jpeg_quality = 95;
  convert({list("train.txt", {sample})}, out(), options);
  EXPECT_EQ(read_file(out() / "train.txt"), "a.jpg\n");
  EXPECT_EQ(cv::norm(reopen("train.txt")->get(0).mask, sample.mask, cv::NORM_INF), 0);
  options.jpeg_quality = 101;
  EXPECT_THAT(refusal({list("train.txt", {sample})}, options), HasSubstr("1..100, got 101"));
}

TEST_F(Convert, AttributesBecomeATable) {
  Sample a = noise("a", 1), b = noise("b", 2);
  a.attributes = {{"user_id", "7"}, {"note", "says \"hi\", twice"}};
  b.attributes = {{"user_id", "8"}, {"age", "40"}};
  convert({list("train.txt", {b, a})}, out(), {});
  EXPECT_EQ(read_file(out() / "attributes.csv"),
            "id,age,note,user_id\na,,\"says \"\"hi\"\", twice\",7\nb,40,,8\n");
}

TEST_F(Convert, AnInterruptedRunIsCompletedToTheSameBytesAndWholeFilesAreKept) {
  const std::vector<Sample> samples = {noise("a", 1), noise("b", 2), noise("c", 3)};
  auto broken = std::make_shared<MemoryDataset>();
  for (const auto& sample : samples) {
    broken->add([sample] {
      if (sample.id == "c") throw DataError("c", "the disk was pulled out");
      return sample;
    });
  }
  const auto whole = list("train.txt", samples);
  broken->list = whole.dataset->list;
  broken->list_sha256 = whole.dataset->list_sha256;
  EXPECT_THAT(refusal({{"train.txt", broken}}), HasSubstr("pulled out"));
  EXPECT_FALSE(fs::exists(out() / "train.txt"));
  EXPECT_THAT(read_file(out() / "convert.json"), HasSubstr("\"complete\": false"));
  const auto before = fs::last_write_time(out() / "Images/a.png");
  const auto done = convert({whole}, out(), {});
  EXPECT_EQ(done.images, 3);
  EXPECT_EQ(done.written, 1);
  EXPECT_EQ(fs::last_write_time(out() / "Images/a.png"), before);
  EXPECT_THAT(read_file(out() / "convert.json"), HasSubstr("\"complete\": true"));
  EXPECT_EQ(convert({whole}, out(), {}).written, 0);
  for (std::int64_t i = 0; i < 3; ++i)
    expect_same(reopen("train.txt")->get(i), samples[static_cast<std::size_t>(i)]);
}

TEST_F(Convert, MasksThatHaveChangedAreWrittenAnew) {
  Sample sample = noise("a", 1);
  convert({list("l.txt", {sample})}, out(), {});
  sample.mask.row(15).setTo(1);
  EXPECT_EQ(convert({list("l.txt", {sample})}, out(), {}).written, 1);
  expect_same(reopen("l.txt")->get(0), sample);
  EXPECT_EQ(convert({list("l.txt", {sample})}, out(), {}).written, 0);
}

TEST_F(Convert, AFolderThatHoldsSomethingElseIsLeftAlone) {
  fs::create_directories(out());
  write_file(out() / "thesis.tex", "precious");
  EXPECT_THAT(refusal({list("train.txt", {noise("a", 1)})}), HasSubstr("holds something else"));
  EXPECT_EQ(std::distance(fs::directory_iterator(out()), fs::directory_iterator()), 1);
  fs::remove(out() / "thesis.tex");
  EXPECT_EQ(refusal({list("train.txt", {noise("a", 1)})}), "no error");
  EXPECT_THAT(refusal({list("test.txt", {noise("a", 1)})}), HasSubstr("holds something else"));
}

TEST_F(Convert, SharedImagesAreWrittenOnceAndTwoOfOneIdRefused) {
  const Sample a = noise("a", 1);
  EXPECT_EQ(convert({list("all.txt", {a, noise("b", 2)}), list("some.txt", {a})}, out(), {}).images, 2);
  fs::remove_all(out());
  EXPECT_THAT(refusal({list("x.txt", {a}), list("y.txt", {noise("a", 2)})}),
              HasSubstr("y.txt: the id 'a' stands for another image"));
  fs::remove_all(out());
  EXPECT_THAT(refusal({list("x/train.txt", {a}), list("y/train.json", {a})}), HasSubstr("train.txt"));
  EXPECT_THAT(refusal({list("x/train.txt", {a}), list("x/train.txt", {a})}),
              HasSubstr("x/train.txt: is given as two lists"));
  EXPECT_FALSE(fs::exists(out()));
}

TEST_F(Convert, TheFolderIsRefusedBeforeThereAreSamples) {
  const auto train = list("train.txt", {noise("a", 1)});
  convert({train}, out(), {});
  ListOrigin origin = origin_of(train);
  EXPECT_NO_THROW(prepare_folder({origin}, out(), {}));
  EXPECT_THROW(prepare_folder({origin, origin}, out(), {}), DataError);
  ConvertOptions jpeg;
  jpeg.jpeg_quality = 90;
  EXPECT_THROW(prepare_folder({origin}, out(), jpeg), DataError);
  origin.sha256 = "another";
  EXPECT_THROW(prepare_folder({origin}, out(), {}), DataError);
  prepare_folder({origin}, folder_.path() / "new", {});
  EXPECT_TRUE(fs::is_empty(folder_.path() / "new"));
}

TEST_F(Convert, APatternsListIsNamedByWhatItSays) {
  const auto name_of = [&](const std::string& pattern) {
    fs::remove_all(out());
    const auto done = convert({list(pattern, {noise("a", 1)})}, out(), {});
    EXPECT_TRUE(fs::exists(out() / done.lists.at(0)));
    return done.lists.at(0);
  };
  EXPECT_EQ(name_of("*.jpg"), "all.txt");
  EXPECT_EQ(name_of("*/*/?.png"), "all.txt");
  EXPECT_EQ(name_of("9*.jpg"), "9.txt");
  EXPECT_EQ(name_of("[0-8]*.jpg"), "0-8.txt");
  EXPECT_EQ(name_of("a/*/[!b]c.png"), "a_b_c.txt");
  EXPECT_EQ(name_of("train"), "train.txt");
  fs::remove_all(out());
  EXPECT_THAT(refusal({list("*.jpg", {noise("a", 1)}), list("*.png", {noise("b", 2)})}),
              HasSubstr("*.png: another list, too, would become all.txt"));
  EXPECT_FALSE(fs::exists(out()));
  const auto file = list((folder_.path() / "[1].txt").string(), {noise("a", 1)});
  EXPECT_THAT(convert({{"[1].txt", file.dataset}}, out(), {}).lists, ElementsAre("[1].txt"));
}

TEST_F(Convert, TellsTheClassesThatTheFolderHas) {
  Sample a = noise("a", 1, true), b = noise("b", 2), empty = noise("c", 3);
  b.mask.row(0).setTo(6);
  b.mirrored_classes = {{3, 4}, {5, 6}};
  empty.mask.setTo(0);
  const auto convert_afresh = [&](const std::vector<Sample>& samples) {
    fs::remove_all(out());
    return convert({list("train.txt", samples)}, out(), {});
  };
  EXPECT_EQ(convert_afresh({empty}).classes, 1);
  EXPECT_EQ(convert_afresh({a, empty}).classes, 2);
  const auto done = convert_afresh({b, a});
  EXPECT_EQ(done.classes, 7);
  EXPECT_THAT(done.mirrored_classes, ElementsAre(std::pair(3, 4), std::pair(5, 6)));
  const auto repeated = convert({list("train.txt", {b, a})}, out(), {});
  EXPECT_EQ(repeated.written, 0);
  EXPECT_EQ(repeated.classes, 7);
  EXPECT_EQ(repeated.mirrored_classes, done.mirrored_classes);
  FoldersOptions options;
  options.root = out().string();
  options.classes = 7;
  expect_same(options.open("train.txt", OnError::kFail)->get(0), b);
}

TEST_F(Convert, IdsThatLeadOutOfTheFolderAreRefused) {
  for (const char* id : {"../a", "/tmp/a", "a/../../b", "", "a\nb", "a/"}) {
    EXPECT_THAT(refusal({list("train.txt", {noise(id, 1)})}), HasSubstr("cannot be a file name")) << id;
    EXPECT_FALSE(fs::exists(out() / "Images"));
    fs::remove_all(out());
  }
}

TEST_F(Convert, UnusableImagesAreSkippedOnlyIfAskedFor) {
  auto dataset = std::make_shared<MemoryDataset>();
  dataset->add(noise("a", 1)).add([]() -> Sample { throw DataError("b.jpg", "broken"); });
  dataset->list = "train.txt";
  dataset->skipped = {"c.jpg: no such image"};
  EXPECT_THAT(refusal({{"train.txt", dataset}}), HasSubstr("b.jpg: broken"));
  ConvertOptions options;
  options.on_error = OnError::kSkip;
  EXPECT_THAT(convert({{"train.txt", dataset}}, out(), options).skipped,
              ElementsAre("c.jpg: no such image", "b.jpg: broken"));
  EXPECT_EQ(reopen("train.txt")->size(), 1);
}

TEST_F(Convert, WorkersDoNotChangeWhatIsWritten) {
  std::vector<Sample> samples;
  for (int i = 0; i < 20; ++i) samples.push_back(noise(std::to_string(100 - i), i));
  ConvertOptions options;
  options.scan.workers = 4;
  convert({list("train.txt", samples)}, out(), options);
  const std::string first = read_file(out() / "train.txt"), image = read_file(out() / "Images/90.png");
  fs::remove_all(out());
  options.scan.workers = 0;
  convert({list("train.txt", samples)}, out(), options);
  EXPECT_EQ(read_file(out() / "train.txt"), first);
  EXPECT_EQ(read_file(out() / "Images/90.png"), image);
}

}  // namespace
}  // namespace portraitseg
