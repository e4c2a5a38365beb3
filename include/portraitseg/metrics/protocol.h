#pragma once

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

  std::string name;
  Resolution resolution = Resolution::kNetwork;
  std::optional<Geometry> geometry;                          ///< set: replaces the network's own
  std::vector<int> band_kernels = {5, 15};                   ///< px, of boundary_f1
  std::vector<double> edge_sigmas = {3, 5, 10, 20, 40, 80};  ///< px, of edge_iou
  std::vector<double> weighted_sigmas = {3, 5, 10};          ///< px, of weighted_iou

  /// The network's preprocessing with the geometry that the protocol prescribes; labels nearest and not smoothed.
  Preprocessing adapt(Preprocessing own) const;

  /// Every rule above as one line of JSON; the hash is the SHA-256 of it.
  std::string description() const;
  std::string hash() const;
};

using ProtocolRegistry = Registry<Protocol>;

/// clova    clova etc/help_function.py val_edge: squash to the network's size, decide there.
/// native   logits up-sampled to each image's own size, the mask untouched.
/// For both: class 1 is foreground; argmax, or logit > 0 of a single channel; label 255 ignored; an empty union
/// counts 1; per-image figures are averaged over images, `miou` is the mean class IoU of the summed counts.
const ProtocolRegistry& protocols();

}  // namespace portraitseg
