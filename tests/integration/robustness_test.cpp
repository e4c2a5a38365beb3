#include <filesystem>
#include <set>

#include <gmock/gmock.h>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>

#include "support/command.h"
#include "support/refusal.h"

namespace portraitseg::testing {
namespace {

namespace fs = std::filesystem;

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Arguments = std::vector<std::string>;
using Json = nlohmann::json;

/// A workplace with a short training in run/.
class Robustness : public ::testing::Test {
 protected:
  void SetUp() override {
    const Ending trained = place.train("run", {"trainer.epochs=3"}).run();
    ASSERT_EQ(trained.exit_code, 0) << trained.err;
  }

  /// What `portraitseg evaluate --run run ...` prints, which must succeed.
  std::string evaluate(const Arguments& more) const {
    Arguments arguments = {"evaluate", "--run", "run"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const Ending ending = place.command(arguments).run();
    EXPECT_EQ(ending.exit_code, 0) << ending.err;
    return ending.out;
  }
  Json results(Arguments more) const {
    more.insert(more.end(), {"--json", "-"});
    return Json::parse(evaluate(more)).at("results");
  }

  /// The mask that `predict` writes of a validation image.
  cv::Mat mask(const Arguments& more, const std::string& folder) const {
    const std::string name = lines_of(bytes_of(place / "data/val.txt")).at(0);
    Arguments arguments = {"predict", "--run", "run", "data/Images/" + name, "--mask", "--output", folder};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const Ending ending = place.command(arguments).run();
    EXPECT_EQ(ending.exit_code, 0) << ending.err;
    return cv::imread((place / folder / (fs::path(name).stem().string() + "_mask.png")).string(),
                      cv::IMREAD_UNCHANGED);
  }

  void refused(const std::string& verb, const Arguments& more, const Arguments& words) const {
    Arguments arguments = {verb, "--run", "run"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    expect_refusal(place, arguments, words);
  }

  Workplace place;
};

TEST_F(Robustness, EachEvaluationIsNamedAndHasAHashOfItsOwn) {
  const Json all =
      results({"--protocol", "clova,native", "--perturb", "none", "--perturb", "rotate:25.0", "--perturb",
               "rotate:45,jpeg:30", "--flip", "--scales", "0.5,1", "--post", "largest_component"});
  Arguments names;
  std::set<std::string> hashes, figures;
  for (const Json& result : all) {
    names.push_back(result.at("protocol"));
    hashes.insert(result.at("protocol_hash").get<std::string>());
    figures.insert(result.at("metrics").dump());
  }
  const std::string answer = "+flip+scales:0.5:1+largest_component";
  EXPECT_THAT(names, ElementsAre("clova" + answer, "clova+rotate:25" + answer,
                                 "clova+rotate:45+jpeg:30" + answer, "native" + answer,
                                 "native+rotate:25" + answer, "native+rotate:45+jpeg:30" + answer));
  EXPECT_EQ(hashes.size(), 6U);
  EXPECT_GE(figures.size(), 3U) << "each perturbation has its figures; both protocols may agree";

  const Json plain = results({"--protocol", "clova"}),
             none = results({"--protocol", "clova", "--perturb", "none"});
  EXPECT_EQ(plain, none);
  EXPECT_EQ(hashes.count(plain.at(0).at("protocol_hash")), 0U) << "results of both are not mixed up";
}

TEST_F(Robustness, EvaluationsTogetherAreThoseOfEachAlone) {
  const Arguments options = {"--flip", "--post", "guided_filter:2:0.01,largest_component", "--protocol",
                             "clova,native"};
  const auto with = [&](Arguments more) {
    more.insert(more.end(), options.begin(), options.end());
    return results(more);
  };
  const Json together = with({"--perturb", "none", "--perturb", "rotate:60", "--perturb", "noise:20"});
  const Json rotated = with({"--perturb", "rotate:60", "--batch-size", "3", "--workers", "0"});
  EXPECT_EQ(together.at(1), rotated.at(0));
  EXPECT_EQ(together.at(4), rotated.at(1));
  EXPECT_EQ(with({"--perturb", "noise:20", "--workers", "4"}).at(1), together.at(5));
}

TEST_F(Robustness, AnImageIsPerturbedTheSameWayInAnyList) {
  const auto lines = lines_of(bytes_of(place / "data/val.txt"));
  write_bytes(place / "data/turned.txt", lines.at(2) + "\n" + lines.at(0) + "\n");
  evaluate({"--perturb", "rotate:60,texture", "--protocol", "clova", "--output", "all"});
  evaluate(
      {"--perturb", "rotate:60,texture", "--protocol", "clova", "--list", "turned.txt", "--output", "two"});
  const auto all = lines_of(bytes_of(place / "all/clova+rotate:60+texture/per_image.csv")),
             two = lines_of(bytes_of(place / "two/clova+rotate:60+texture/per_image.csv"));
  ASSERT_EQ(two.size(), 3U);
  const auto measured = [](const std::string& line) { return line.substr(0, line.find(",clova+")); };
  EXPECT_EQ(measured(two.at(1)), measured(all.at(3)));
  EXPECT_EQ(measured(two.at(2)), measured(all.at(1)));
  EXPECT_NE(measured(two.at(1)), two.at(1)) << "the rest is the protocol and the list";
  EXPECT_FALSE(fs::is_empty(place / "all/clova+rotate:60+texture/overlays"));
}

TEST_F(Robustness, ATableHasAColumnOfEachPerturbation) {
  const std::string table = evaluate({"--protocol", "clova", "--perturb", "none", "--perturb", "rotate:90"});
  EXPECT_THAT(lines_of(table).at(0), ::testing::ContainsRegex("clova +clova\\+rotate:90$"));
}

TEST_F(Robustness, WrongTextsAreRefusedInOneLine) {
  refused("evaluate", {"--perturb", "rotat:45"},
          {"--perturb: \"rotat:45\": no step is called 'rotat'; did you mean 'rotate'?", "rotate:DEGREES"});
  refused("evaluate", {"--perturb", "seed:3"}, {"--perturb: \"seed:3\"", "rotate:45,seed:3"});
  refused("evaluate", {"--perturb", "none", "--perturb", "jpeg:0"},
          {"QUALITY has to be a whole number from 1 to 100"});
  refused("evaluate", {"--perturb", "blur:2", "--perturb", "blur:2.0"}, {"given twice"});
  refused("evaluate", {"--post", "smooth"},
          {"--post: \"smooth\"", "guided_filter:RADIUS:EPS", "largest_component"});
  refused("evaluate", {"--scales", "0.5,9"}, {"--scales"});
  refused("evaluate", {"--scales", "half"}, {"--scales"});
  refused("evaluate", {"--scales", "1,nan"}, {"--scales", "nan is no number"});
  refused("predict", {"--post", "guided_filter:8", "data/Images"}, {"--post"});
}

TEST_F(Robustness, PredictAnswersFromTheSameViews) {
  const cv::Mat plain = mask({}, "plain");
  const cv::Mat views = mask({"--flip", "--scales", "0.5,1", "--post", "largest_component"}, "views");
  ASSERT_EQ(plain.size(), views.size());
  EXPECT_GT(cv::norm(plain, views, cv::NORM_L1), 0);
  cv::Mat labels;
  EXPECT_LE(cv::connectedComponents(views, labels, 8), 2) << "the background and one part";
}

}  // namespace
}  // namespace portraitseg::testing
