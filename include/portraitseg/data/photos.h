#pragma once

#include <memory>
#include <string>

#include "portraitseg/data/dataset.h"

namespace portraitseg {

/// Photos without masks: those in a folder and below it, or those that fit a shell pattern ("web/*.jpg"; a * does not
/// reach over a slash, and nothing above the first * is a pattern). Their masks are all 0.
///
/// ids: the path below the folder, without extension; order: the bytes of the names.
/// @throws DataError for a folder that is not there and where there is no image.
std::unique_ptr<Dataset> open_photos(const std::string& folder_or_pattern, OnError on_error);

}  // namespace portraitseg
