#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <opencv2/core/types.hpp>

#include "portraitseg/data/dataset.h"
#include "portraitseg/data/face_detector.h"
#include "portraitseg/data/scan.h"

namespace portraitseg {

/// How far a crop reaches beyond the face's box, in heights of that box. The defaults are the medians over the EG1800 test
/// list, rounded so that a square box makes 3:4 (width : height), the shape of EG1800's 600x800.
struct FaceFrame {
  double above = 0.55;
  double below = 0.95;
  double side = 0.4375;  ///< to each

  double height() const { return above + 1 + below; }
};

struct FaceCropOptions {
  FaceFrame frame;
  int smallest_height = 224;       ///< px; crops that are lower are left out
  double portrait_in_face = 0.5;   ///< at least this share of the face's box is portrait, or it is no face
  double smallest_portrait = 0.1;  ///< of the crop
  double largest_portrait = 0.9;   ///< of the crop
  double largest_overlap = 0.5;    ///< IoU of two crops of one image; the one of the smaller face is left out
};

/// What became of the images and of the boxes that the detector found.
struct FaceCropCounts {
  std::int64_t images = 0;  ///< that could be read
  std::int64_t without_face = 0;
  std::int64_t boxes = 0;  ///< crops and the five below
  std::int64_t crops = 0;
  std::int64_t off_portrait = 0;  ///< the box does not lie on the portrait
  std::int64_t small = 0;
  std::int64_t little_portrait = 0;
  std::int64_t little_background = 0;
  std::int64_t overlapping = 0;
};

/// The face's box enlarged by the frame, moved into the image where it reaches out of it, and cut where it is larger than
/// the image; nothing is padded.
cv::Rect portrait_box(const cv::Rect& face, const FaceFrame& frame, cv::Size image);

/// Area of intersection over area of union.
double box_iou(const cv::Rect& a, const cv::Rect& b);

struct FaceCrop {
  cv::Rect face, box;
};

/// The crops of one image that fulfil the options, largest face first; counts what is left out.
/// @param mask CV_8UC1; portrait is every class but 0 and kIgnore
std::vector<FaceCrop> choose_crops(std::vector<cv::Rect> faces, const cv::Mat& mask,
                                   const FaceCropOptions& options, FaceCropCounts& counts);

/// SHA-256 of all that the crops depend on, which is known before they are looked for.
/// @param detector_sha256 of whatever finds the faces
std::string face_crops_sha256(const Dataset& images, const std::string& detector_sha256,
                              const FaceCropOptions& options);

/// Portraits cut out of images with a person mask, image and mask together (SINet Sec. 3.4 does so; its factors are not
/// published).
///
/// ids: "ID_face1", "ID_face2" ... of the image ID, largest face first. attributes: the image's own, and `source` (ID),
/// `face` and `crop` (x y width height in the image, px). list_sha256: face_crops_sha256().
class FaceCrops final : public Dataset {
 public:
  /// Looks for faces in every image.
  /// @throws DataError for an image that cannot be used (OnError::kFail); kSkip lists it in `skipped`.
  FaceCrops(std::shared_ptr<const Dataset> images, const FindFaces& find_faces,
            const std::string& detector_sha256, const FaceCropOptions& options,
            const ScanOptions& scan_options, OnError on_error);

  std::int64_t size() const override { return static_cast<std::int64_t>(entries_.size()); }
  Sample get(std::int64_t index) const override;
  std::string id(std::int64_t index) const override;

  const FaceCropCounts& counts() const { return counts_; }

 private:
  struct Entry {
    std::int64_t image;
    std::size_t number;  ///< from 1, within its image
    FaceCrop crop;
  };

  std::shared_ptr<const Dataset> images_;
  std::vector<Entry> entries_;
  FaceCropCounts counts_;
};

}  // namespace portraitseg
