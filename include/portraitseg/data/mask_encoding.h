#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <string>

#include <opencv2/core/mat.hpp>

namespace portraitseg {

/// What each value of a mask file means: a class index, kIgnore, or kMeaningless.
using ValueMeanings = std::array<std::uint8_t, 256>;
constexpr std::uint8_t kMeaningless = 254;

/// H x W, CV_8UC1, the meaning of each value. @param values H x W, CV_8UC1.
/// @param encoding how the message calls the set's values, "0/1".
/// @throws DataError naming path, value and place of one without meaning.
cv::Mat decode_values(const cv::Mat& values, const ValueMeanings& meanings, const std::string& encoding,
                      const std::filesystem::path& path);

/// How the masks of one data set say "portrait". The published bodies of EG1800 alone differ in it, and a fixed
/// threshold finds no portrait at all in some of them, so the values of the whole set decide:
///
/// | values seen            | name           | portrait                  | ignored |
/// |------------------------|----------------|---------------------------|---------|
/// | 0                      | all background | -                         | -       |
/// | 0, 1                   | 0/1            | 1                         | -       |
/// | 0, 1, 255              | 0/1/255        | 1                         | 255     |
/// | 0, m (200, 255 ...)    | 0/m            | m                         | -       |
/// | others, maximum >= 128 | 0..maximum     | at least half the maximum | -       |
///
/// The last row are masks with anti-aliased or JPEG-compressed edges.
class MaskEncoding {
 public:
  /// @param seen which values occur in the set's masks, see read_mask_values().
  /// @throws UserError, listing the values, if they fit no row of the table.
  static MaskEncoding detect(const std::array<bool, 256>& seen);

  /// Class indices 0, 1 and, in the encoding 0/1/255, kIgnore.
  /// @param values H x W, CV_8UC1.
  /// @throws DataError naming path and value if a value has no meaning in this encoding.
  cv::Mat decode(const cv::Mat& values, const std::filesystem::path& path) const;

  const std::string& name() const { return name_; }

  /// Nothing but 0 was seen: the encoding is unknown, and a set of such masks is hardly meant to be used.
  bool all_background() const { return all_background_; }

 private:
  MaskEncoding(std::string name, const ValueMeanings& meaning);

  std::string name_;
  ValueMeanings meaning_;
  bool all_background_ = false;
};

/// Marks the mask's values in `seen`. @param values H x W, CV_8UC1.
void mark_values(const cv::Mat& values, std::array<bool, 256>& seen);

}  // namespace portraitseg
