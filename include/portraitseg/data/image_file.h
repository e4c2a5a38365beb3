#pragma once

#include <filesystem>
#include <string>

#include <opencv2/core/mat.hpp>

namespace portraitseg {

/// Files that are read: JPEG, PNG, BMP, WebP, TIFF (the first page), told by their first bytes and not by their names.
///
/// Refused rather than read in part: truncated files, damaged ones as far as the format shows it, headers that announce
/// more than 2^27 pixels (134 million; a photo of 12000x9000 passes) before a byte is allocated for them. Bytes behind
/// the image's end are passed over.
///
/// A JPEG without its end marker counts as truncated.
///
/// Images and masks are turned upright by the EXIF orientation of their own file (JPEG, PNG; a TIFF by OpenCV, which says
/// nothing of it; that of a WebP is not read). A mask without one therefore has to
/// be drawn on the upright image. One that was drawn on the image as it is stored differs in size if the image is turned
/// by 90 degrees, and is refused; if it is square, mirrored or upside down, no size tells, and `dataset verify` remarks
/// on each image that was turned.

struct StoredImage {
  cv::Mat bgr;      ///< H x W, CV_8UC3, upright
  int channels;     ///< of the file, without alpha: 1 (grey, expanded in `bgr`) or 3
  int orientation;  ///< EXIF's, 1..8; it is applied
};

/// The pixels are those of cv::imread(path, IMREAD_COLOR): 16 bits lose the lower 8, alpha is dropped. CMYK becomes
/// BGR without a profile (within one level of cv::imread's).
/// @throws DataError for a file that is missing, empty, truncated, damaged, too large or no image.
StoredImage read_stored_image(const std::filesystem::path& path);

/// The image alone: H x W, CV_8UC3, BGR. @throws DataError as read_stored_image().
cv::Mat read_image(const std::filesystem::path& path);

/// The mask's values as they are stored: H x W, CV_8UC1.
///
/// 16-bit files keep their values if these fit 8 bits; 1-bit files give 0 and 255. Alpha is dropped; three channels
/// that are equal count as one. A PNG with a palette gives its grey levels if all of its colours are grey, else the
/// palette's indices: the colours of an index mask are for the eye only.
/// @throws DataError as read_stored_image(), for values above 255, for a mask in colours, whose grey levels mean
///   nothing, and for one that is black but for its alpha channel.
cv::Mat read_mask_values(const std::filesystem::path& path);

/// The alpha channel as it is stored: H x W, CV_8UC1.
/// @throws DataError as read_stored_image(), and for a file without 8-bit alpha.
cv::Mat read_alpha(const std::filesystem::path& path);

/// An image that lies in memory, all of its channels as they are stored. @param path names it in messages.
/// @throws DataError as read_stored_image().
cv::Mat decode_image(const std::string& bytes, const std::filesystem::path& path);

}  // namespace portraitseg
