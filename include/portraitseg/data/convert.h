#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "portraitseg/data/dataset_list.h"
#include "portraitseg/data/scan.h"

namespace portraitseg {

struct ConvertOptions {
  int jpeg_quality = 0;  ///< 1..100; 0: PNG, without loss
  OnError on_error = OnError::kFail;
  ScanOptions scan;
};

struct Conversion {
  std::int64_t images = 0;           ///< in the folder's lists, each image counted once
  std::int64_t written = 0;          ///< now; the others were there from an interrupted run
  std::vector<std::string> skipped;  ///< what could not be used, with the reason (OnError::kSkip)
};

/// Writes lists of any data set in the plain layout, which the data set `folders` reads:
///
///   Images/ID.png (or .jpg)   the image; OpenCV's JPEG where a quality is given
///   Labels/ID.png             class index, 255 = kIgnore
///   NAME.txt                  one file name below Images/ a line, for each list NAME.*
///   attributes.csv            id and the attributes, if there are any (RFC 4180)
///   convert.json              which lists by SHA-256, and whether the folder is complete
///
/// Each file is written as a whole or not at all. A folder that an interrupted run left is completed: images and masks
/// that are there are not written again.
///
/// @throws DataError if the folder holds anything else (it is left as it is), for an image that cannot be used
///         (OnError::kFail), an id that is no path below a folder, two images of one id, two lists of one name, and
///         if a file cannot be written.
/// @throws UserError for another quality.
Conversion convert(const std::vector<DatasetList>& lists, const std::filesystem::path& folder,
                   const ConvertOptions& options);

}  // namespace portraitseg
