#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <opencv2/core/mat.hpp>

#include "portraitseg/core/device.h"
#include "portraitseg/data/dataset.h"
#include "portraitseg/data/preprocessing.h"
#include "portraitseg/data/scan.h"
#include "portraitseg/engine/model_runner.h"
#include "portraitseg/models/model.h"

namespace portraitseg {

/// How far a network's mask of a photo without one can be trusted; all shares are 0..1. Taken where the photo's longer side
/// is as long as the network's input, so that they do not depend on the camera. Portrait is every class but 0.
struct LabelQuality {
  double confidence = 0;   ///< mean over the pixels of the winning class's probability
  double agreement = 0;    ///< IoU of the portrait with that of the mirrored photo, mirrored back
  double boundary_f1 = 0;  ///< the same, F1 inside the 15 px edge band, boundary_f1.h
  double share = 0;        ///< of the portrait in the photo
  double largest_component =
      0;  ///< share of the portrait that is connected (8 neighbours); 0 if there is none
};

struct PseudoLabel {
  cv::Mat mask;  ///< CV_8UC1, class index, as large as the photo; equals predict()'s
  LabelQuality quality;
};

/// What a mask must reach. With these defaults and the official SINet, 197 of the 264 EG1800 test photos pass; the mean
/// foreground IoU of their masks is 96.6, that of the others 90.4.
struct LabelLimits {
  double confidence = 0.95;
  double agreement = 0.95;
  double boundary_f1 = 0.9;
  double smallest_share = 0.05, largest_share = 0.95;
  double largest_component = 0.9;
};

/// "" if the mask may be used; else the first check it fails: small_share, large_share, scattered, confidence, agreement,
/// boundary_f1.
std::string reason_to_reject(const LabelQuality& quality, const LabelLimits& limits);

/// @param probabilities [classes, H, W], or [1, H, W] for the portrait's alone; `mirrored` those of the mirrored photo,
///   mirrored back
LabelQuality label_quality(const torch::Tensor& probabilities, const torch::Tensor& mirrored);

/// Masks a photo. @param model for inference
PseudoLabel pseudo_label(ModelRunner& model, const Preprocessing& preprocessing, const cv::Mat& photo);

/// One photo and what was decided of it.
struct LabelledPhoto {
  std::int64_t index = 0;  ///< in the photos
  std::string id;
  LabelQuality quality;
  std::string reason;  ///< reason_to_reject(); "": it is in the data set
};

/// SHA-256 of all that the masks depend on, which is known before there are any.
/// @param model_sha256 of the network and its weights
std::string pseudo_labels_sha256(const Dataset& photos, const std::string& model_sha256,
                                 Preprocessing preprocessing, const LabelLimits& limits);

/// Photos with the masks a network gave them, those that pass the limits, in the photos' order. The masks are kept
/// compressed in memory, the photos are read anew.
///
/// ids: the photos'. attributes: the five figures of LabelQuality. list_sha256: pseudo_labels_sha256(), since the masks differ in
/// single pixels from machine to machine.
class PseudoLabels final : public Dataset {
 public:
  /// Leaves the network in evaluation mode.
  /// @throws DataError for a photo that cannot be read, and with Geometry::kKeep for one of a size that the network does
  ///         not take (OnError::kFail); kSkip lists it in `skipped`.
  PseudoLabels(std::shared_ptr<const Dataset> photos, SegmentationModel& model,
               const std::string& model_sha256, const Preprocessing& preprocessing, const LabelLimits& limits,
               const Device& device, const ScanOptions& options, OnError on_error);

  std::int64_t size() const override { return static_cast<std::int64_t>(accepted_.size()); }
  Sample get(std::int64_t index) const override;
  std::string id(std::int64_t index) const override;

  const std::vector<LabelledPhoto>& photos() const { return labelled_; }  ///< all that could be read
  std::vector<LabelledPhoto> accepted() const;                            ///< entry i is get(i)

 private:
  struct Accepted {
    std::size_t photo;                ///< in labelled_
    std::vector<unsigned char> mask;  ///< PNG
  };

  std::shared_ptr<const Dataset> photos_;
  std::vector<LabelledPhoto> labelled_;
  std::vector<Accepted> accepted_;
};

}  // namespace portraitseg
