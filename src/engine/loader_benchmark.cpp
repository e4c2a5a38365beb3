#include "portraitseg/engine/loader_benchmark.h"

#include <algorithm>
#include <chrono>
#include <limits>
#include <memory>
#include <numeric>
#include <vector>

#include <ATen/Parallel.h>

#include "portraitseg/core/error.h"
#include "portraitseg/core/stopwatch.h"
#include "portraitseg/data/cached_dataset.h"
#include "portraitseg/engine/trainer.h"

namespace portraitseg {
namespace {

using Clock = std::chrono::steady_clock;

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

/// Milliseconds an image over the first `images` usable ones of the first epoch, on this thread alone.
double load(const Dataset& dataset, LoaderOptions options, std::int64_t images) {
  options.workers = 0;
  EpochLoader loader(dataset, options, 0);
  std::int64_t done = 0;
  const auto start = Clock::now();
  while (done < images) {
    const auto batch = loader.next();
    if (!batch) break;
    done += batch->image.size(0);
  }
  if (done == 0) throw DataError(dataset.list, "no image of the list could be used");
  return 1000 * seconds_since(start) / static_cast<double>(done);
}

/// The same of reading and decoding alone, over as many images from all over the list.
double decode(const Dataset& dataset, std::int64_t images, OnError on_error) {
  const auto start = Clock::now();
  std::int64_t done = 0;
  for (std::int64_t i = 0; i < images; ++i) {
    try {
      dataset.get(i * dataset.size() / images);
      ++done;
    } catch (const DataError&) {
      if (on_error == OnError::kFail) throw;
    }
  }
  return 1000 * seconds_since(start) / static_cast<double>(std::max<std::int64_t>(done, 1));
}

void train(Trainer& trainer, std::int64_t steps, LoaderBenchmark& result) {
  const LoaderOptions options = trainer.loader_options();
  result.workers = options.workers;
  std::vector<double> waits, all;
  for (std::int64_t epoch = 0; result.steps < steps; ++epoch) {
    EpochLoader loader(trainer.train_set(), options, epoch);
    for (bool first = true; result.steps < steps; first = false) {
      const auto start = Clock::now();
      const auto batch = loader.next();
      if (!batch) break;
      if (batch->image.size(0) == 0) continue;
      const double waited = seconds_since(start);
      trainer.step(*batch);
      ++result.steps;
      if (first && epoch == 0) result.first_batch_s = waited;
      if (first) continue;  // nothing could be read ahead
      waits.push_back(waited);
      all.push_back(seconds_since(start));
    }
    if (all.empty()) break;  // a batch is the whole list: there is nothing to watch
  }
  if (all.empty()) return;
  result.step_s = median(all);
  result.waiting =
      std::accumulate(waits.begin(), waits.end(), 0.0) / std::accumulate(all.begin(), all.end(), 0.0);
}

}  // namespace

LoaderBenchmark benchmark_loader(const RunConfig& config, const Device& device,
                                 const LoaderBenchmarkOptions& options) {
  Trainer trainer(config, device);
  trainer.initialise();
  const LoaderOptions loader = trainer.loader_options();
  const DatasetOptions& data = *config.data.options;
  const auto open = [&] { return data.open(config.data.train_list, config.data.on_error); };
  const CachedDataset files(open(), {0, config.data.cache.max_side});
  const CachedDataset memory(open(), {std::numeric_limits<std::int32_t>::max(), config.data.cache.max_side});

  LoaderBenchmark result;
  result.list = files.list.filename().string();
  result.list_sha256 = files.list_sha256;
  result.images = std::min(options.images, files.size());
  const int threads = at::get_num_threads();
  at::set_num_threads(1);               // a batch is put together by as many
  load(memory, loader, result.images);  // fills it, and warms everything up
  result.bytes = static_cast<double>(memory.bytes()) / static_cast<double>(memory.images());
  std::vector<double> decoded, from_files, from_memory;
  for (std::int64_t round = 0; round < options.rounds; ++round) {
    decoded.push_back(decode(files, result.images, config.data.on_error));
    from_files.push_back(load(files, loader, result.images));
    from_memory.push_back(load(memory, loader, result.images));
    if (options.progress) options.progress(round + 1, options.rounds);
  }
  result.decode_ms = median(decoded);
  result.files_ms = median(from_files);
  result.cached_ms = median(from_memory);
  at::set_num_threads(threads);
  if (options.steps > 0) train(trainer, options.steps, result);
  return result;
}

}  // namespace portraitseg
