#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "portraitseg/data/dataset_list.h"
#include "portraitseg/data/scan.h"

namespace portraitseg {

enum class Severity {
  kError,   ///< a training or a figure would be wrong
  kRemark,  ///< may be meant
};

enum class Problem {
  kLeftOut,        ///< error: left out when the list was opened, as image or mask is missing
  kUnusable,       ///< error: cannot be read, or the mask has an unknown value
  kMaskSize,       ///< error: the mask is not as large as its image
  kLeakage,        ///< error: the id or the pixels are in another list, too
  kEmptyMask,      ///< remark: no foreground
  kAllForeground,  ///< remark: no background
  kTurned,         ///< remark: EXIF turns the image; a mask drawn on the file's pixels would not fit
  kGreyFile,       ///< remark: the file has one channel
  kGrey,           ///< remark: the file has three channels, but B = G = R in every pixel
  kDuplicate,      ///< remark: the same pixels under another id of the list
};
std::string problem_name(Problem problem);  ///< "left_out", "leakage" ...
Severity severity(Problem problem);

struct Finding {
  Problem problem;
  std::string list;    ///< its name
  std::string id;      ///< empty for kLeftOut; `detail` names the file
  std::string detail;  ///< one line
};

/// (height, width) -> how many
using SizeCounts = std::map<std::pair<int, int>, std::int64_t>;

struct ListReport {
  std::string name;
  std::filesystem::path list;
  std::string list_sha256;
  std::int64_t images = 0;  ///< that can be used
  std::int64_t unusable =
      0;  ///< that cannot, a mask of another size included, or were left out when the list was opened
  SizeCounts sizes;
};

struct DatasetReport {
  std::vector<ListReport> lists;
  std::int64_t distinct_images = 0;  ///< by their pixels, over all lists
  std::vector<Finding> findings;     ///< errors first, then by problem and in the order of the lists

  std::int64_t count(Severity severity) const;
};

/// Looks at every image and mask of the lists once: can it be used, is it twice in a list or in two lists?
///
/// Pixels are compared as they are decoded, by SHA-256: a file that was renamed or packed anew is found, one that was
/// scaled or compressed anew is not. Masks do not count, but a duplicate with another mask says so.
/// Open the lists with OnError::kSkip: with kFail the first missing file ends it all.
/// Memory: about 300 bytes an image.
DatasetReport verify(const std::vector<DatasetList>& lists, const ScanOptions& options);

}  // namespace portraitseg
