#include <utility>

#include "portraitseg/core/error.h"
#include "portraitseg/core/file.h"
#include "portraitseg/core/parallel.h"
#include "portraitseg/core/stopwatch.h"
#include "portraitseg/data/image_file.h"
#include "portraitseg/data/ordered_map.h"
#include "portraitseg/data/ordered_stage.h"
#include "portraitseg/data/write_image.h"

#include "predict_files.h"

namespace portraitseg {
namespace {

/// One image on its way.
struct Work {
  std::size_t index = 0;
  cv::Mat image;
  torch::Tensor input, logits;
  Predicted result;
};

Work load(const PredictJob& job, const Planned& input, std::size_t index) {
  const Stopwatch watch;
  Work work;
  work.index = index;
  try {
    work.image = read_image(input.input.path);
    work.input = job.predictor->input(work.image);
    work.result.size = work.image.size();
  } catch (const DataError& error) {
    work.result.error = error.what();
  }
  work.result.read_ms = watch.ms();
  return work;
}

/// The inputs of a batch have one size.
void run_network(const PredictJob& job, const std::vector<Planned>& inputs, std::vector<Work>& batch) {
  const Stopwatch watch;
  std::vector<torch::Tensor> tensors;
  for (const auto& work : batch) tensors.push_back(work.input);
  try {
    const torch::Tensor logits = job.predictor->logits(tensors);
    for (std::size_t i = 0; i < batch.size(); ++i) {
      batch[i].logits = logits[static_cast<std::int64_t>(i)];
      batch[i].input = torch::Tensor();
    }
  } catch (const UserError& refusal) {  // of the size
    if (!job.any_size) throw;
    for (auto& work : batch)
      work.result.error = DataError(inputs[work.index].input.path, refusal.what()).what();
  }
  for (auto& work : batch) work.result.network_ms = watch.ms() / static_cast<double>(batch.size());
}

void write_outputs(const PredictJob& job, const Planned& input, const cv::Mat& image,
                   const Prediction& prediction) {
  for (const auto& [picture, file] : input.outputs) {
    make_folder(file.parent_path());
    write_image(file, draw_picture(picture, image, prediction, job.background, job.several_classes),
                job.jpeg_quality > 0 ? job.jpeg_quality : 95);
  }
}

Work write(const PredictJob& job, const Planned& input, Work work) {
  if (!work.result.error.empty()) return work;
  compute_alone();
  const Stopwatch watch;
  const Prediction prediction = job.predictor->restore(work.logits, work.image);
  try {
    write_outputs(job, input, work.image, prediction);
  } catch (const DataError& error) {
    work.result.error = error.what();
  }
  work.result.foreground_share = prediction.share();
  work.result.write_ms = watch.ms();
  work.image.release();
  return work;
}

WeightLimit<Work> pixel_limit() {
  return {[](const Work& work) { return static_cast<std::int64_t>(work.image.total()); }, kPixelsInFlight};
}

/// Images that go through the network together: of one size, and not too many pixels.
class ImageBatch {
 public:
  explicit ImageBatch(std::int64_t most) : most_(most) {}

  bool takes(const Work& work) const {
    if (works_.empty()) return true;
    return static_cast<std::int64_t>(works_.size()) < most_ && pixels_ < kPixelsInFlight &&
           works_.front().input.sizes() == work.input.sizes();
  }
  void add(Work work) {
    pixels_ += static_cast<std::int64_t>(work.image.total());
    works_.push_back(std::move(work));
  }
  std::vector<Work> take() {
    pixels_ = 0;
    return std::exchange(works_, {});
  }

 private:
  const std::int64_t most_;
  std::vector<Work> works_;
  std::int64_t pixels_ = 0;
};

}  // namespace

void predict_images(const PredictJob& job, const std::vector<Planned>& inputs,
                    const std::function<void(std::size_t, const Predicted&)>& take) {
  const auto count = static_cast<std::int64_t>(inputs.size());
  OrderedMap<Work> images(
      count, job.workers, job.batch + job.workers,
      [&](std::int64_t index) {
        const auto i = static_cast<std::size_t>(index);
        return load(job, inputs[i], i);
      },
      pixel_limit());
  std::int64_t done = 0;
  OrderedStage<Work, Work> written(
      job.workers, job.batch + job.workers,
      [&](Work work) {
        const Planned& input = inputs[work.index];
        return write(job, input, std::move(work));
      },
      [&](const Work& work) {
        if (job.progress) job.progress(inputs[work.index], ++done, count);
        take(work.index, work.result);
      },
      pixel_limit());
  ImageBatch batch(job.batch);
  const auto flush = [&] {
    std::vector<Work> works = batch.take();
    if (!works.empty()) run_network(job, inputs, works);
    for (auto& work : works) written.put(std::move(work));
  };
  while (auto work = images.next()) {
    const bool broken = !work->result.error.empty();
    if (broken || !batch.takes(*work)) flush();
    if (broken) {
      written.put(std::move(*work));
    } else {
      batch.add(std::move(*work));
    }
  }
  flush();
  written.finish();
}

}  // namespace portraitseg
