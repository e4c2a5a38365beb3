#pragma once

#include <cstdint>

#include "portraitseg/data/dataset.h"

namespace portraitseg {

/// AISegment's matting_human_half (aisegmentcn/matting_human_datasets), half-length portraits of 600x800:
///   clip_img/DATE/clip_0000000N/NAME.jpg  + matting/DATE/matting_0000000N/NAME.png, the matte in the alpha channel
///
/// The matte is cut to a mask at `alpha_threshold`. The stray "._NAME" files of the archive are left out.
///
/// list: "all", or a list file with "DATE/clip_0000000N/NAME.jpg" a line, with or without clip_img/ before it. There is
/// no official split; the attribute `group` is DATE/clip_0000000N, and splitting by it keeps one person's pictures
/// together. ids: the line without extension.
struct AiSegmentOptions : DatasetOptions {
  std::int64_t alpha_threshold = 128;  ///< 1..255

  void fields(Fields& f) override;
  std::unique_ptr<Dataset> open(const std::string& list, OnError on_error) const override;
};

}  // namespace portraitseg
