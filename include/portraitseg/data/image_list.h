#pragma once

#include "portraitseg/data/dataset.h"

namespace portraitseg {

/// Lists with the image and its mask on a line, as PaddleSeg reads them and PP-HumanSeg (Chu et al. 2022) comes with:
///   data/images/a.jpg data/masks/a.png
///
/// The two paths are below `root` and separated by a tab, a comma or blanks, the first of these that the line has; so
/// names with blanks need a comma or a tab. Masks are binary, 0/1 (255 ignored) or 0/255, recognised from the set.
/// ids: the image's path without extension.
struct ImageListOptions : DatasetOptions {
  void fields(Fields& f) override;
  std::unique_ptr<Dataset> open(const std::string& list, OnError on_error) const override;
};

}  // namespace portraitseg
