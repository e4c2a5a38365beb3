#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "portraitseg/data/dataset.h"

namespace portraitseg {

/// A folder of images, a folder of PNG masks with the same file stems, and lists of image file names.
/// The layout that `portraitseg dataset synthesize` and `dataset convert` write.
///
/// Masks are binary and their encoding is recognised (see mask_encoding.h), unless `classes` says that their values are
/// the classes themselves: 0..classes-1, and 255 for kIgnore. Other values and masks in colours are refused then.
///
/// In place of a list file, a shell pattern takes the images below the folder that fit it, in the byte order of their
/// names: "*.jpg", or with subfolders "a/*/*.png" (a * does not reach over a slash).
struct FoldersOptions : DatasetOptions {
  std::string images = "Images";  ///< below root
  std::string masks = "Labels";   ///< below root
  std::int64_t classes = 0;       ///< 0: binary masks of any encoding

  /// Pairs of classes that change places in a mirrored image, see Sample::mirrored_classes.
  std::vector<std::vector<std::int64_t>> mirrored;

  void fields(Fields& f) override;
  std::unique_ptr<Dataset> open(const std::string& list, OnError on_error) const override;
};

}  // namespace portraitseg
