#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "portraitseg/engine/checkpoint.h"
#include "portraitseg/engine/evaluator.h"

namespace portraitseg {

/// metrics.csv: one line an epoch, a cell is empty where an epoch lacks a figure that another has. No times in it, so that a resumed run's file equals an uninterrupted one's.
std::string metrics_csv(const std::vector<EpochRecord>& history);

/// Figures of a metrics.csv by the names of their columns, one value an epoch; not a number where a cell is empty. Columns of
/// text are left out; before the first epoch there are none. @throws DataError for a broken table.
std::map<std::string, std::vector<double>> read_metrics(const std::filesystem::path& path);

/// per_image.csv: one line an image. Behind id and size the metrics' columns, exact, from which every figure over the list
/// derives; then the image's own value of each figure, empty where it has none; foreground_share and brightness (ImageRow), the
/// sample's attributes as attribute.NAME; and protocol and list at last: no figure goes without them.
std::string per_image_csv(const Evaluation& evaluation);

}  // namespace portraitseg
