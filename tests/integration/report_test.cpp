#include <filesystem>

#include <gmock/gmock.h>

#include "support/command.h"

namespace portraitseg::testing {
namespace {

namespace fs = std::filesystem;

using ::testing::HasSubstr;
using ::testing::Not;

/// Two runs of one epoch, measured on the validation list: results/one and results/two.
class Report : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    place = new Workplace;
    for (const char* seed : {"1", "2"}) {
      const std::string name = seed == std::string("1") ? "one" : "two";
      const Ending trained =
          place->train("runs/" + name, {"trainer.epochs=1", "trainer.seed=" + std::string(seed)}).run();
      ASSERT_EQ(trained.exit_code, 0) << trained.err;
      const Ending measured = place
                                  ->command({"evaluate", "--run", "runs/" + name, "--output",
                                             "results/" + name, "--overlays", "0"})
                                  .run();
      ASSERT_EQ(measured.exit_code, 0) << measured.err;
    }
  }
  static void TearDownTestSuite() {
    delete place;
    place = nullptr;
  }

  static Ending run(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"report", "--resamples", "200"});
    return place->command(arguments).run();
  }

  /// Exit code 2, one line with the words, and nothing written.
  static void refused(const std::vector<std::string>& arguments, const std::vector<std::string>& words) {
    const auto before = contents(place->path());
    const Ending ending = run(arguments);
    EXPECT_EQ(ending.exit_code, 2);
    EXPECT_EQ(lines_of(ending.err).size(), 1U) << ending.err;
    for (const auto& word : words) EXPECT_THAT(ending.err, HasSubstr(word));
    EXPECT_EQ(contents(place->path()), before);
  }

  static std::size_t count(const std::string& text, const std::string& what) {
    std::size_t found = 0;
    for (std::size_t at = 0; (at = text.find(what, at)) != std::string::npos; ++at) ++found;
    return found;
  }

  static Workplace* place;
};

Workplace* Report::place = nullptr;

TEST_F(Report, OfTwoResultsShowsFiguresPicturesAndTheProtocol) {
  const Ending ending =
      run({"results/one", "results/two", "--output", "page.html", "--by", "foreground_share"});
  ASSERT_EQ(ending.exit_code, 0) << ending.err;
  EXPECT_EQ(last_line(ending.out), "page.html");
  EXPECT_THAT(ending.out, HasSubstr("n these 8 images"));
  const std::string html = bytes_of(*place / "page.html");
  for (const char* text : {"Which one is better", "By how much", "Where they fail", "Worst, by the mean",
                           "Image by image", "By foreground_share", "rule: resolution", "weights_sha256"})
    EXPECT_THAT(html, HasSubstr(text));
  EXPECT_THAT(html, Not(HasSubstr("http")));
  EXPECT_THAT(html, Not(HasSubstr("Not shown")));
  EXPECT_EQ(count(html, "data:image/jpeg") % 3, 0U);  // image, one, two
  EXPECT_GE(count(html, "data:image/jpeg"), 18U);
  EXPECT_EQ(count(html, "data:image/png"), 2U);  // heat maps
  ASSERT_EQ(
      run({"results/one", "results/two", "--output", "page.html", "--by", "foreground_share"}).exit_code, 0);
  EXPECT_EQ(bytes_of(*place / "page.html"), html);
}

TEST_F(Report, OfOneResultLiesBesideItAndNeedsNoWorkers) {
  const Ending ending = run({"results/one", "--workers", "0"});
  ASSERT_EQ(ending.exit_code, 0) << ending.err;
  EXPECT_EQ(last_line(ending.out), "results/one/report.html");
  EXPECT_THAT(bytes_of(*place / "results/one/report.html"), HasSubstr("data:image/jpeg"));
}

TEST_F(Report, WithoutDataThereIsAPageWithoutPictures) {
  fs::rename(*place / "data", *place / "elsewhere");
  const Ending ending = run({"results/one", "--output", "bare.html"});
  fs::rename(*place / "elsewhere", *place / "data");
  ASSERT_EQ(ending.exit_code, 0) << ending.err;
  EXPECT_THAT(ending.err, HasSubstr("without pictures: "));
  const std::string html = bytes_of(*place / "bare.html");
  EXPECT_THAT(html, HasSubstr("Not shown"));
  EXPECT_THAT(html, Not(HasSubstr("<img")));
}

TEST_F(Report, ShowsTheImagesAsTheyWereChangedForTheMeasurement) {
  const Ending measured = place
                              ->command({"evaluate", "--run", "runs/one", "--output", "results/turned",
                                         "--overlays", "0", "--perturb", "rotate:40,brightness:0.7", "--flip",
                                         "--scales", "0.5,1", "--post", "largest_component"})
                              .run();
  ASSERT_EQ(measured.exit_code, 0) << measured.err;
  const Ending ending = run({"results/turned", "--output", "turned.html"});
  ASSERT_EQ(ending.exit_code, 0) << ending.err;
  EXPECT_THAT(ending.err, Not(HasSubstr("without pictures")));
  EXPECT_THAT(bytes_of(*place / "turned.html"), HasSubstr("data:image/jpeg"));
}

TEST_F(Report, OtherLabelsThanThoseMeasuredAreNotShown) {
  const fs::path labels = *place / "data/Labels", kept = *place / "kept";
  fs::copy(labels, kept, fs::copy_options::recursive);
  fs::path first, second;
  for (const auto& entry : fs::directory_iterator(labels)) (first.empty() ? first : second) = entry.path();
  for (const auto& entry : fs::directory_iterator(labels))
    if (entry.path() != first) fs::copy_file(first, entry.path(), fs::copy_options::overwrite_existing);
  const Ending ending = run({"results/one", "--output", "changed.html"});
  fs::remove_all(labels);
  fs::rename(kept, labels);
  ASSERT_EQ(ending.exit_code, 0) << ending.err;
  EXPECT_THAT(ending.err, HasSubstr("something else was measured"));
}

TEST_F(Report, AMistakeIsOneLineAndNothingIsWritten) {
  refused({"results/one", "nowhere"}, {"nowhere", "metrics.json"});
  refused({"results/one", "results/one/"}, {"given twice"});
  refused({"results/one", "--output", "config.yaml"}, {"config.yaml", "choose another --output"});
  refused({"results/one", "--output", "results/one/metrics.json"},
          {"metrics.json", "choose another --output"});
  refused({"results/one", "--output", "results"}, {"is a folder"});
  refused({"results/one", "--attributes", "config.yaml"}, {"--attributes needs --by"});
  refused({"results/one", "--by", "eyes"}, {"no attribute 'eyes'"});
  refused({"results/one", "runs/two"}, {"runs/two", "evaluate it"});
}

TEST_F(Report, OfARunSaysWhereItsPageLies) {
  const Ending ending = run({"runs/one"});
  EXPECT_EQ(ending.exit_code, 0) << ending.err;
  EXPECT_EQ(ending.out, "runs/one/report.html\n");
}

}  // namespace
}  // namespace portraitseg::testing
