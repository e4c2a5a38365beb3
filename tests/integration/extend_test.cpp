#include <algorithm>
#include <filesystem>

#include <gmock/gmock.h>
#include <opencv2/core.hpp>
#include <opencv2/imgcodecs.hpp>

#include "portraitseg/data/face_detector.h"

#include "support/command.h"
#include "support/refusal.h"
#include "support/shared_data.h"

namespace portraitseg::testing {
namespace {

namespace fs = std::filesystem;

using ::testing::AllOf;
using ::testing::HasSubstr;
using Arguments = std::vector<std::string>;
using Json = nlohmann::json;

Arguments extend(const std::string& verb, const Arguments& rest) {
  Arguments all = {"dataset", "extend", verb};
  all.insert(all.end(), rest.begin(), rest.end());
  return all;
}

/// rooms/: three photos of noise.
void write_rooms(const Workplace& place) {
  fs::create_directories(place / "rooms");
  for (int i = 0; i < 3; ++i) {
    cv::Mat room(50, 100, CV_8UC3);
    cv::RNG(static_cast<std::uint64_t>(i + 1)).fill(room, cv::RNG::UNIFORM, 0, 256);
    cv::imwrite((place / ("rooms/" + std::to_string(i) + ".png")).string(), room);
  }
}

Arguments background(const std::string& output, const Arguments& more = {}) {
  Arguments arguments =
      extend("background", {"--config", "config.yaml", "--backgrounds", "rooms", "--output", output});
  arguments.insert(arguments.end(), more.begin(), more.end());
  return arguments;
}

TEST(ExtendBackground, GivesTheSameBytesForTheSameSeedAndListsThatTrain) {
  const Workplace place;
  write_rooms(place);
  const Ending ending = place.command(background("out", {"--per-image", "2", "--json", "f.json"})).run();
  EXPECT_EQ(ending.exit_code, 0) << ending.err;
  const std::string section =
      "data:\n  name: folders\n  root: out\n  train_list: train.txt\n  val_list: val.txt\n  classes: 2\n";
  EXPECT_EQ(ending.out, "out: 64 images of 32 portraits before 3 backgrounds, 64 written now\n" + section);
  EXPECT_EQ(Json::parse(bytes_of(place / "f.json")).at("data").at("classes"), 2);
  EXPECT_EQ(Json::parse(bytes_of(place / "f.json")).at("images"), 64);
  EXPECT_EQ(lines_of(bytes_of(place / "out/val.txt")).size(), 16U);
  EXPECT_EQ(place.command(background("again", {"--per-image", "2", "--workers", "0"})).run().exit_code, 0);
  EXPECT_EQ(contents(place / "out"), contents(place / "again"));
  EXPECT_EQ(place.command(background("other", {"--per-image", "2", "--seed", "2"})).run().exit_code, 0);
  EXPECT_NE(bytes_of(place / "out/Images/00001_background1.png"),
            bytes_of(place / "other/Images/00001_background1.png"));
  EXPECT_EQ(bytes_of(place / "out/Labels/00001_background1.png"),
            bytes_of(place / "other/Labels/00001_background1.png"));
  const Ending trained = place.train("run", {"trainer.epochs=1", "data.root=out"}).run();
  EXPECT_EQ(trained.exit_code, 0) << trained.err;
}

TEST(ExtendBackground, ARunIsRepeatedAtNoCostAndOtherOptionsOverwriteNothing) {
  const Workplace place;
  write_rooms(place);
  ASSERT_EQ(place.command(background("out")).run().exit_code, 0);
  fs::remove(place / "out/Images/00002_background1.png");
  const auto before = contents(place / "out");
  const Ending again = place.command(background("out", {"--json", "-"})).run();
  EXPECT_EQ(Json::parse(again.out).at("written"), 1);
  EXPECT_EQ(contents(place / "out").size(), before.size() + 1);
  const auto whole = contents(place / "out");
  expect_refusal(place, background("out", {"--seed", "2"}), {"out: holds something else"});
  expect_refusal(place, background("rooms"), {"rooms: holds something else"});
  EXPECT_EQ(contents(place / "out"), whole);
}

TEST(ExtendBackground, SaysWhereThereAreNoBackgrounds) {
  const Workplace place;
  fs::create_directories(place / "rooms");
  expect_refusal(place, background("out"), {"rooms: no image in it"});
  fs::remove(place / "rooms");
  expect_refusal(place, background("out"), {"rooms: no such folder of photos"});
  EXPECT_FALSE(fs::exists(place / "out"));
}

TEST(ExtendBackground, KeepsClassesAndWhichOfThemAreMirrored) {
  const Workplace place;
  write_rooms(place);
  write_bytes(place / "faces.yaml",
              "name: folders\nroot: data\ntrain_list: train.txt\nval_list: val.txt\nclasses: 5\n"
              "mirrored: [[3, 4]]\n");
  const auto first = lines_of(bytes_of(place / "data/train.txt")).front();
  const fs::path label = place / "data/Labels" / fs::path(first).replace_extension(".png");
  cv::Mat mask = cv::imread(label.string(), cv::IMREAD_UNCHANGED);
  mask.row(0).setTo(4);
  cv::imwrite(label.string(), mask);
  const Ending ending = place
                            .command(extend("background", {"--data", "faces.yaml", "--list", "train.txt",
                                                           "--backgrounds", "rooms", "--output", "out"}))
                            .run();
  EXPECT_EQ(ending.exit_code, 0) << ending.err;
  EXPECT_THAT(ending.out, HasSubstr("  classes: 5\n  mirrored: [[3, 4]]\n"));
}

TEST(ExtendBackground, ABrokenBackgroundIsRefusedOrLeftOutOnce) {
  const Workplace place;
  write_rooms(place);
  write_bytes(place / "rooms/broken.png", "no image");
  expect_refusal(place, background("out"), {"broken.png"});
  EXPECT_FALSE(fs::exists(place / "out"));
  const Ending ending =
      place.command(background("out", {"--set", "data.on_error=skip", "--json", "-"})).run();
  const Json figures = Json::parse(ending.out);
  EXPECT_EQ(figures.at("images"), 32);
  EXPECT_EQ(figures.at("backgrounds"), 3);
  EXPECT_EQ(figures.at("skipped").size(), 1U);
  EXPECT_EQ(lines_of(ending.err).size(), 1U) << ending.err;
}

TEST(Extend, RefusesArgumentsThatCannotBeMeant) {
  const Workplace place;
  write_rooms(place);
  expect_refusal(place, background(""), {"--output is empty"});
  expect_refusal(place, background("out", {"--seed", "-1"}), {"--seed"});
  expect_refusal(place, background("out", {"--feather", "nan"}), {"--feather"});
  expect_refusal(place, background("out", {"--json", "none/f.json"}), {"none/f.json: cannot be written"});
  fs::create_directory(place / "empty");
  expect_refusal(place, background("empty", {"--json", "empty/convert.json"}),
                 {"empty/convert.json: lies in the output folder"});
  expect_refusal(place, background("rooms/out"), {"rooms/out: lies in the folder of photos rooms"});
  expect_refusal(place,
                 extend("background", {"--config", "config.yaml", "--backgrounds", "", "--output", "out"}),
                 {"--backgrounds is empty"});
  expect_refusal(place, extend("label", {"--run", "run", "--images", "", "--output", "out"}),
                 {"--images is empty"});
  expect_refusal(
      place, extend("label", {"--run", "run", "--images", "rooms", "--output", "out", "--min-share", "nan"}),
      {"--min-share"});
  expect_refusal(place, background("out", {"--set", "data.val_list=train.txt"}),
                 {"train.txt: is given as two lists"});
  EXPECT_FALSE(fs::exists(place / "out"));
}

TEST(ExtendCrop, SaysWhatIsWrongWithTheDetector) {
  const Workplace place;
  const auto crop = [](const std::string& detector) {
    return extend("crop", {"--config", "config.yaml", "--output", "out", "--detector", detector});
  };
  expect_refusal(place, crop("none.xml"), {"none.xml: cannot open"});
  expect_refusal(place, crop("config.yaml"), {"config.yaml: is no cascade that OpenCV can read"});
  expect_refusal(place, extend("crop", {"--output", "out", "--root", "data", "--enlarge", "1,2"}),
                 {"--enlarge"});
  expect_refusal(place, extend("crop", {"--output", "data", "--root", "data"}),
                 {"data: holds something else"});
  EXPECT_FALSE(fs::exists(place / "out"));
}

TEST(ExtendCrop, CutsPortraitsThatVerifyFindsNoFaultWith) {
  PORTRAITSEG_NEEDS_SHARED_DATA();
  if (installed_face_cascade().empty()) GTEST_SKIP() << "the package opencv-data is not installed";
  const Workplace place;
  const std::string root = (shared_root() / "data/eg1800").string();
  write_bytes(place / "some.txt", "00002.jpg\n00005.jpg\n00008.jpg\n");
  const Arguments arguments =
      extend("crop", {"--name", "eg1800", "--root", root, "--list", "./some.txt", "--output", "out"});
  const Ending ending = place.command(arguments).run();
  EXPECT_EQ(ending.exit_code, 0) << ending.err;
  EXPECT_EQ(ending.out,
            "out: 3 portraits out of 3 images, 3 written now; 0 images without face; left out: none\n"
            "data:\n  name: folders\n  root: out\n  train_list: some.txt\n  classes: 2\n");
  EXPECT_EQ(bytes_of(place / "out/some.txt"), "00002_face1.png\n00005_face1.png\n00008_face1.png\n");
  EXPECT_THAT(bytes_of(place / "out/attributes.csv"), HasSubstr("id,crop,face,source\n00002_face1,"));
  EXPECT_EQ(place.command({"dataset", "verify", "--root", "out"}).run().exit_code, 0);
  Arguments again = arguments;
  again.insert(again.end(), {"--json", "-"});
  const Json figures = Json::parse(place.command(again).run().out);
  EXPECT_EQ(figures.at("written"), 0);
  EXPECT_EQ(figures.at("crops"), 3);
  again.insert(again.end(), {"--min-height", "5000"});
  again[again.size() - 5] = "huge";
  expect_refusal(place, again, {"some.txt: no portrait to crop"});
}

/// The limits that masks of a hardly trained network reach.
const Arguments kAnyMask = {"--min-confidence", "0", "--min-agreement", "0", "--min-boundary-f1", "0",
                            "--min-share",      "0", "--max-share",     "1", "--min-component",   "0"};

Arguments label(const std::string& output, const Arguments& more = {}) {
  Arguments arguments = extend("label", {"--run", "run", "--images", "data/Images", "--output", output});
  arguments.insert(arguments.end(), more.begin(), more.end());
  return arguments;
}

TEST(ExtendLabel, WritesMasksFiguresAndAPageAndTheAcceptedListTrains) {
  const Workplace place;
  ASSERT_EQ(place.train("run", {"trainer.epochs=3"}).run().exit_code, 0);
  write_bytes(place / "data/Images/broken.jpg", "no image");
  const Ending ending = place.command(label("out", kAnyMask)).run();
  EXPECT_EQ(ending.exit_code, 0) << ending.err;
  EXPECT_THAT(ending.out, AllOf(HasSubstr("out: masks of 32 of 32 photos, 32 written now; rejected: none"),
                                HasSubstr("out/review.html")));
  EXPECT_THAT(ending.err, HasSubstr("broken.jpg"));
  const auto files = lines_of(bytes_of(place / "out/pseudo.txt"));
  ASSERT_EQ(files.size(), 32U);
  const std::string page = bytes_of(place / "out/review.html");
  for (const auto& file : files) {
    EXPECT_THAT(page, HasSubstr("\"file\":\"" + file + "\""));
    EXPECT_TRUE(fs::exists(place / "out/review" / fs::path(file).replace_extension(".jpg"))) << file;
  }
  EXPECT_THAT(bytes_of(place / "out/attributes.csv"),
              HasSubstr("id,agreement,boundary_f1,confidence,largest_component,share\n"));
  EXPECT_EQ(lines_of(bytes_of(place / "out/rejected.csv")).size(), 1U);

  write_bytes(place / "out/accepted.txt",
              files[0] + "\n" + files[1] + "\n" + files[2] + "\n" + files[3] + "\n");
  const Ending trained = place
                             .train("more", {"trainer.epochs=1", "data.root=out",
                                             "data.train_list=accepted.txt", "data.val_list=pseudo.txt"})
                             .run();
  EXPECT_EQ(trained.exit_code, 0) << trained.err;

  Arguments again = kAnyMask;
  again.insert(again.end(), {"--json", "-"});
  const Ending repeated = place.command(label("out", again)).run();
  const Json figures = Json::parse(repeated.out);
  EXPECT_EQ(figures.at("written"), 0);
  EXPECT_EQ(figures.at("accepted"), 32);
  EXPECT_EQ(figures.at("skipped").size(), 1U);
}

TEST(ExtendLabel, RejectsByTheLimitsAndSaysSo) {
  const Workplace place;
  ASSERT_EQ(place.train("run", {"trainer.epochs=3"}).run().exit_code, 0);
  ASSERT_EQ(place.command(label("all", kAnyMask)).run().exit_code, 0);
  std::vector<double> shares;  // the last column
  for (const auto& line : lines_of(bytes_of(place / "all/attributes.csv")))
    if (line.find("share") == std::string::npos)
      shares.push_back(std::stod(line.substr(line.rfind(',') + 1)));
  std::sort(shares.begin(), shares.end());
  std::size_t cut = 8;  // the widest gap near the middle
  for (std::size_t i = cut; i < 24; ++i)
    if (shares[i + 1] - shares[i] > shares[cut + 1] - shares[cut]) cut = i;
  Arguments halved = kAnyMask;
  halved[7] = std::to_string((shares[cut] + shares[cut + 1]) / 2);
  halved.insert(halved.end(), {"--json", "-"});
  const Json figures = Json::parse(place.command(label("half", halved)).run().out);
  ASSERT_LT(shares[cut] + 1e-4, shares[cut + 1]);
  EXPECT_EQ(figures.at("accepted"), 31 - cut);
  EXPECT_EQ(figures.at("rejected"), Json({{"small_share", cut + 1}}));
  EXPECT_EQ(lines_of(bytes_of(place / "half/rejected.csv")).size(), cut + 2);
  expect_refusal(place, label("none", {"--min-share", "1"}),
                 {"data/Images: none of 32 photos got a mask to be trusted: 32 small_share"});
  EXPECT_TRUE(fs::is_empty(place / "none"));
}

TEST(ExtendLabel, ContinuesAnInterruptedFolderOnlyWithTheSameInputs) {
  const Workplace place;
  ASSERT_EQ(place.train("run", {"trainer.epochs=3"}).run().exit_code, 0);
  ASSERT_EQ(place.command(label("out", kAnyMask)).run().exit_code, 0);
  fs::remove(place / "out/Images/00001.png");
  fs::remove(place / "out/review.html");
  Arguments again = kAnyMask;
  again.insert(again.end(), {"--set", "device.threads=2", "--json", "-"});
  const Json figures = Json::parse(place.command(label("out", again)).run().out);
  EXPECT_EQ(figures.at("written"), 1);
  EXPECT_TRUE(fs::exists(place / "out/review.html"));
  expect_refusal(place, label("out", {"--min-share", "0.5"}), {"out: holds something else than these lists"});
}

TEST(ExtendLabel, PhotosWithAwkwardNamesDoNotStopIt) {
  const Workplace place;
  ASSERT_EQ(place.train("run", {"trainer.epochs=3"}).run().exit_code, 0);
  fs::create_directories(place / "web[1]");
  const std::string first = lines_of(bytes_of(place / "data/train.txt")).front();
  for (const std::string name : {"a.jpg", "a.png", "b.jpg", " c.jpg", "\xff.jpg"})
    fs::copy_file(place / "data/Images" / first, place / "web[1]" / name);
  Arguments arguments = extend("label", {"--run", "run", "--images", "web[1]", "--output", "out"});
  arguments.insert(arguments.end(), kAnyMask.begin(), kAnyMask.end());
  const Ending ending = place.command(arguments).run();
  EXPECT_EQ(ending.exit_code, 0) << ending.err;
  EXPECT_EQ(lines_of(ending.err).size(), 2U) << ending.err;
  EXPECT_EQ(bytes_of(place / "out/pseudo.txt"), "a.jpg.png\na.png.png\nb.png\n");
  EXPECT_EQ(place.command({"dataset", "verify", "--root", "out", "--list", "pseudo.txt"}).run().exit_code, 0);
}

TEST(ExtendLabel, NeedsANetworkAndPhotos) {
  const Workplace place;
  expect_refusal(place, extend("label", {"--images", "data/Images", "--output", "out"}),
                 {"either --run or --weights"});
  expect_refusal(place, label("out"), {"run"});
  expect_refusal(place, label("data"), {"data: holds something else"});
  ASSERT_EQ(place.train("run", {"trainer.epochs=1"}).run().exit_code, 0);
  fs::create_directories(place / "nothing");
  expect_refusal(place, extend("label", {"--run", "run", "--images", "nothing", "--output", "out"}),
                 {"nothing: no image in it"});
}

}  // namespace
}  // namespace portraitseg::testing
