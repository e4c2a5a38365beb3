#pragma once

#include "portraitseg/data/dataset.h"

namespace portraitseg {

/// A folder of images, a folder of PNG masks with the same file stems, and lists of image file names.
/// The layout that `portraitseg dataset synthesize` writes.
///
/// In place of a list file, a shell pattern takes the images below the folder that fit it, in the byte order of their
/// names: "*.jpg", or with subfolders "a/*/*.png" (a * does not reach over a slash).
struct FoldersOptions : DatasetOptions {
  std::string images = "Images";  ///< below root
  std::string masks = "Labels";   ///< below root

  void fields(Fields& f) override;
  std::unique_ptr<Dataset> open(const std::string& list, OnError on_error) const override;
};

}  // namespace portraitseg
