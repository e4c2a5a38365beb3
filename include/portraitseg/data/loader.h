#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <torch/types.h>

#include "portraitseg/data/augment.h"
#include "portraitseg/data/dataset.h"
#include "portraitseg/data/ordered_map.h"
#include "portraitseg/data/preprocessing.h"
#include "portraitseg/data/targets.h"

namespace portraitseg {

struct LoaderOptions {
  Preprocessing preprocessing;
  AugmentOptions augment;
  std::vector<Target> targets = {Target()};  ///< which are made
  bool deformed = false;  ///< also the view before texture: the teacher's input of the consistency loss
  std::int64_t batch_size = 24;
  std::int64_t workers = 2;
  std::int64_t edge_kernel = 15;  ///< px, of the edge_bands among them that have none of their own
  std::uint64_t seed = 1;
  OnError on_error = OnError::kFail;
  bool pinned = false;  ///< batches in page-locked memory, which CUDA copies from without waiting
};

/// What one training step sees.
struct Batch {
  torch::Tensor image;     ///< [N, C, H, W] float32, C of the preprocessing
  torch::Tensor deformed;  ///< the same images before colour, blur and noise; undefined unless asked for
  std::map<Target, torch::Tensor> targets;  ///< [N, H / stride, W / stride] uint8
  std::vector<std::string> skipped;         ///< what was left out of it, with the reason (OnError::kSkip)
};

/// The batches of one epoch: shuffled, augmented, in an order and with contents that follow from (seed, epoch) alone.
class EpochLoader {
 public:
  /// @param first_batch where to begin: a resumed epoch continues behind the batches already trained on.
  EpochLoader(const Dataset& dataset, const LoaderOptions& options, std::int64_t epoch,
              std::int64_t first_batch = 0);

  static std::int64_t batches(const Dataset& dataset, std::int64_t batch_size);

  /// The next batch (the last may be smaller; N is 0 if all its images were skipped), or nothing after the last.
  std::optional<Batch> next();

 private:
  struct Example {
    torch::Tensor image;     ///< [C, H, W]
    torch::Tensor deformed;  ///< as image, or undefined
    std::map<Target, torch::Tensor> targets;
    std::string error;  ///< why it is skipped; empty: it is not
  };
  Example make(std::int64_t sample_index) const;
  torch::Tensor stack(const std::vector<torch::Tensor>& tensors) const;

  const Dataset& dataset_;
  const LoaderOptions options_;
  const std::int64_t epoch_;
  const std::vector<std::int64_t> order_;
  std::int64_t position_;  ///< in order_
  OrderedMap<Example> examples_;
};

}  // namespace portraitseg
