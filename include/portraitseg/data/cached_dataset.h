#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "portraitseg/data/dataset.h"

namespace portraitseg {

/// The section `data.cache: {mib: ..., max_side: ...}`: of the training images.
struct CacheOptions {
  std::int64_t mib = 0;       ///< memory for decoded images, 2^20 bytes; 0: none are kept
  std::int64_t max_side = 0;  ///< px; an image with a longer side is shrunk to it as it is read; 0: none is

  void fields(Fields& f);
};

/// A data set whose images are decoded once and kept as they are, uint8, as far as the memory reaches.
///
/// What fits first stays: every epoch reads every image once, so that giving up the one that was used longest ago would
/// throw each away just before it is needed. Samples share their pixels with the cache: they are not to be written to.
/// Whether an image is kept changes no result; `max_side` does, cached or not (image by area, mask by nearest
/// neighbour), and helps where the network is much smaller than the images.
class CachedDataset final : public Dataset {
 public:
  CachedDataset(std::unique_ptr<Dataset> dataset, const CacheOptions& options);

  std::int64_t size() const override { return dataset_->size(); }
  Sample get(std::int64_t index) const override;
  std::string id(std::int64_t index) const override { return dataset_->id(index); }

  std::int64_t bytes() const;   ///< of the pixels that are kept
  std::int64_t images() const;  ///< that are kept

 private:
  std::optional<Sample> kept(std::int64_t index) const;
  void keep(std::int64_t index, const Sample& sample) const;

  const std::unique_ptr<Dataset> dataset_;
  const CacheOptions options_;
  mutable std::mutex mutex_;
  mutable std::vector<std::optional<Sample>> samples_;
  mutable std::int64_t bytes_ = 0;
};

}  // namespace portraitseg
