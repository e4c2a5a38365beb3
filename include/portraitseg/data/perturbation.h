#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "portraitseg/core/steps.h"
#include "portraitseg/data/sample.h"

namespace portraitseg {

/// What is done to the images of an evaluation before a network sees them: how robust is it? Steps, applied in the order in
/// which they are written, each at most once. All units are those of the image's own size.
///
/// rotate:A      about the centre by an angle drawn from -A..A degrees, at the same size. The image bilinear, the mask nearest;
///               outside is background and a grey level, 128 unless given: so do the training augmentation (augment()) and the
///               letterbox.
/// texture       PortraitNet's texture augmentation (augment() without deformation and flip): colour, brightness, contrast and
///               sharpness, then blur, then noise, each of the three with probability 0.5.
/// brightness:F  every pixel times F, clipped (enhance_brightness()).
/// jpeg:Q        written and read again as a JPEG of quality Q.
/// blur:S        Gaussian of a sigma of S pixels.
/// noise:S       Gaussian with a sigma of S grey levels, clipped.
/// border:L      sets the grey level outside of what is rotated.
/// seed:N        sets the seed of the draws; 0 unless given.
///
/// Draws   are keyed by the seed, the sample's id and the step: whatever the order of the images, the number of threads and
///         the other steps, the image is the same. The angle is A times one draw, so that 25 and 90 degrees turn an image
///         to the same side.
/// Source  rotate: Park et al. 2020, "SINet", Table 4 (25, 45, 75 and 90 degrees), which says neither what is outside nor at
///         which size; its released code has nothing of it. It matters: networks that were trained with grey outside know
///         it, and lose far more to black. Background outside, or left out of the figures, is the same to 0.1. texture: Zhang et al. 2019, "PortraitNet", Table 3, which does
///         not say how often each step is applied: here as in training. It was applied at the network's 224 x 224, where
///         the same blur and noise are stronger than at a larger image's own size.
class Perturbation {
 public:
  Perturbation() = default;  ///< none

  /// @param text "none", or steps as above with commas between: "rotate:45,jpeg:30"
  /// @throws UserError, one line: parse_steps()'s, or that border and seed change nothing where no step is.
  static Perturbation parse(const std::string& text);

  bool empty() const { return steps_.empty(); }
  std::string name() const;  ///< "rotate:45+jpeg:30"; empty: none

  /// @param sample any; its id keys the draws
  Sample apply(Sample sample) const;

 private:
  static constexpr int kTrainingBorder = 128;  ///< AffineOptions::border

  std::vector<Step> steps_;  ///< without border and seed
  int border_ = kTrainingBorder;
  std::uint64_t seed_ = 0;
};

}  // namespace portraitseg
