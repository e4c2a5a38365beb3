#pragma once

#include <string>
#include <vector>

#include "portraitseg/data/dataset.h"

namespace portraitseg {

/// Supervisely Person (supervise.ly, 2018), people in everyday photographs, as Supervisely exports a project:
///   dsN/img/NAME.{png,jpg}  + dsN/ann/NAME.EXT.json, or dsN/ann/NAME.json of older exports
///
/// The mask is the union of the annotation's objects whose class is one of `classes`:
///   polygon  exterior without interior (holes, even-odd), vertices rounded to pixels, the outlines included;
///   bitmap   base64 of zlib of a PNG whose alpha is above 0 (whose value is, if it has one channel), its upper left
///            corner at origin [x, y]; what lies outside of the image is cut off.
/// Objects of `ignored_classes` are left out. A class in neither of the two, an annotation without objects and one that
/// covers no pixel are errors of that image.
///
/// list: "all", a folder "dsN", or a list file with "dsN/NAME" or "dsN/img/NAME.png" a line. ids: "dsN/NAME".
struct SuperviselyOptions : DatasetOptions {
  std::vector<std::string> classes = {"person_poly", "person_bmp", "neutral"};  ///< class titles of people
  std::vector<std::string> ignored_classes;                                     ///< class titles to leave out

  void fields(Fields& f) override;
  std::unique_ptr<Dataset> open(const std::string& list, OnError on_error) const override;
};

}  // namespace portraitseg
