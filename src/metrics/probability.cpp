#include "portraitseg/metrics/probability.h"

#include <stdexcept>

#include "portraitseg/metrics/pixel_counts.h"

namespace portraitseg {

void check_probability(const MeasuredImage& image) {
  check_masks(image.prediction, image.label);
  if (image.probability.type() != CV_32FC1 || image.probability.size() != image.label.size())
    throw std::invalid_argument("the probability must be CV_32FC1 and have the label's size");
}

}  // namespace portraitseg
