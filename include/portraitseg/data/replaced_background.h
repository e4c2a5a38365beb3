#pragma once

#include <cstdint>
#include <memory>

#include "portraitseg/data/dataset.h"

namespace portraitseg {

struct BackgroundOptions {
  std::int64_t per_image = 1;  ///< how many backgrounds each portrait gets
  std::uint64_t seed = 1;
  double feather =
      2;  ///< px in an image whose longer side is 800, and in proportion: sigma of the mask's blur
};

/// The portrait over another background: the mask, blurred, is the alpha, so that the mask's edge lies at one half and no
/// hard cut can be learnt. Every class but 0 is portrait; where the mask is kIgnore the image stays as it is.
/// Pixels further than 3 sigma + 1 px from the edge are the image's or the background's alone.
/// @param image H x W, CV_8UC3  @param mask H x W, CV_8UC1  @param background H x W, CV_8UC3
/// @param sigma px; 0: a hard cut
cv::Mat compose(const cv::Mat& image, const cv::Mat& mask, const cv::Mat& background, double sigma);

/// Each portrait of a data set before backgrounds drawn from photos, which are scaled to cover it and cut at a random
/// place. Masks stay as they are. Draws are keyed by seed, id and number: other lists and orders change none.
///
/// ids: "ID_background1" ... attributes: the portrait's own, `source` (its ID) and `background` (the photo's id).
/// list_sha256: of both lists' and the options. skipped: the portraits'.
class ReplacedBackground final : public Dataset {
 public:
  /// @param backgrounds that can be read (readable_photos()): a broken one would take its portraits with it
  ReplacedBackground(std::shared_ptr<const Dataset> portraits, std::shared_ptr<const Dataset> backgrounds,
                     const BackgroundOptions& options);

  std::int64_t size() const override { return portraits_->size() * options_.per_image; }
  Sample get(std::int64_t index) const override;
  std::string id(std::int64_t index) const override;

 private:
  const std::shared_ptr<const Dataset> portraits_, backgrounds_;
  const BackgroundOptions options_;
};

}  // namespace portraitseg
