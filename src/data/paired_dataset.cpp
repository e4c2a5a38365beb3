#include "portraitseg/data/paired_dataset.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <optional>
#include <set>
#include <utility>

#include <opencv2/core.hpp>

#include "portraitseg/core/error.h"
#include "portraitseg/core/file.h"
#include "portraitseg/data/image_file.h"

namespace portraitseg {
namespace {

namespace fs = std::filesystem;

/// Masks looked at to recognise the encoding; all of them only if these show no portrait.
constexpr std::size_t kEncodingSample = 32;

std::string size_text(cv::Size size) {
  return std::to_string(size.height) + "x" + std::to_string(size.width);
}

/// Also false where the system does not take the name or lets nobody look.
bool is_file(const fs::path& path) {
  std::error_code error;
  return fs::is_regular_file(path, error);
}

/// "; did you mean X?" where the file has its extension in another case: Windows and macOS do not tell them apart.
std::string other_case(const fs::path& path) {
  for (const bool upper : {false, true}) {
    std::string extension = path.extension().string();
    for (char& c : extension) {
      const auto letter = static_cast<unsigned char>(c);
      c = static_cast<char>(upper ? std::toupper(letter) : std::tolower(letter));
    }
    const fs::path other = fs::path(path).replace_extension(extension);
    if (is_file(other)) return "; did you mean " + other.filename().string() + "?";
  }
  return "";
}

/// Why the pair cannot be used, or nothing.
std::optional<DataError> missing_file(const ImagePair& pair) {
  if (!is_file(pair.image)) return DataError(pair.image, "no such image" + other_case(pair.image));
  if (pair.mask.empty()) return std::nullopt;
  if (!is_file(pair.mask)) return DataError(pair.mask, "image without mask" + other_case(pair.mask));
  if (pair.image.lexically_normal() == pair.mask.lexically_normal())
    return DataError(pair.image, "is image and mask at once");
  return std::nullopt;
}

std::string ids_in_lines(const std::vector<ImagePair>& pairs) {
  std::string lines;
  for (const auto& pair : pairs) lines += pair.id + "\n";
  return lines;
}

struct SeenMask {
  fs::path path;
  std::array<bool, 256> values;
};

std::size_t highest_value(const std::vector<SeenMask>& masks) {
  std::size_t highest = 0;
  for (const auto& mask : masks) {
    for (std::size_t value = highest + 1; value < mask.values.size(); ++value) {
      if (mask.values[value]) highest = value;
    }
  }
  return highest;
}

/// @throws DataError naming a mask that does not fit the others.
MaskEncoding encoding_of(const std::vector<SeenMask>& masks) {
  std::array<bool, 256> seen{};
  const SeenMask *ones = nullptr, *tops = nullptr;  // the portrait is 1, or it is 255 ...
  bool both = false;                                // ... unless one has both: 255 is ignored then
  for (const auto& mask : masks) {
    const auto& own = mask.values;
    if (own[1] && !own[255]) ones = &mask;
    if (own[255] && !own[1]) tops = &mask;
    both = both || (own[1] && own[255]);
    for (std::size_t value = 0; value < own.size(); ++value) seen[value] = seen[value] || own[value];
  }
  const auto kinds = std::count(seen.begin() + 1, seen.end(), true);
  if (ones != nullptr && tops != nullptr && !both && kinds == 2) {
    throw DataError(ones->path, "marks the portrait by 1, but " + tops->path.string() +
                                    " by 255; one set needs one encoding");
  }
  try {
    return MaskEncoding::detect(seen);
  } catch (const UserError& error) {
    const std::size_t highest = highest_value(masks);
    const auto odd =
        std::find_if(masks.begin(), masks.end(), [&](const SeenMask& mask) { return mask.values[highest]; });
    throw DataError(odd->path, "has the value " + std::to_string(highest) +
                                   ", and with the set's others the " + error.what());
  }
}

/// A mask's one value beside 0; 0: it has none, or several.
std::size_t only_value(const SeenMask& mask) {
  const std::size_t highest = highest_value({mask});
  return std::count(mask.values.begin() + 1, mask.values.end(), true) == 1 ? highest : 0;
}

/// The first of those masks whose one value beside 0 occurs most often; nullptr: none has just one.
const SeenMask* most_usual(const std::vector<SeenMask>& masks) {
  std::array<std::size_t, 256> count{};
  for (const auto& mask : masks) ++count[only_value(mask)];
  count[0] = 0;
  const auto most = std::max_element(masks.begin(), masks.end(), [&](const auto& a, const auto& b) {
    return count[only_value(a)] < count[only_value(b)];
  });
  return most == masks.end() || only_value(*most) == 0 ? nullptr : &*most;
}

}  // namespace

PairedDataset::PairedDataset(std::vector<ImagePair> pairs, const fs::path& list_path, OnError on_error,
                             ReadMask read_mask, MirroredClasses mirrored_classes)
    : pairs_(std::move(pairs)),
      read_mask_(std::move(read_mask)),
      mirrored_classes_(std::move(mirrored_classes)) {
  const bool file = list_path.is_absolute();  // a split may be called as a file of the working folder is
  list = list_path;
  list_sha256 = sha256(file ? read_file(list) : ids_in_lines(pairs_));
  if (pairs_.empty()) throw DataError(list, "the list is empty");
  std::set<std::string> ids;
  for (const auto& pair : pairs_) {
    if (!ids.insert(pair.id).second) throw DataError(list, "names '" + pair.id + "' twice");
  }
  drop_incomplete(on_error);
  if (pairs_.empty())
    throw DataError(list, "no image of the list could be used; the first: " + skipped.front());
  if (read_mask_ != nullptr) {
    require_a_portrait(on_error);
    return;
  }
  read_mask_ = [encoding = recognise_encoding(on_error)](const fs::path& mask, cv::Size) {
    return encoding.decode(read_mask_values(mask), mask);
  };
}

void PairedDataset::drop_incomplete(OnError on_error) {
  std::vector<ImagePair> complete;
  for (auto& pair : pairs_) {
    const std::optional<DataError> reason = missing_file(pair);
    if (!reason) {
      complete.push_back(std::move(pair));
    } else if (on_error == OnError::kSkip) {
      skipped.emplace_back(reason->what());
    } else {
      throw *reason;
    }
  }
  pairs_ = std::move(complete);
}

MaskEncoding PairedDataset::recognise_encoding(OnError on_error) const {
  std::vector<SeenMask> masks;
  std::string unusable;
  const auto look_at = [&](std::size_t index) {
    try {
      SeenMask mask{pairs_[index].mask, {}};
      mark_values(read_mask_values(mask.path), mask.values);
      masks.push_back(mask);
    } catch (const DataError& error) {
      if (on_error == OnError::kFail) throw;  // skipped ones are counted when they are read
      if (unusable.empty()) unusable = error.what();
    }
  };
  const std::size_t step = std::max<std::size_t>(1, pairs_.size() / kEncodingSample);
  for (std::size_t i = 0; i < pairs_.size(); i += step) look_at(i);
  for (std::size_t i = 0; highest_value(masks) == 0 && i < pairs_.size(); ++i) look_at(i);
  if (highest_value(masks) == 0) refuse_all_background(unusable);
  try {
    return encoding_of(masks);
  } catch (const DataError&) {
    const SeenMask* usual = most_usual(masks);
    if (on_error == OnError::kFail || usual == nullptr) throw;
    return MaskEncoding::detect(usual->values);  // the others are refused by name when they are read
  }
}

/// Masks that are read in a known way are still refused if none shows a portrait: they are most likely of another kind.
void PairedDataset::require_a_portrait(OnError on_error) const {
  std::string unusable;
  for (std::size_t i = 0; i < pairs_.size(); ++i) {
    if (pairs_[i].mask.empty()) return;
    try {
      const cv::Mat mask = get(static_cast<std::int64_t>(i)).mask;
      if (cv::countNonZero((mask != 0) & (mask != kIgnore)) > 0) return;
    } catch (const DataError& error) {
      if (on_error == OnError::kFail) throw;  // skipped ones are counted when they are read
      if (unusable.empty()) unusable = error.what();
    }
  }
  refuse_all_background(unusable);
}

void PairedDataset::refuse_all_background(const std::string& unusable) const {
  if (!unusable.empty()) {
    throw DataError(list,
                    "no mask of the list shows a portrait; the first that could not be used: " + unusable);
  }
  throw DataError(list, "all " + std::to_string(pairs_.size()) + " masks are all background, the first is " +
                            pairs_.front().mask.string());
}

Sample PairedDataset::get(std::int64_t index) const {
  const ImagePair& pair = pairs_[static_cast<std::size_t>(index)];
  const StoredImage image = read_stored_image(pair.image);
  Sample sample{pair.id, image.bgr, read_mask_(pair.mask, image.bgr.size()), pair.attributes};
  sample.channels = image.channels;
  sample.orientation = image.orientation;
  sample.mirrored_classes = mirrored_classes_;
  const cv::Size size = sample.image.size(), mask_size = sample.mask.size();
  if (size == mask_size) return sample;
  const bool unturned = image.orientation >= 5 && mask_size == cv::Size(size.height, size.width);
  throw MaskSizeError(pair.mask,
                      "the mask is " + size_text(mask_size) + ", its image " + pair.image.string() + " " +
                          size_text(size) + " (height x width)" +
                          (unturned ? "; EXIF turns the image upright, and the mask is not turned" : ""));
}

fs::path find_list(const std::string& list, const fs::path& root) {
  // A bare name means the data set's own list, even where the working folder has one of that name.
  const bool bare = !fs::path(list).has_parent_path();
  for (const fs::path& path : {bare ? root / list : fs::path(list), bare ? fs::path(list) : root / list}) {
    if (is_file(path)) return fs::absolute(path).lexically_normal();
  }
  throw DataError(
      list, "no such list, neither here nor in " +
                (root.empty() ? std::string("the data set's folder (data.root is empty)") : root.string()));
}

}  // namespace portraitseg
