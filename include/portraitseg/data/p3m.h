#pragma once

#include <cstdint>

#include "portraitseg/data/dataset.h"

namespace portraitseg {

/// P3M-10k (Li et al. 2021, "Privacy-Preserving Portrait Matting"):
///   train/blurred_image/NAME.jpg                        + train/mask/NAME.png
///   validation/P3M-500-P/blurred_image/NAME.jpg         + validation/P3M-500-P/mask/NAME.png
///   validation/P3M-500-NP/original_image/NAME.jpg       + validation/P3M-500-NP/mask/NAME.png
///
/// The 8-bit matte is cut to a mask at `alpha_threshold`; trimaps are not read. Where a folder has both blurred and
/// original images, the blurred ones are taken.
///
/// list: "train", "P3M-500-P" or "P3M-500-NP", or a list file with "train/NAME" or "train/NAME.jpg" a line.
/// ids: "train/NAME".
struct P3mOptions : DatasetOptions {
  std::int64_t alpha_threshold = 128;  ///< 1..255

  void fields(Fields& f) override;
  std::unique_ptr<Dataset> open(const std::string& list, OnError on_error) const override;
};

}  // namespace portraitseg
