#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "portraitseg/data/dataset.h"
#include "portraitseg/data/mask_encoding.h"

namespace portraitseg {

/// Where one image and its mask lie.
struct ImagePair {
  std::string id;
  std::filesystem::path image;
  std::filesystem::path mask;
};

/// Images and masks in files of their own. The masks' encoding (0/1, 0/200, 0/255 ...) is recognised from a sample of
/// them, and every mask that is read must then fit it.
class PairedDataset : public Dataset {
 public:
  /// @throws DataError as DatasetOptions::open says; `list` names the set in messages and is hashed.
  PairedDataset(std::vector<ImagePair> pairs, const std::filesystem::path& list, OnError on_error);

  std::int64_t size() const override { return static_cast<std::int64_t>(pairs_.size()); }
  Sample get(std::int64_t index) const override;

 private:
  void drop_incomplete(OnError on_error);
  MaskEncoding recognise_encoding(OnError on_error) const;

  std::vector<ImagePair> pairs_;
  std::optional<MaskEncoding> encoding_;
};

/// Where a list lies: a bare file name is looked for in `root` first, a path as it is given first.
/// @throws DataError if there is neither.
std::filesystem::path find_list(const std::string& list, const std::filesystem::path& root);

}  // namespace portraitseg
