#pragma once

#include <cstddef>
#include <vector>

namespace portraitseg {

/// Indices of images.
struct ChosenImages {
  std::vector<std::size_t> worst;  ///< with the lowest mean over the results, lowest first
  std::vector<std::size_t>
      differing;  ///< whose highest and lowest result lie furthest apart; none of a single result
  std::vector<std::size_t> best;  ///< with the highest mean, highest first, but for those above
};

/// Which images a reader is shown. Of equal ones those that come first.
/// @param figures of each result, one an image, the higher the better; an image is left out if one is not a number
/// @param count of each choice, at most
ChosenImages choose_images(const std::vector<std::vector<double>>& figures, std::size_t count);

}  // namespace portraitseg
