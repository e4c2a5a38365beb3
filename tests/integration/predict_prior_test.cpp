#include <cmath>
#include <filesystem>

#include <gtest/gtest.h>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>
#include <opencv2/videoio.hpp>

#include "portraitseg/data/video_file.h"
#include "portraitseg/engine/checkpoint.h"
#include "portraitseg/engine/predictor.h"
#include "portraitseg/weights/state_dict.h"
#include "portraitseg/weights/weights_file.h"

#include "support/command.h"

namespace portraitseg::testing {
namespace {

namespace fs = std::filesystem;

/// Five different portraits.
void save_video(const Workplace& place) {
  const auto names = lines_of(bytes_of(place / "data/train.txt"));
  VideoWriter writer(place / "v.avi", {64, 48}, 10);
  for (std::size_t i = 0; i < 5; ++i) {
    cv::Mat image = cv::imread((place / "data/Images" / fs::path(names.at(i))).string());
    cv::resize(image, image, {64, 48});
    writer.write(image);
  }
  writer.finish();
}

/// Mean over the frames. @param before whether each gets the mask of the one before, or none
double foreground_share(const Workplace& place, bool before) {
  const fs::path weights = place / "run/checkpoints/best.safetensors";
  const TensorFile file = read_weights(weights);
  const RunConfig config = read_stored_config(file, weights, {"device={name: cpu, threads: 1}"});
  const Device device(config.device);
  const auto model = config.model.options->build();
  load_state_dict(*model, file, weights);
  Predictor predictor(*model, config.preprocessing, device);
  VideoReader video(place / "v.avi");
  cv::Mat mask;
  double sum = 0;
  while (const auto frame = video.next()) {
    const torch::Tensor input = predictor.input(*frame, before ? mask : cv::Mat());
    const Prediction prediction = predictor.restore(predictor.logits({input})[0], *frame);
    mask = prediction.mask;
    sum += prediction.share();
  }
  return sum / 5;
}

TEST(PredictWithPrior, EachFrameGetsTheMaskOfTheOneBefore) {
  const Workplace place;
  const Ending trained =
      place
          .train("run", {"model={name: portraitnet, prior_channel: true}", "preprocessing.prior_channel=true",
                         "augment.prior={probability: 0.5, shift: 0.05}", "optimizer.lr=0.002"})
          .run();
  ASSERT_EQ(trained.exit_code, 0) << trained.err;
  save_video(place);
  const double expected = foreground_share(place, /*before=*/true);
  ASSERT_GT(std::abs(expected - foreground_share(place, /*before=*/false)), 1e-4) << "the prior matters";
  for (const char* batch : {"1", "4"}) {
    const Ending ending = place
                              .command({"predict", "--run", "run", "v.avi", "--batch", batch, "--workers",
                                        "2", "--threads", "1", "--json", "-"})
                              .run();
    ASSERT_EQ(ending.exit_code, 0) << ending.err;
    const auto video = nlohmann::json::parse(ending.out).at("inputs").at(0);
    EXPECT_NEAR(video.at("foreground_share").get<double>(), expected, 1e-9) << batch;
  }
}

}  // namespace
}  // namespace portraitseg::testing
