#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <set>
#include <string>
#include <utility>
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
  std::vector<std::string> lists;    ///< their file names, in the order of the lists that were converted
  int classes = 1;                   ///< one more than the highest class in the masks
  std::set<std::pair<std::uint8_t, std::uint8_t>> mirrored_classes;  ///< of any image, see Sample
};

/// Whether convert() takes the id: it becomes a path below a folder, in one line of a list.
bool is_file_id(const std::string& id);

/// A list as convert.json has it: what was made of other lists continues an interrupted run.
struct ListOrigin {
  std::string name;  ///< of the text file
  std::filesystem::path of;
  std::string sha256;
};
ListOrigin origin_of(const DatasetList& list);

/// Makes the folder that convert() is to write. To be called before long work on the lists, whose samples it does not need.
/// @throws DataError as convert() does for the folder and for the lists' names.
void prepare_folder(const std::vector<ListOrigin>& lists, const std::filesystem::path& folder,
                    const ConvertOptions& options);

/// Writes lists of any data set in the plain layout, which the data set `folders` reads with `classes` (which knows
/// nothing of images without any portrait; `backgrounds` does):
///
///   Images/ID.png (or .jpg)   the image; OpenCV's JPEG where a quality is given
///   Labels/ID.png             class index, 255 = kIgnore
///   NAME.txt                  one file name below Images/ a line, for each list NAME.* and split NAME; of a pattern
///                             NAME is what it has between * and the like, "9" for "9*.jpg", or "all" for "*.jpg"
///   attributes.csv            id and the attributes, if there are any (RFC 4180)
///   convert.json              which lists by SHA-256, and whether the folder is complete
///
/// Each file is written as a whole or not at all. A folder that an interrupted run left is completed: images that are
/// there are not written again, nor are masks that are the same (they follow from the data set's options, too).
///
/// @throws DataError if the folder holds anything else (it is left as it is), for an image that cannot be used
///         (OnError::kFail), an id that is no path below a folder, two images of one id, two lists of one name, and
///         if a file cannot be written.
/// @throws UserError for another quality.
Conversion convert(const std::vector<DatasetList>& lists, const std::filesystem::path& folder,
                   const ConvertOptions& options);

}  // namespace portraitseg
