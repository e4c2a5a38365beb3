#pragma once

#include "portraitseg/data/dataset.h"

namespace portraitseg {

/// Images without people (COCO's or LIP's backgrounds, interiors ...): negatives, whose masks are all background. Meant as
/// part of a mixture; whether really nobody is in them, nobody checks.
///
/// list: "all" for the images below `root`, a shell pattern as for `folders`, or a list file with a path below root a line.
/// ids: the path without extension.
struct BackgroundsOptions : DatasetOptions {
  void fields(Fields& f) override;
  std::unique_ptr<Dataset> open(const std::string& list, OnError on_error) const override;
};

}  // namespace portraitseg
