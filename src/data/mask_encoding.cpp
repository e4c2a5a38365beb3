#include "portraitseg/data/mask_encoding.h"

#include <utility>
#include <vector>

#include <opencv2/core.hpp>

#include "portraitseg/core/error.h"
#include "portraitseg/data/sample.h"

namespace portraitseg {
namespace {

constexpr std::size_t kSmallestGreyMaximum =
    128;  // below, many values are class indices rather than grey levels

std::string list(const std::vector<std::size_t>& values) {
  constexpr std::size_t kShown = 10;
  std::string text;
  for (std::size_t i = 0; i < values.size() && i < kShown; ++i) {
    text += (i == 0 ? "" : ", ") + std::to_string(values[i]);
  }
  return values.size() > kShown ? text + " ... " + std::to_string(values.back()) : text;
}

}  // namespace

MaskEncoding::MaskEncoding(std::string name, const ValueMeanings& meaning)
    : name_(std::move(name)), meaning_(meaning) {}

MaskEncoding MaskEncoding::detect(const std::array<bool, 256>& seen) {
  std::vector<std::size_t> values;  // except 0, which every encoding has
  for (std::size_t value = 1; value < seen.size(); ++value) {
    if (seen[value]) values.push_back(value);
  }
  ValueMeanings meaning{};
  meaning.fill(kMeaningless);
  meaning[0] = 0;
  if (values.empty()) {
    MaskEncoding none("all background", meaning);
    none.all_background_ = true;
    return none;
  }
  const std::size_t maximum = values.back();
  if (values.size() == 1) {
    meaning[maximum] = 1;
    return {"0/" + std::to_string(maximum), meaning};
  }
  if (values == std::vector<std::size_t>{1, kIgnore}) {
    meaning[1] = 1;
    meaning[kIgnore] = kIgnore;
    return {"0/1/255", meaning};
  }
  if (maximum < kSmallestGreyMaximum) {
    throw UserError(
        "mask values 0, " + list(values) +
        " are none of the known encodings: 0/1, 0/1 with 255 = ignore, 0/m, grey levels up to 128 or more");
  }
  for (std::size_t value = 0; value < meaning.size(); ++value) meaning[value] = 2 * value >= maximum ? 1 : 0;
  return {"0.." + std::to_string(maximum), meaning};
}

cv::Mat MaskEncoding::decode(const cv::Mat& values, const std::filesystem::path& path) const {
  return decode_values(values, meaning_, name_, path);
}

cv::Mat decode_values(const cv::Mat& values, const ValueMeanings& meanings, const std::string& encoding,
                      const std::filesystem::path& path) {
  CV_Assert(values.type() == CV_8UC1);
  double largest = 0;
  cv::minMaxLoc(values, nullptr, &largest);
  std::size_t same = 0;  // values below it mean themselves
  while (same < meanings.size() && meanings[same] == same && same != kMeaningless) ++same;
  if (largest < static_cast<double>(same)) return values;

  cv::Mat classes;
  cv::LUT(values,
          cv::Mat(1, static_cast<int>(meanings.size()), CV_8U, const_cast<std::uint8_t*>(meanings.data())),
          classes);
  std::vector<cv::Point> wrong;
  cv::findNonZero(classes == kMeaningless, wrong);
  if (!wrong.empty()) {
    throw DataError(path, "mask value " + std::to_string(values.at<std::uint8_t>(wrong.front())) +
                              " at row " + std::to_string(wrong.front().y) + ", column " +
                              std::to_string(wrong.front().x) + " does not fit the data set's encoding (" +
                              encoding + ")");
  }
  return classes;
}

void mark_values(const cv::Mat& values, std::array<bool, 256>& seen) {
  CV_Assert(values.type() == CV_8UC1);
  for (int y = 0; y < values.rows; ++y) {
    const auto* row = values.ptr<std::uint8_t>(y);
    for (int x = 0; x < values.cols; ++x) seen[row[x]] = true;
  }
}

}  // namespace portraitseg
