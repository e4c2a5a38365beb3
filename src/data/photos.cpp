#include "portraitseg/data/photos.h"

#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "portraitseg/core/error.h"
#include "portraitseg/core/file.h"
#include "portraitseg/core/text.h"
#include "portraitseg/data/convert.h"
#include "portraitseg/data/paired_dataset.h"

#include "file_search.h"

namespace portraitseg {
namespace {

namespace fs = std::filesystem;

struct Place {
  fs::path folder, pattern;  ///< no pattern: all that is below the folder
};

/// A folder that is there may be called like a pattern.
Place place_of(const std::string& folder_or_pattern) {
  Place place;
  std::error_code error;
  for (const auto& part : fs::path(folder_or_pattern)) {
    const bool above =
        place.pattern.empty() && (!is_pattern(part.string()) || fs::is_directory(place.folder / part, error));
    (above ? place.folder : place.pattern) /= part;
  }
  if (place.folder.empty()) place.folder = ".";
  return place;
}

/// Why no page and no list can name the photo, or nothing.
std::optional<DataError> refusal(const std::string& id, const fs::path& file) {
  if (!is_utf8(id)) return DataError(file, "the name is not UTF-8; rename the photo");
  if (!is_file_id(id))
    return DataError(file, "the name begins with a blank or has more than one line; rename the photo");
  return std::nullopt;
}

/// The paths without extension, with it where that is not the one photo's alone.
std::vector<std::string> ids_of(const std::vector<fs::path>& files) {
  std::map<std::string, int> taken;
  for (const auto& file : files) {
    ++taken[file.string()];
    ++taken[without_image_extension(file.string())];
  }
  std::vector<std::string> ids;
  for (const auto& file : files) {
    const std::string stem = without_image_extension(file.string());
    ids.push_back(taken[stem] == 1 ? stem : file.string());
  }
  return ids;
}

/// Those of another data set that are named.
class Subset final : public Dataset {
 public:
  Subset(std::shared_ptr<const Dataset> all, std::vector<std::int64_t> indices,
         std::vector<std::string> left_out)
      : all_(std::move(all)), indices_(std::move(indices)) {
    list = all_->list;
    skipped = std::move(left_out);
    std::string lines;
    for (std::int64_t i = 0; i < size(); ++i) lines += id(i) + "\n";
    list_sha256 = sha256(lines);
  }
  std::int64_t size() const override { return static_cast<std::int64_t>(indices_.size()); }
  Sample get(std::int64_t index) const override {
    return all_->get(indices_[static_cast<std::size_t>(index)]);
  }
  std::string id(std::int64_t index) const override {
    return all_->id(indices_[static_cast<std::size_t>(index)]);
  }

 private:
  const std::shared_ptr<const Dataset> all_;
  const std::vector<std::int64_t> indices_;
};

}  // namespace

std::unique_ptr<Dataset> open_photos(const std::string& folder_or_pattern, OnError on_error) {
  const auto [folder, pattern] = place_of(folder_or_pattern);
  std::error_code error;
  if (!fs::is_directory(folder, error)) throw DataError(folder, "no such folder of photos");
  const std::vector<fs::path> files =
      pattern.empty() ? images_below(folder) : images_matching(folder, pattern.string());
  if (files.empty()) throw DataError(folder, "no image in it or below it");
  const std::vector<std::string> ids = ids_of(files);
  std::vector<ImagePair> photos;
  std::vector<std::string> skipped;
  for (std::size_t i = 0; i < files.size(); ++i) {
    const std::optional<DataError> reason = refusal(ids[i], folder / files[i]);
    if (reason && on_error == OnError::kFail) throw *reason;
    if (reason) {
      skipped.emplace_back(reason->what());
    } else {
      photos.push_back({ids[i], folder / files[i], ""});
    }
  }
  if (photos.empty()) throw DataError(folder, "no photo in it can be used; the first: " + skipped.front());
  auto dataset = std::make_unique<PairedDataset>(
      std::move(photos), "all", on_error,
      [](const fs::path&, cv::Size size) { return cv::Mat(cv::Mat::zeros(size, CV_8U)); });
  dataset->skipped.insert(dataset->skipped.begin(), skipped.begin(), skipped.end());
  dataset->list = fs::absolute(folder_or_pattern);
  return dataset;
}

std::shared_ptr<const Dataset> readable_photos(const std::shared_ptr<const Dataset>& photos,
                                               const ScanOptions& options, OnError on_error) {
  std::vector<std::int64_t> indices;
  std::vector<std::string> skipped = photos->skipped;
  std::int64_t index = 0;
  scan(
      *photos, options, [](const Sample&) { return true; }, [&](bool) { indices.push_back(index++); },
      [&](const std::string&, const DataError& error) {
        if (on_error == OnError::kFail) throw;
        skipped.emplace_back(error.what());
        ++index;
      });
  if (indices.empty())
    throw DataError(photos->list, "no photo of it can be read; the first: " + skipped.front());
  return std::make_shared<Subset>(photos, std::move(indices), std::move(skipped));
}

}  // namespace portraitseg
