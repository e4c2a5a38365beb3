#include <algorithm>
#include <limits>
#include <memory>
#include <utility>

#include <opencv2/imgproc.hpp>

#include "portraitseg/core/error.h"
#include "portraitseg/core/file.h"
#include "portraitseg/core/parallel.h"
#include "portraitseg/core/stopwatch.h"
#include "portraitseg/data/ordered_map.h"
#include "portraitseg/data/ordered_stage.h"
#include "portraitseg/data/video_file.h"

#include "predict_files.h"

namespace portraitseg {
namespace {

/// One frame on its way; behind the last there is one without image.
struct Frame {
  cv::Mat image;
  torch::Tensor input, logits;
  std::map<Picture, cv::Mat> pictures;
  double foreground_share = 0;
  double read_ms = 0, network_ms = 0, write_ms = 0;
};

Frame read_frame(const PredictJob& job, VideoReader& reader) {
  const Stopwatch watch;
  Frame frame;
  if (auto image = reader.next()) {
    frame.image = *image;
    if (!job.predictor->has_prior()) frame.input = job.predictor->input(frame.image);
  }
  frame.read_ms = watch.ms();
  return frame;
}

/// Videos have no use for class indices: lossy codecs do not keep them.
cv::Mat draw_frame(const PredictJob& job, Picture picture, const cv::Mat& image,
                   const Prediction& prediction) {
  cv::Mat drawn = draw_picture(picture, image, prediction, job.background, /*several_classes=*/false);
  if (drawn.channels() == 1) cv::cvtColor(drawn, drawn, cv::COLOR_GRAY2BGR);
  return drawn;
}

Frame draw(const PredictJob& job, const Planned& input, Frame frame) {
  compute_alone();
  const Stopwatch watch;
  const Prediction prediction = job.predictor->restore(frame.logits, frame.image);
  for (const auto& [picture, file] : input.outputs)
    frame.pictures[picture] = draw_frame(job, picture, frame.image, prediction);
  frame.foreground_share = prediction.share();
  frame.write_ms = watch.ms();
  return frame;
}

/// The videos that are made of one.
class Writers {
 public:
  Writers(const Planned& input, const VideoReader& reader) {
    for (const auto& [picture, file] : input.outputs) {
      make_folder(file.parent_path());
      writers_[picture] = std::make_unique<VideoWriter>(file, reader.size(), reader.fps());
    }
  }
  void write(const Frame& frame) {
    for (const auto& [picture, drawn] : frame.pictures) writers_.at(picture)->write(drawn);
  }
  void finish() {
    for (auto& [picture, writer] : writers_) writer->finish();
  }

 private:
  std::map<Picture, std::unique_ptr<VideoWriter>> writers_;
};

/// Networks without prior channel take several frames at once; with it, each needs the mask of the one before.
class FrameMasker {
 public:
  explicit FrameMasker(const PredictJob& job) : job_(job) {}

  /// @param pixels of a frame
  std::int64_t frames_at_once(std::int64_t pixels) const {
    if (job_.predictor->has_prior()) return 1;
    return std::clamp<std::int64_t>(kPixelsInFlight / pixels, 1, job_.batch);
  }

  void mask(std::vector<Frame>& frames) {
    const Stopwatch watch;
    std::vector<torch::Tensor> inputs;
    for (auto& frame : frames) {
      if (job_.predictor->has_prior()) frame.input = job_.predictor->input(frame.image, before_);
      inputs.push_back(std::move(frame.input));
    }
    const torch::Tensor logits = job_.predictor->logits(inputs);
    for (std::size_t i = 0; i < frames.size(); ++i) frames[i].logits = logits[static_cast<std::int64_t>(i)];
    if (job_.predictor->has_prior()) before_ = job_.predictor->restore(logits[0], frames.front().image).mask;
    for (auto& frame : frames) frame.network_ms = watch.ms() / static_cast<double>(frames.size());
  }

 private:
  const PredictJob& job_;
  cv::Mat before_;
};

/// In place of sums over the frames.
void take_means(Predicted& result) {
  for (double* sum : {&result.foreground_share, &result.read_ms, &result.network_ms, &result.write_ms})
    *sum /= static_cast<double>(result.frames);
}

Predicted predict_frames(const PredictJob& job, const Planned& input) {
  VideoReader reader(input.input.path);
  Writers writers(input, reader);
  Predicted result;
  result.size = reader.size();
  result.fps = reader.fps();
  result.frames = 0;
  const auto write = [&](const Frame& frame) {
    const Stopwatch watch;
    writers.write(frame);
    result.foreground_share += frame.foreground_share;
    result.read_ms += frame.read_ms;
    result.network_ms += frame.network_ms;
    result.write_ms += frame.write_ms + watch.ms();
    ++result.frames;
    if (job.progress) job.progress(input, result.frames, std::max(result.frames, reader.announced()));
  };
  FrameMasker masker(job);
  const std::int64_t at_once = masker.frames_at_once(reader.size().area());
  const std::int64_t ahead = at_once + job.workers;
  OrderedMap<Frame> frames(std::numeric_limits<std::int64_t>::max() / 2, 1, ahead,  // 1: they come one by one
                           [&](std::int64_t) { return read_frame(job, reader); });
  OrderedStage<Frame, Frame> drawn(
      job.workers, ahead, [&](Frame frame) { return draw(job, input, std::move(frame)); }, write);
  for (bool more = true; more;) {
    std::vector<Frame> batch;
    while (more && static_cast<std::int64_t>(batch.size()) < at_once) {
      auto frame = frames.next();
      more = !frame->image.empty();
      if (more) batch.push_back(std::move(*frame));
    }
    if (!batch.empty()) masker.mask(batch);
    for (auto& frame : batch) drawn.put(std::move(frame));
  }
  drawn.finish();
  writers.finish();
  take_means(result);
  if (const std::string shortfall = reader.shortfall(); !shortfall.empty())
    result.warning = DataError(input.input.path, shortfall).what();
  return result;
}

}  // namespace

Predicted predict_video(const PredictJob& job, const Planned& input) {
  try {
    return predict_frames(job, input);
  } catch (const DataError& error) {
    Predicted failed;
    failed.error = error.what();
    return failed;
  } catch (const UserError& refusal) {  // of the size
    if (!job.any_size) throw;
    Predicted failed;
    failed.error = DataError(input.input.path, refusal.what()).what();
    return failed;
  }
}

}  // namespace portraitseg
