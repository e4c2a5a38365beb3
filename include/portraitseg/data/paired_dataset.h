#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include <opencv2/core/types.hpp>

#include "portraitseg/data/dataset.h"
#include "portraitseg/data/mask_encoding.h"

namespace portraitseg {

/// Where one image and its mask lie.
struct ImagePair {
  std::string id;
  std::filesystem::path image;
  std::filesystem::path mask;                          ///< empty: the image has none, all of it is background
  std::map<std::string, std::string> attributes = {};  ///< the data set's metadata
};

/// How a mask file becomes class indices: H x W, CV_8UC1, class index or kIgnore. Called from several threads.
/// @param image the image's size; annotations in outlines are drawn in it.
/// @throws DataError naming the file.
using ReadMask = std::function<cv::Mat(const std::filesystem::path& mask, cv::Size image)>;

/// Images and masks in files of their own.
class PairedDataset : public Dataset {
 public:
  /// @param list the list file as find_list() gives it, or the name of a split, see Dataset::list.
  /// @param read_mask how masks are read; without it they are binary: their encoding (0/1, 0/200, 0/255 ...) is
  ///   recognised from a sample of them, and every mask that is read must then fit it. Where masks that cannot be used
  ///   are skipped and the sample fits no encoding, it is that of most of its masks.
  /// @param mirrored_classes of every sample, see Sample.
  /// @throws DataError as DatasetOptions::open says; `list` names the set in messages.
  PairedDataset(std::vector<ImagePair> pairs, const std::filesystem::path& list, OnError on_error,
                ReadMask read_mask = nullptr, MirroredClasses mirrored_classes = {});

  std::int64_t size() const override { return static_cast<std::int64_t>(pairs_.size()); }
  Sample get(std::int64_t index) const override;
  std::string id(std::int64_t index) const override { return pairs_[static_cast<std::size_t>(index)].id; }

 private:
  void drop_incomplete(OnError on_error);
  MaskEncoding recognise_encoding(OnError on_error) const;
  void require_a_portrait(OnError on_error) const;
  [[noreturn]] void refuse_all_background(const std::string& unusable) const;

  std::vector<ImagePair> pairs_;
  ReadMask read_mask_;
  MirroredClasses mirrored_classes_;
};

/// Where a list lies, absolute: a bare file name is looked for in `root` first, a path as it is given first.
/// @throws DataError if there is neither.
std::filesystem::path find_list(const std::string& list, const std::filesystem::path& root);

}  // namespace portraitseg
