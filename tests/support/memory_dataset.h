#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include <opencv2/core/mat.hpp>

#include "portraitseg/data/dataset.h"

namespace portraitseg::testing {

/// Samples from memory, or in place of one what get() throws.
class MemoryDataset final : public Dataset {
 public:
  MemoryDataset& add(Sample sample) {
    ids_.push_back(sample.id);
    make_.emplace_back([sample = std::move(sample)] { return sample; });
    return *this;
  }
  MemoryDataset& add(std::function<Sample()> make, const std::string& id = "made") {
    ids_.push_back(id);
    make_.push_back(std::move(make));
    return *this;
  }
  std::int64_t size() const override { return static_cast<std::int64_t>(make_.size()); }
  Sample get(std::int64_t index) const override { return make_[static_cast<std::size_t>(index)](); }
  std::string id(std::int64_t index) const override { return ids_[static_cast<std::size_t>(index)]; }

 private:
  std::vector<std::string> ids_;
  std::vector<std::function<Sample()>> make_;
};

/// A plain image whose mask has `foreground` rows of class 1 at the top.
inline Sample plain_sample(const std::string& id, cv::Scalar bgr, int foreground = 2,
                           cv::Size size = {4, 4}) {
  Sample sample{id, cv::Mat(size, CV_8UC3, bgr), cv::Mat::zeros(size, CV_8UC1), {}};
  if (foreground > 0) sample.mask.rowRange(0, foreground).setTo(1);
  return sample;
}

}  // namespace portraitseg::testing
