#include <filesystem>

#include <gmock/gmock.h>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>
#include <opencv2/videoio.hpp>

#include "support/command.h"
#include "support/refusal.h"

namespace portraitseg::testing {
namespace {

namespace fs = std::filesystem;

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Arguments = std::vector<std::string>;
using Json = nlohmann::json;

/// A workplace with a short training in run/ and photos/ of another size than the network's: a.png, b.png, sub/a.jpg.
class Predict : public ::testing::Test {
 protected:
  void SetUp() override {
    const Ending trained = place.train("run", {"trainer.epochs=3"}).run();
    ASSERT_EQ(trained.exit_code, 0) << trained.err;
    fs::create_directories(place / "photos/sub");
    save("photos/a.png", portrait(0, {80, 110}));
    save("photos/b.png", portrait(1, {61, 47}));
    save("photos/sub/a.jpg", portrait(2, {90, 70}));
  }

  void save(const std::string& path, const cv::Mat& image) const {
    ASSERT_TRUE(cv::imwrite((place / path).string(), image));
  }

  /// A synthetic portrait of the training list.
  cv::Mat portrait(std::size_t index, cv::Size size) const {
    const std::string name = lines_of(bytes_of(place / "data/train.txt")).at(index);
    cv::Mat image = cv::imread((place / "data/Images" / fs::path(name)).string());
    if (image.empty()) throw std::runtime_error("no image " + name);
    cv::resize(image, image, size);
    return image;
  }

  /// `frames` portraits as a video of 10 a second.
  void save_video(const std::string& path, int frames) const {
    cv::VideoWriter writer((place / path).string(), cv::CAP_OPENCV_MJPEG,
                           cv::VideoWriter::fourcc('M', 'J', 'P', 'G'), 10, {64, 48});
    for (int i = 0; i < frames; ++i) writer.write(portrait(static_cast<std::size_t>(i % 4), {64, 48}));
  }

  static Arguments arguments(const Arguments& more) {
    Arguments all = {"predict", "--run", "run"};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
  Ending predict(const Arguments& more) const { return place.command(arguments(more)).run(); }
  void refused(const Arguments& more, const Arguments& words) const {
    expect_refusal(place, arguments(more), words);
  }

  cv::Mat stored(const std::string& path) const {
    return cv::imread((place / path).string(), cv::IMREAD_UNCHANGED);
  }
  std::vector<std::string> files_in(const std::string& folder) const {
    std::vector<std::string> names;
    for (const auto& [name, bytes] : contents(place / folder)) {
      if (name.back() != '/') names.push_back(name);
    }
    return names;
  }

  Workplace place;
};

TEST_F(Predict, MasksAndCutsOutAFolderWithItsSubfolders) {
  const Ending ending = predict({"photos", "--json", "figures.json"});
  ASSERT_EQ(ending.exit_code, 0) << ending.err;
  EXPECT_THAT(ending.out, HasSubstr("predictions: 3 of 3 inputs, 3 images in "));
  EXPECT_THAT(files_in("predictions"), ElementsAre("a_cutout.png", "a_mask.png", "b_cutout.png", "b_mask.png",
                                                   "sub/a_cutout.png", "sub/a_mask.png"));
  const cv::Mat mask = stored("predictions/a_mask.png"), cutout = stored("predictions/a_cutout.png");
  EXPECT_EQ(mask.type(), CV_8UC1);
  EXPECT_EQ(mask.size(), cv::Size(80, 110));
  EXPECT_EQ(cutout.type(), CV_8UC4);
  EXPECT_EQ(cutout.size(), cv::Size(80, 110));
  const int portrait = cv::countNonZero(mask == 255);
  EXPECT_EQ(portrait + cv::countNonZero(mask == 0), 80 * 110);
  EXPECT_GT(portrait, 800);
  cv::Mat alpha;
  cv::extractChannel(cutout, alpha, 3);
  EXPECT_EQ(cv::countNonZero((alpha > 128) & (mask == 0)), 0);
  EXPECT_EQ(cv::countNonZero((alpha < 127) & (mask == 255)), 0);

  const Json figures = Json::parse(bytes_of(place / "figures.json"));
  EXPECT_EQ(figures.at("images"), 3);
  EXPECT_EQ(figures.at("failed"), 0);
  const Json& first = figures.at("inputs").at(0);
  EXPECT_EQ(first.at("input"), "photos/a.png");
  EXPECT_EQ(first.at("type"), "image");
  EXPECT_EQ(first.at("height"), 110);
  EXPECT_EQ(first.at("width"), 80);
  EXPECT_NEAR(first.at("foreground_share").get<double>(), portrait / (80.0 * 110), 1e-9);
  EXPECT_GT(first.at("ms").at("network").get<double>(), 0);
  EXPECT_EQ(first.at("outputs").at("mask"), "predictions/a_mask.png");
}

TEST_F(Predict, BatchesWorkersAndThreadsDoNotChangeAByte) {
  const Arguments all = {"photos", "--mask", "--cutout", "--overlay", "--background", "blur"};
  const auto with = [&](const std::string& folder, Arguments more) {
    more.insert(more.begin(), all.begin(), all.end());
    more.insert(more.end(), {"--output", folder});
    const Ending ending = predict(more);
    EXPECT_EQ(ending.exit_code, 0) << ending.err;
    return contents(place / folder);
  };
  const auto expected = with("one", {"--batch", "1", "--workers", "0", "--threads", "1"});
  EXPECT_EQ(expected.size(), 13U);
  EXPECT_EQ(with("two", {"--batch", "2", "--workers", "3", "--threads", "2"}), expected);
  EXPECT_EQ(with("eight", {}), expected);
}

TEST_F(Predict, BatchesWorkersAndThreadsDoNotChangeAByteOfAVideo) {
  save_video("v.avi", 11);
  const auto with = [&](const std::string& folder, const Arguments& more) {
    Arguments all = {"v.avi", "--mask", "--background", "blur", "--output", folder};
    all.insert(all.end(), more.begin(), more.end());
    const Ending ending = predict(all);
    EXPECT_EQ(ending.exit_code, 0) << ending.err;
    return contents(place / folder);
  };
  const auto expected = with("one", {"--batch", "1", "--workers", "0", "--threads", "1"});
  EXPECT_EQ(expected.size(), 2U);
  EXPECT_EQ(with("four", {"--batch", "4", "--workers", "3", "--threads", "2"}), expected);
}

TEST_F(Predict, PutsThePortraitBeforeAColourOrAPicture) {
  save("room.png", cv::Mat(10, 30, CV_8UC3, cv::Scalar(1, 2, 250)));
  for (const std::string background : {"250,2,1", "room.png"}) {
    const Ending ending = predict({"photos/a.png", "--mask", "--background", background, "--output", "out"});
    ASSERT_EQ(ending.exit_code, 0) << ending.err;
    EXPECT_THAT(files_in("out"), ElementsAre("a_background.png", "a_mask.png"));
    const cv::Mat image = stored("out/a_background.png");
    EXPECT_EQ(image.size(), cv::Size(80, 110));
    cv::Mat behind;
    cv::inRange(image, cv::Scalar(1, 2, 250), cv::Scalar(1, 2, 250), behind);
    EXPECT_GT(cv::countNonZero(behind), 1000);
    EXPECT_EQ(cv::countNonZero(behind & stored("out/a_mask.png")), 0);
  }
  const Ending jpeg =
      predict({"photos/a.png", "--overlay", "--background", "blur", "--jpeg-quality", "80", "--output", "j"});
  EXPECT_EQ(jpeg.exit_code, 0) << jpeg.err;
  EXPECT_THAT(files_in("j"), ElementsAre("a_background.jpg", "a_overlay.jpg"));
}

TEST_F(Predict, GoesOnBehindABrokenImageAndSaysSoAtTheEnd) {
  write_bytes(place / "photos/aa.png", "no image");
  const Ending ending = predict({"photos", "--json", "-"});
  EXPECT_EQ(ending.exit_code, 2);
  EXPECT_EQ(lines_of(ending.err).size(), 1U) << ending.err;
  EXPECT_THAT(ending.err, HasSubstr("skipped: photos/aa.png: "));
  const Json figures = Json::parse(ending.out);
  EXPECT_EQ(figures.at("failed"), 1);
  EXPECT_THAT(figures.at("inputs").at(1).at("error").get<std::string>(), HasSubstr("photos/aa.png"));
  EXPECT_EQ(files_in("predictions").size(), 6U);
}

TEST_F(Predict, MakesAVideoOfAVideo) {
  save_video("v.avi", 11);
  const Ending ending = predict({"v.avi", "photos/b.png", "--json", "-", "--batch", "4"});
  ASSERT_EQ(ending.exit_code, 0) << ending.err;
  EXPECT_THAT(files_in("predictions"), ElementsAre("b_cutout.png", "b_mask.png", "v_mask.avi"));
  const Json video = Json::parse(ending.out).at("inputs").at(0);
  EXPECT_EQ(video.at("type"), "video");
  EXPECT_EQ(video.at("frames"), 11);
  EXPECT_EQ(video.at("fps"), 10);
  EXPECT_EQ(Json::parse(ending.out).at("images"), 12);

  ASSERT_EQ(predict({"v.avi", "--overlay", "--background", "0,0,255"}).exit_code, 0);
  cv::VideoCapture source((place / "v.avi").string(), cv::CAP_OPENCV_MJPEG);
  cv::VideoCapture masks((place / "predictions/v_mask.avi").string(), cv::CAP_OPENCV_MJPEG);
  cv::VideoCapture overlays((place / "predictions/v_overlay.avi").string(), cv::CAP_OPENCV_MJPEG);
  EXPECT_NEAR(overlays.get(cv::CAP_PROP_FPS), 10, 1e-6);
  cv::Mat frame, mask, overlay;
  int frames = 0;
  for (; source.read(frame); ++frames) {
    ASSERT_TRUE(masks.read(mask) && overlays.read(overlay)) << frames;
    EXPECT_EQ(overlay.size(), cv::Size(64, 48));
    cv::Mat outside, grey;
    cv::cvtColor(mask, grey, cv::COLOR_BGR2GRAY);
    cv::erode(grey < 20, outside, cv::Mat::ones(5, 5, CV_8U));
    if (cv::countNonZero(outside) > 0) {
      EXPECT_LT(cv::norm(frame, overlay, cv::NORM_L1, outside) / cv::countNonZero(outside), 30) << frames;
    }
  }
  EXPECT_EQ(frames, 11);
  EXPECT_FALSE(masks.read(mask));
}

TEST_F(Predict, ABrokenVideoLeavesNothingUnderItsName) {
  write_bytes(place / "w.mp4", "no video");
  const Ending ending = predict({"w.mp4", "photos/a.png", "--overlay"});
  EXPECT_EQ(ending.exit_code, 2);
  EXPECT_EQ(lines_of(ending.err).size(), 1U) << ending.err;
  EXPECT_THAT(ending.err, HasSubstr("w.mp4: cannot be opened as a video"));
  EXPECT_THAT(files_in("predictions"), ElementsAre("a_overlay.png"));
}

TEST_F(Predict, AVideoThatEndsEarlyIsKeptWithAWarning) {
  save_video("v.avi", 40);
  fs::resize_file(place / "v.avi", fs::file_size(place / "v.avi") / 2);
  const Ending ending = predict({"v.avi", "--json", "-"});
  EXPECT_EQ(ending.exit_code, 0);
  EXPECT_EQ(lines_of(ending.err).size(), 1U) << ending.err;
  EXPECT_THAT(ending.err, HasSubstr("v.avi: ended after frame "));
  const Json video = Json::parse(ending.out).at("inputs").at(0);
  EXPECT_EQ(video.at("warning").get<std::string>() + "\n", ending.err);
  EXPECT_GT(video.at("frames"), 10);
  EXPECT_THAT(files_in("predictions"), ElementsAre("v_mask.avi"));
}

TEST_F(Predict, AnOutputThatCannotBeWrittenIsItsInputsError) {
  save("photos/aa.png", cv::Mat(70000, 1, CV_8UC3, cv::Scalar::all(50)));  // JPEG has 65,500 pixels at most
  const Ending ending = predict({"photos", "--overlay", "--jpeg-quality", "80", "--json", "-"});
  EXPECT_EQ(ending.exit_code, 2);
  EXPECT_THAT(ending.err, HasSubstr("skipped: predictions/aa_overlay.jpg: the image cannot be encoded"));
  EXPECT_EQ(Json::parse(ending.out).at("failed"), 1);
  EXPECT_THAT(files_in("predictions"), ElementsAre("a_overlay.jpg", "b_overlay.jpg", "sub/a_overlay.jpg"));
}

TEST_F(Predict, WithoutMemoryItSaysWhatMayHelpAndWhatIsDone) {
#ifdef __SANITIZE_ADDRESS__
  GTEST_SKIP() << "AddressSanitizer needs all addresses";
#endif
  save("photos/c.png", cv::Mat::zeros(11000, 11000, CV_8UC3));
  const Ending ending = place.command(arguments({"photos", "--mask", "--workers", "1", "--json", "f.json"}))
                            .limit_memory(2L << 30)
                            .run();
  EXPECT_EQ(ending.exit_code, 2);
  EXPECT_THAT(last_line(ending.err), HasSubstr("out of memory; try a smaller --batch or --workers"));
  const Json figures = Json::parse(bytes_of(place / "f.json"));
  EXPECT_THAT(figures.at("inputs").at(2).at("error").get<std::string>(),
              HasSubstr("c.png: the run ended before it"));
}

TEST_F(Predict, AFullDiskLeavesNoHalfFiles) {
  save_video("v.avi", 40);
  const Ending ending = place.command(arguments({"v.avi", "--overlay"})).limit_file_size(20000).run();
  EXPECT_EQ(ending.exit_code, 2);
  EXPECT_EQ(lines_of(ending.err).size(), 1U) << ending.err;
  EXPECT_THAT(ending.err, HasSubstr("v_overlay.avi"));
  EXPECT_TRUE(files_in("predictions").empty());
  const Ending image = place.command(arguments({"photos/a.png", "--cutout"})).limit_file_size(500).run();
  EXPECT_EQ(image.exit_code, 2);
  EXPECT_THAT(image.err, HasSubstr("a_cutout.png: cannot write"));
  EXPECT_TRUE(files_in("predictions").empty());
}

TEST_F(Predict, RefusesBeforeAnythingIsComputed) {
  fs::create_directories(place / "empty");
  refused({"empty"}, {"empty: no image and no video"});
  refused({"photos", "none.png"}, {"none.png: no such file or folder"});
  refused({"photos", "--set", "model.num_classes=3"}, {"best.safetensors: weights of another network"});
  refused({"photos/a.png", "photos/sub/a.jpg"},
          {"predictions/a_mask.png: would be written for two inputs: photos/a.png and photos/sub/a.jpg"});
  refused({"photos", "--output", "photos/out"}, {"lies in the folder of photos photos"});
  fs::copy_file(place / "photos/a.png", place / "x.png");
  fs::copy_file(place / "photos/a.png", place / "x_mask.png");
  refused({"x.png", "x_mask.png", "--output", "."}, {"x_mask.png: is a file that is read"});
  refused({"x.png", "--output", "config.yaml"}, {"config.yaml"});
  refused({"x.png", "--background", "300,0,0"}, {"300,0,0"});
  refused({"x.png", "--background", "none.png"}, {"none.png"});
  refused({"x.png", "--json", "x.png"}, {"x.png"});
  refused({"x.png", "--output", ".", "--json", "x_cutout.png"},
          {"x_cutout.png: is written for x.png; choose another --json"});
  fs::copy_file(place / "x.png", place / "x_overlay.png.tmp");
  refused({"x.png", "--overlay", "--output", ".", "--background", "x_overlay.png.tmp"},
          {"x_overlay.png.tmp: is a file that is read, and a temporary name"});
  refused({"x.png", "--json", "none/f.json"}, {"none/f.json: cannot be written"});
  save_video("v.avi", 2);
  refused({"v.avi", "--cutout"}, {"v.avi: --cutout"});
  expect_refusal(place, {"predict", "x.png"}, {"predict needs either --run or --weights"});
  EXPECT_FALSE(fs::exists(place / "predictions"));
}

TEST_F(Predict, FollowsNoLinkThatLeadsBack) {
  fs::create_directory_symlink("..", place / "photos/sub/up");
  fs::create_directory_symlink(".", place / "photos/again");
  fs::create_directories(place / "more");
  save("more/c.png", portrait(3, {30, 40}));
  fs::create_directory_symlink("../more", place / "photos/more");
  fs::create_directory_symlink("../photos", place / "more/back");
  EXPECT_EQ(predict({"photos", "--mask"}).exit_code, 0);
  EXPECT_THAT(files_in("predictions"),
              ElementsAre("a_mask.png", "b_mask.png", "more/c_mask.png", "sub/a_mask.png"));
}

TEST_F(Predict, AnOptionTakesNoPhotoForItsValue) {
  const Ending ending =
      predict({"--set", "device.threads=1", "--scales", "1", "photos/a.png", "photos/b.png", "--mask"});
  EXPECT_EQ(ending.exit_code, 0) << ending.err;
  EXPECT_THAT(files_in("predictions"), ElementsAre("a_mask.png", "b_mask.png"));
}

TEST_F(Predict, WeightsThatCarryTheirConfigurationNeedNone) {
  const Ending run = predict({"photos", "--output", "a"});
  const Ending weights =
      place.command({"predict", "--weights", "run/checkpoints/best.safetensors", "photos", "--output", "b"})
          .run();
  EXPECT_EQ(weights.exit_code, 0) << weights.err;
  EXPECT_EQ(contents(place / "a"), contents(place / "b"));
  EXPECT_FALSE(contents(place / "a").empty());
}

TEST_F(Predict, OfSeveralClassesTheMaskIsTheClassIndexAndInAVideo0And255) {
  const Ending trained = place
                             .train("three", {"model.num_classes=3", "trainer.epochs=2",
                                              "evaluation.protocol=mmseg", "evaluation.select_by=miou"})
                             .run();
  ASSERT_EQ(trained.exit_code, 0) << trained.err;
  save_video("v.avi", 2);
  const Ending ending = place.command({"predict", "--run", "three", "photos/a.png", "v.avi", "--mask"}).run();
  ASSERT_EQ(ending.exit_code, 0) << ending.err;
  const cv::Mat mask = stored("predictions/a_mask.png");
  double largest = 0;
  cv::minMaxLoc(mask, nullptr, &largest);
  EXPECT_GE(largest, 1);
  EXPECT_LE(largest, 2);
  cv::VideoCapture video((place / "predictions/v_mask.avi").string(), cv::CAP_OPENCV_MJPEG);
  cv::Mat frame;
  ASSERT_TRUE(video.read(frame));
  cv::minMaxLoc(frame.reshape(1), nullptr, &largest);
  EXPECT_GT(largest, 200);
}

TEST_F(Predict, OfASingleLogitTheMaskIs0And255) {
  const Ending trained =
      place
          .train("one", {"model={name: extremec3net, num_classes: 1}", "trainer.epochs=2",
                         "losses=[{name: lovasz_hinge, output: mask, target: label, weight: 1}]"})
          .run();
  ASSERT_EQ(trained.exit_code, 0) << trained.err;
  const Ending ending =
      place.command({"predict", "--run", "one", "photos/a.png", "--mask", "--json", "-"}).run();
  ASSERT_EQ(ending.exit_code, 0) << ending.err;
  const cv::Mat mask = stored("predictions/a_mask.png");
  const int portrait = cv::countNonZero(mask == 255);
  EXPECT_EQ(portrait + cv::countNonZero(mask == 0), 80 * 110);
  EXPECT_NEAR(Json::parse(ending.out).at("inputs").at(0).at("foreground_share").get<double>(),
              portrait / (80.0 * 110), 1e-9);
}

}  // namespace
}  // namespace portraitseg::testing
