#pragma once

#include <string>
#include <vector>

#include "portraitseg/engine/checkpoint.h"
#include "portraitseg/engine/evaluator.h"

namespace portraitseg {

/// metrics.csv: one line an epoch, a cell is empty where an epoch lacks a figure that another has. No times in it, so that a resumed run's file equals an uninterrupted one's.
std::string metrics_csv(const std::vector<EpochRecord>& history);

/// per_image.csv: one line an image, the integer counts first; every figure over the list derives from it. Of a protocol that
/// counts classes they are each class's, and the IoU of one without a pixel in the image is empty.
/// The last columns name protocol and list: no figure goes without them.
std::string per_image_csv(const Evaluation& evaluation);

}  // namespace portraitseg
