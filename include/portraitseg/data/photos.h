#pragma once

#include <memory>
#include <string>

#include "portraitseg/data/dataset.h"
#include "portraitseg/data/scan.h"

namespace portraitseg {

/// Photos without masks: those in a folder and below it, or those that fit a shell pattern ("web/*.jpg"; a * does not
/// reach over a slash, and nothing above the first * is a pattern). Their masks are all 0.
///
/// A folder that is there is a folder, whatever its name. ids: the path below the folder, without extension unless another
/// photo has the same without; order: the bytes of the names. list: what was given, absolute.
/// @throws DataError for a folder that is not there, where there is no image, and for a name that is not UTF-8 or that
///         convert() does not take (OnError::kFail); kSkip lists the photo in `skipped`.
std::unique_ptr<Dataset> open_photos(const std::string& folder_or_pattern, OnError on_error);

/// The photos that can be read, for which all are.
/// @throws DataError for the first that cannot be read (OnError::kFail), or if none can; kSkip lists it in `skipped`.
std::shared_ptr<const Dataset> readable_photos(const std::shared_ptr<const Dataset>& photos,
                                               const ScanOptions& options, OnError on_error);

}  // namespace portraitseg
