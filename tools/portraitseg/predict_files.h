#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "predict_output.h"

namespace portraitseg {

/// What became of one input.
struct Predicted {
  std::string error;    ///< "path: why"; empty: all of its outputs are written, and the rest holds
  std::string warning;  ///< "path: what"
  cv::Size size;
  std::int64_t frames = 1;
  double fps = 0;                                    ///< of a video
  double foreground_share = 0;                       ///< of the pixels, of all frames
  double read_ms = 0, network_ms = 0, write_ms = 0;  ///< a frame, each on its thread; they overlap
};

/// How and with what predictions are made.
struct PredictJob {
  Predictor* predictor;
  const Background* background;  ///< nullptr: none is wanted
  bool several_classes = false;  ///< more than portrait and background
  bool any_size = false;  ///< images are not brought to one size, and an image's may not suit the network
  std::int64_t batch = 8, workers = 2;
  int jpeg_quality = 0;
  std::function<void(const Planned& input, std::int64_t done, std::int64_t total)> progress;
};

/// Pixels of the images that wait before the network, in a batch, and behind it, each: two large photos. A single image may
/// have more; besides, each worker has one at work.
inline constexpr std::int64_t kPixelsInFlight = 24'000'000;

/// Images are read, masked and written at the same time; their results come in the inputs' order. What cannot be read,
/// encoded or written is that input's error.
void predict_images(const PredictJob& job, const std::vector<Planned>& inputs,
                    const std::function<void(std::size_t index, const Predicted&)>& take);

Predicted predict_video(const PredictJob& job, const Planned& input);

}  // namespace portraitseg
