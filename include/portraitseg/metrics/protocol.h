#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <opencv2/core/mat.hpp>

#include "portraitseg/core/registry.h"
#include "portraitseg/data/preprocessing.h"

namespace portraitseg {

/// How a figure is computed. No figure is printed or stored without its protocol's name and hash, the list's and n.
struct Protocol {
  enum class Resolution {
    kNetwork,  ///< the mask is brought to the network's size, the logits are decided there
    kNative,   ///< the logits are brought to the image's size (bilinear), the mask stays as it is
  };

  enum class Counting {
    kForeground,  ///< class 1 against the other one
    kClasses,     ///< each class against all the others
  };

  std::string name;                       ///< as it is asked for: "clova_batch:40"
  std::string figure = "iou_foreground";  ///< its one number, where the reference prints one
  Counting counting = Counting::kForeground;
  Resolution resolution = Resolution::kNetwork;
  std::optional<Geometry> geometry;            ///< set: replaces the network's own
  std::optional<Interpolation> interpolation;  ///< of the image; set: replaces the network's own
  LabelInterpolation label_interpolation = LabelInterpolation::kNearest;
  std::int64_t label_smoothing = 0;  ///< px, see smooth_label()

  /// px, 0: none. Set: decided mask and label are brought to a square of this side, linearly as 8-bit images of 0 and 1;
  /// kIgnore becomes background.
  std::int64_t compared_at = 0;

  double empty_union = 1;  ///< what an image's IoU is whose union is empty, 0..1
  std::int64_t batch_means =
      0;  ///< 0: means over images; N: the mean of the means over N images, the last over the rest

  /// Measured unless others are asked for, by their names in metrics(). Not among the rules, and so not in the hash.
  std::vector<std::string> metrics;

  /// The network's preprocessing with the geometry and the labels' rules that the protocol prescribes.
  Preprocessing adapt(Preprocessing own) const;

  /// The label that is compared. @param adapted adapt()'s result
  cv::Mat place_label(const cv::Mat& mask, const Preprocessing& adapted) const;

  /// The prediction, or its probability (CV_32FC1), that is compared. @param decided at the network's size or the image's
  cv::Mat place_prediction(const cv::Mat& decided) const;

  /// Mean over images in the list's order, those without a value (not a number) left out; not a number if none has one.
  /// With batch_means = 0 the order changes no bit of it.
  double mean(const std::vector<double>& values) const;

  /// @param classes of the network; a single channel decides between two
  /// @throws UserError if the protocol cannot count so many.
  void check_classes(std::int64_t classes) const;

  /// Every rule above, but not the name, as one line of JSON; the hash is the SHA-256 of it.
  std::string description() const;
  std::string hash() const;
};

/// The sum of the numbers, which does not depend on their order.
double sum_in_any_order(std::vector<double> numbers);

using ProtocolRegistry = Registry<Protocol>;

/// clova        clova etc/help_function.py val_edge: squash to the network's size, decide there; mean over images.
/// clova_batch  the same with the mean of batch means that its code prints, over 36 images each.
/// native       logits up-sampled to each image's own size, the mask untouched; mean over images.
/// portraitnet  PortraitNet myTrain/train.py test: image and mask letterboxed (bars count as background), both resized by
///              cubic interpolation, the mask then smoothed by 5 x 5; mean over images.
/// portraitnet_unsmoothed   the same, but the mask is not smoothed.
/// paddleseg    PaddleSeg's of its PortraitNet (paddleseg/datasets/eg1800.py): as portraitnet, but both classes' IoU of the whole
///              list. Its bars are 127, ours 128.
/// easyportrait EasyPortrait's of its two classes, and mmsegmentation's: as native, but both classes' IoU of the whole list.
/// deepixel     Deepixel's compute_seg_metrics.py: as native, then prediction and mask as 0 and 1 resized linearly to 256 x 256;
///              an empty union counts 0.
/// mmseg        mmsegmentation's for any number of classes, Cityscapes' and face parsing's: as native, but each class's pixels
///              are summed over the list, and a class without a pixel in label and prediction is left out of the mean.
/// For all: argmax, or logit > 0 of a single channel; label 255 ignored; `miou` is the mean class IoU of the summed counts.
/// For all but mmseg: two classes, 1 is foreground. For all but mmseg and deepixel: an empty union counts 1.
const ProtocolRegistry& protocols();

/// One of them by its name; "clova_batch:40" sets the number of images. @throws UserError
Protocol protocol_of(const std::string& text);

}  // namespace portraitseg
