#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "portraitseg/core/config.h"
#include "portraitseg/data/sample.h"

namespace portraitseg {

/// What to do with an image or mask that cannot be used.
enum class OnError {
  kFail,  ///< stop with a message that names it
  kSkip,  ///< leave it out, count it and report it
};

/// A list of images with masks. Reading is thread-safe.
class Dataset {
 public:
  virtual ~Dataset() = default;
  virtual std::int64_t size() const = 0;

  /// @throws DataError naming the file that is missing, unreadable, truncated or of the wrong size.
  virtual Sample get(std::int64_t index) const = 0;

  std::filesystem::path list;  ///< where the list lies, absolute
  std::string list_sha256;     ///< of the list's bytes: two figures compare only over the same list
  std::vector<std::string>
      skipped;  ///< entries left out when the list was opened, with the reason (OnError::kSkip)
};

/// A data set's options; the registry makes them with their defaults.
struct DatasetOptions {
  virtual ~DatasetOptions() = default;
  virtual void fields(Fields& f) = 0;

  /// @param list a path, or a file name inside the data set's folder (looked for there first).
  /// @throws DataError for a missing folder or list, an empty list, an image without mask, masks without any portrait.
  virtual std::unique_ptr<Dataset> open(const std::string& list, OnError on_error) const = 0;

  std::string root;  ///< the data set's folder
};

}  // namespace portraitseg
