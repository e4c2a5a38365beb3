#pragma once

#include "portraitseg/data/dataset.h"

namespace portraitseg {

/// EG1800 (Shen et al. 2016, "Automatic Portrait Segmentation for Image Stylization"), 600x800 portraits.
///
/// Read as it is handed around; the layout is recognised by its folders, below `root` or one folder deeper, the first of:
///   Images/NNNNN.{jpg,png}      + Labels/NNNNN.png                PortraitNet's pack (in EG1800/), masks 0/1
///   images_data_crop/NNNNN.jpg  + GT_png/NNNNN_mask.png           clova's pack (in Portrait/), masks 0/255
///   images_data_crop/NNNNN.jpg  + images_mask/NNNNN_mask.mat      the original: MAT v5, `mask`, 0/1
///   image/NNNNN.png             + ground_truth/EG1800_NNNNN.png   Deepixel's pack, masks 0/200
///
/// A list is a text file that names one image a line, with or without extension, bare integers being padded to five
/// digits (clova's lists), or the original's trainlist.mat or testlist.mat, whose variable is named like the file. In
/// place of a list, "all" takes every image of the folder. Lists name photographs that are gone from Flickr:
/// `on_error: skip` leaves those out.
struct Eg1800Options : DatasetOptions {
  void fields(Fields& f) override;
  std::unique_ptr<Dataset> open(const std::string& list, OnError on_error) const override;
};

}  // namespace portraitseg
