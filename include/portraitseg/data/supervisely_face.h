#pragma once

#include "portraitseg/data/dataset.h"

namespace portraitseg {

/// Supervisely-face: PortraitNet's portraits cut out of Supervisely Person (Zhang et al. 2019, Sec. 4.1;
/// dong-x16/PortraitNet, data/select_data/supervisely_face_{train,test}_{easy,difficult}.txt):
///   Supervisely_face/SuperviselyPerson_dsN/img/NAME.EXT  + .../ann/NAME.EXT, a mask image
///
/// list: a list file with the image's path below `root` a line; the mask's path has ann in place of img. The masks'
/// encoding is recognised, see mask_encoding.h; PortraitNet takes every value above 0, which is the same for masks of
/// two values. ids: the path without extension and without img.
struct SuperviselyFaceOptions : DatasetOptions {
  void fields(Fields& f) override;
  std::unique_ptr<Dataset> open(const std::string& list, OnError on_error) const override;
};

}  // namespace portraitseg
