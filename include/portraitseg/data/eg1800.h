#pragma once

#include "portraitseg/data/dataset.h"

namespace portraitseg {

/// EG1800 (Shen et al. 2016, "Automatic Portrait Segmentation for Image Stylization"), 600x800 portraits.
///
/// Read as it is handed around; the layout is recognised by its folders, below `root` or one folder deeper:
///   Images/NNNNN.{jpg,png}          + Labels/NNNNN.png          PortraitNet's pack (in EG1800/), masks 0/1
///   images_data_crop/NNNNN.jpg      + GT_png/NNNNN_mask.png     clova's pack (in Portrait/), masks 0/255
/// A list names one image a line, with or without extension; clova's bare integers are padded to five digits.
struct Eg1800Options : DatasetOptions {
  void fields(Fields& f) override;
  std::unique_ptr<Dataset> open(const std::string& list, OnError on_error) const override;
};

}  // namespace portraitseg
