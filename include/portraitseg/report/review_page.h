#pragma once

#include <string>
#include <vector>

#include <opencv2/core/mat.hpp>

#include "portraitseg/engine/pseudo_label.h"

namespace portraitseg {

/// One image to accept or reject.
struct ReviewEntry {
  std::string file;     ///< its line in a list: the file name below Images/
  std::string overlay;  ///< file beside the page that shows the mask
  LabelQuality quality;
};

/// A page (HTML, no library, no network) that shows the least confident images first, one at a time, the image beside its
/// overlay. Keys: a or right arrow accepts, r or left arrow rejects, u or backspace takes the last decision back. Decisions
/// stay in the browser's localStorage under `key`; a button saves those accepted as accepted.txt, in the entries' order, a
/// list that the data set `folders` reads.
/// @param key tells lists apart, e.g. a list's SHA-256
std::string review_page(const std::string& title, const std::string& key,
                        const std::vector<ReviewEntry>& entries);

/// The image with the portrait tinted and outlined, at most `longest` px on its longer side.
/// @param image H x W, CV_8UC3  @param mask H x W, CV_8UC1; every class but 0 and kIgnore is portrait
cv::Mat review_overlay(const cv::Mat& image, const cv::Mat& mask, int longest);

/// rejected.csv: id, the figures of LabelQuality and the reason, one line a photo that has one.
std::string rejected_csv(const std::vector<LabelledPhoto>& photos);

}  // namespace portraitseg
