#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "portraitseg/core/config.h"
#include "portraitseg/core/error.h"
#include "portraitseg/data/sample.h"

namespace portraitseg {

/// What to do with an image or mask that cannot be used.
enum class OnError {
  kFail,  ///< stop with a message that names it
  kSkip,  ///< leave it out, count it and report it
};

/// A mask that is not as large as its image.
class MaskSizeError : public DataError {
 public:
  using DataError::DataError;
};

/// A list of images with masks. Reading is thread-safe.
class Dataset {
 public:
  virtual ~Dataset() = default;
  virtual std::int64_t size() const = 0;

  /// @throws DataError naming the file that is missing, unreadable, truncated or of the wrong size (MaskSizeError).
  virtual Sample get(std::int64_t index) const = 0;

  /// The id of get(index), also where the image cannot be read.
  virtual std::string id(std::int64_t index) const = 0;

  /// The list file, absolute; where there is none, the word that open() got. open() with it gives the same set again.
  std::filesystem::path list;

  /// Two figures compare only over the same list. SHA-256 of the list file's bytes; where there is none, of the ids in
  /// their order, each followed by a line feed, with those that were skipped. A mixture's says more.
  std::string list_sha256;

  std::vector<std::string>
      skipped;  ///< entries left out when the list was opened, with the reason (OnError::kSkip)
};

/// A data set's options; the registry makes them with their defaults.
struct DatasetOptions {
  virtual ~DatasetOptions() = default;
  virtual void fields(Fields& f) = 0;

  /// @param list a path, or a file name inside the data set's folder (looked for there first). A data set that is
  ///   distributed in folders takes the name of a split in its place ("train", "val", "all" ...; its header says
  ///   which); the entries are then the folder's images in the byte order of their names. A file of the same name is
  ///   reached as "./train".
  /// @throws DataError for a missing folder or list, an empty list, an image without mask, masks without any portrait.
  virtual std::unique_ptr<Dataset> open(const std::string& list, OnError on_error) const = 0;

  /// Makes root and whatever other paths there are absolute, so that the configuration of a run holds from any working
  /// folder.
  /// @throws DataError for a file that is not there.
  virtual void make_absolute();

  std::string root;  ///< the data set's folder
};

}  // namespace portraitseg
