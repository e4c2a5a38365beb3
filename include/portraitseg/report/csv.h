#pragma once

#include <string>
#include <vector>

#include "portraitseg/engine/checkpoint.h"
#include "portraitseg/engine/evaluator.h"

namespace portraitseg {

/// metrics.csv: one line an epoch, a cell is empty where an epoch lacks a figure that another has. No times in it, so that a resumed run's file equals an uninterrupted one's.
std::string metrics_csv(const std::vector<EpochRecord>& history);

/// per_image.csv: one line an image. Behind id and size the metrics' columns, exact, from which every figure over the list
/// derives; then the image's own value of each figure, empty where it has none; foreground_share and brightness (ImageRow), the
/// sample's attributes as attribute.NAME; and protocol and list at last: no figure goes without them.
std::string per_image_csv(const Evaluation& evaluation);

}  // namespace portraitseg
