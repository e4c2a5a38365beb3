#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "portraitseg/core/registry.h"
#include "portraitseg/data/preprocessing.h"

namespace portraitseg {

/// How a figure is computed. No figure is printed or stored without its protocol's name and hash, the list's and n.
struct Protocol {
  enum class Resolution {
    kNetwork,  ///< the mask is brought to the network's size (nearest), the logits are decided there
    kNative,   ///< the logits are brought to the image's size (bilinear), the mask stays as it is
  };

  enum class Counting {
    kForeground,  ///< class 1 against the other one: PixelCounts and the boundary figures, by image
    kClasses,     ///< each class against all the others, summed over the list: ClassCounts
  };

  std::string name;
  Counting counting = Counting::kForeground;
  Resolution resolution = Resolution::kNetwork;
  std::optional<Geometry> geometry;                          ///< set: replaces the network's own
  std::vector<int> band_kernels = {5, 15};                   ///< px, of boundary_f1
  std::vector<double> edge_sigmas = {3, 5, 10, 20, 40, 80};  ///< px, of edge_iou
  std::vector<double> weighted_sigmas = {3, 5, 10};          ///< px, of weighted_iou

  /// The network's preprocessing with the geometry that the protocol prescribes; labels nearest and not smoothed.
  Preprocessing adapt(Preprocessing own) const;

  /// @param classes of the network; a single channel decides between two
  /// @throws UserError if the protocol cannot count so many.
  void check_classes(std::int64_t classes) const;

  /// Every rule above as one line of JSON; the hash is the SHA-256 of it.
  std::string description() const;
  std::string hash() const;
};

using ProtocolRegistry = Registry<Protocol>;

/// clova    clova etc/help_function.py val_edge: squash to the network's size, decide there.
/// native   logits up-sampled to each image's own size, the mask untouched.
/// mmseg    mmsegmentation's and EasyPortrait's for any number of classes: as native, but each class's pixels are summed
///          over the list, and a class without a pixel in label and prediction is left out of the mean.
/// For all: argmax, or logit > 0 of a single channel; label 255 ignored; `miou` is the mean class IoU of the summed counts.
/// For the first two: two classes, 1 is foreground; an empty union counts 1; per-image figures are averaged over images.
const ProtocolRegistry& protocols();

}  // namespace portraitseg
