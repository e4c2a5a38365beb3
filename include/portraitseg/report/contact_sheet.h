#pragma once

#include <cstdint>

#include <opencv2/core/mat.hpp>

#include "portraitseg/data/augment.h"
#include "portraitseg/data/dataset.h"
#include "portraitseg/data/preprocessing.h"

namespace portraitseg {

struct ContactSheetOptions {
  std::int64_t images = 16;
  std::uint64_t seed = 1;
  std::int64_t epoch = 0;  ///< from 0: whose draws are shown
  bool augmented = true;
  std::int64_t workers = 2;
  OnError on_error =
      OnError::kFail;  ///< kSkip: images that cannot be used are left out, and others take their place
};

/// The first images of a training's epoch as the network gets them, before normalisation: the same images with the same
/// draws that EpochLoader makes of this seed and epoch.
///
/// Each shows the foreground tinted and outlined green (other classes than 1 in other colours, kIgnore grey) and its
/// id. With augmentation there are two views side by side: left only deformed, right with colour, blur and noise, too;
/// behind them, where the network has one, the prior channel, white where it says portrait.
/// Without, one view: image and mask brought to the network's geometry.
/// @return CV_8UC3, BGR; about as high as wide
/// @throws DataError for an image that cannot be used.
cv::Mat contact_sheet(const Dataset& dataset, const Preprocessing& preprocessing,
                      const AugmentOptions& augment, const ContactSheetOptions& options);

}  // namespace portraitseg
