#include "portraitseg/data/verify.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <tuple>
#include <unordered_map>

#include "portraitseg/core/file.h"

namespace portraitseg {
namespace {

struct ProblemEntry {
  const char* name;
  Severity severity;
};

constexpr std::array<ProblemEntry, 10> kProblems = {{{"left_out", Severity::kError},
                                                     {"unusable", Severity::kError},
                                                     {"mask_size", Severity::kError},
                                                     {"leakage", Severity::kError},
                                                     {"empty_mask", Severity::kRemark},
                                                     {"all_foreground", Severity::kRemark},
                                                     {"turned", Severity::kRemark},
                                                     {"grey_file", Severity::kRemark},
                                                     {"grey", Severity::kRemark},
                                                     {"duplicate", Severity::kRemark}}};

const ProblemEntry& entry(Problem problem) {
  return kProblems.at(static_cast<std::size_t>(problem));
}

/// What stays of an image.
struct Look {
  std::string id;
  cv::Size size, mask_size;
  int channels, orientation;  ///< of the file
  bool empty, all_foreground, grey;
  std::string pixels, mask;  ///< content by size and hash
};

std::string size_text(cv::Size size) {
  return std::to_string(size.height) + "x" + std::to_string(size.width);
}

std::string content(const cv::Mat& mat) {
  const cv::Mat whole = mat.isContinuous() ? mat : mat.clone();
  return size_text(mat.size()) + ":" +
         sha256(
             std::string_view(reinterpret_cast<const char*>(whole.data), whole.total() * whole.elemSize()));
}

bool is_grey(const cv::Mat& image) {
  for (int y = 0; y < image.rows; ++y) {
    const auto* row = image.ptr<cv::Vec3b>(y);
    if (!std::all_of(row, row + image.cols, [](const cv::Vec3b& p) { return p[0] == p[1] && p[1] == p[2]; }))
      return false;
  }
  return true;
}

Look look_at(const Sample& sample) {
  bool background = false, foreground = false;
  for (int y = 0; y < sample.mask.rows; ++y) {
    const auto* row = sample.mask.ptr<std::uint8_t>(y);
    for (int x = 0; x < sample.mask.cols; ++x) {
      background = background || row[x] == 0;
      foreground = foreground || (row[x] != 0 && row[x] != kIgnore);
    }
  }
  return {sample.id,
          sample.image.size(),
          sample.mask.size(),
          sample.channels,
          sample.orientation,
          !foreground,
          foreground && !background,
          is_grey(sample.image),
          content(sample.image),
          content(sample.mask)};
}

/// The images seen so far, by id and by content; the first of a list stands for all of them.
class Index {
 public:
  /// Adds the image. @return what is wrong with it with regard to those before.
  std::vector<std::pair<Problem, std::string>> add(std::size_t list, const Look& image,
                                                   const std::vector<DatasetList>& lists) {
    std::vector<std::pair<Problem, std::string>> problems;
    auto& same_id = by_id_[image.id];
    auto& same_pixels = by_pixels_[image.pixels];
    for (const auto& other : same_id) {
      if (other.list == list) continue;
      problems.emplace_back(Problem::kLeakage,
                            "the id is in " + lists[other.list].name + ", too" +
                                (other.pixels == image.pixels ? "" : ", with other pixels"));
    }
    for (const auto& other : same_pixels) {
      const std::string mask = other.mask == image.mask ? "" : ", but has another mask";
      const bool said = std::any_of(same_id.begin(), same_id.end(), [&](const Place& place) {
        return place.list == other.list && place.pixels == image.pixels;
      });
      if (other.list == list) {
        problems.emplace_back(Problem::kDuplicate, "has the pixels of " + other.id + mask);
      } else if (!said) {
        problems.emplace_back(Problem::kLeakage,
                              "has the pixels of " + other.id + " in " + lists[other.list].name + mask);
      }
    }
    remember(same_id, {list, image.id, image.pixels, image.mask});
    remember(same_pixels, {list, image.id, image.pixels, image.mask});
    return problems;
  }

  std::int64_t distinct() const { return static_cast<std::int64_t>(by_pixels_.size()); }

 private:
  struct Place {
    std::size_t list;
    std::string id, pixels, mask;
  };

  static void remember(std::vector<Place>& places, Place place) {
    if (places.empty() || places.back().list != place.list) places.push_back(std::move(place));
  }

  std::unordered_map<std::string, std::vector<Place>> by_id_, by_pixels_;
};

}  // namespace

std::string problem_name(Problem problem) {
  return entry(problem).name;
}

Severity severity(Problem problem) {
  return entry(problem).severity;
}

std::int64_t DatasetReport::count(Severity wanted) const {
  return std::count_if(findings.begin(), findings.end(),
                       [&](const Finding& finding) { return severity(finding.problem) == wanted; });
}

DatasetReport verify(const std::vector<DatasetList>& lists, const ScanOptions& options) {
  DatasetReport report;
  Index index;
  std::int64_t total = 0, before = 0;
  for (const auto& list : lists) total += list.dataset->size();
  for (std::size_t l = 0; l < lists.size(); ++l) {
    const Dataset& dataset = *lists[l].dataset;
    ListReport own{lists[l].name, dataset.list, dataset.list_sha256, 0, 0, {}};
    const auto found = [&](Problem problem, const std::string& id, const std::string& detail) {
      report.findings.push_back({problem, own.name, id, detail});
    };
    for (const auto& reason : dataset.skipped) found(Problem::kLeftOut, "", reason);
    own.unusable = static_cast<std::int64_t>(dataset.skipped.size());

    ScanOptions scanning = options;
    if (options.progress) {
      scanning.progress = [&](std::int64_t done, std::int64_t) { options.progress(before + done, total); };
    }
    const auto take = [&](const Look& image) {
      if (image.mask_size != image.size) {
        ++own.unusable;
        found(Problem::kMaskSize, image.id,
              "the mask is " + size_text(image.mask_size) + ", its image " + size_text(image.size) +
                  " (height x width)");
        return;
      }
      ++own.images;
      ++own.sizes[{image.size.height, image.size.width}];
      if (image.empty) found(Problem::kEmptyMask, image.id, "the mask has no foreground");
      if (image.all_foreground) found(Problem::kAllForeground, image.id, "the mask has no background");
      if (image.orientation != 1) {
        found(Problem::kTurned, image.id,
              "is turned upright by its EXIF orientation " + std::to_string(image.orientation) +
                  "; see that its mask is upright, too");
      }
      if (image.channels == 1) {
        found(Problem::kGreyFile, image.id, "is stored grey, in one channel");
      } else if (image.grey) {
        found(Problem::kGrey, image.id, "is stored in colour, but B = G = R in every pixel");
      }
      for (const auto& [problem, detail] : index.add(l, image, lists)) found(problem, image.id, detail);
    };
    scan(dataset, scanning, look_at, take, [&](const std::string& id, const DataError& error) {
      ++own.unusable;
      const bool size = dynamic_cast<const MaskSizeError*>(&error) != nullptr;
      found(size ? Problem::kMaskSize : Problem::kUnusable, id, error.what());
    });
    before += dataset.size();
    report.lists.push_back(std::move(own));
  }
  report.distinct_images = index.distinct();
  std::stable_sort(report.findings.begin(), report.findings.end(), [](const Finding& a, const Finding& b) {
    return std::make_tuple(severity(a.problem), a.problem) < std::make_tuple(severity(b.problem), b.problem);
  });
  return report;
}

}  // namespace portraitseg
