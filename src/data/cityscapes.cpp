#include "portraitseg/data/cityscapes.h"

#include <array>
#include <utility>

#include "portraitseg/core/file.h"
#include "portraitseg/data/image_file.h"
#include "portraitseg/data/paired_dataset.h"

#include "file_search.h"

namespace portraitseg {
namespace {

namespace fs = std::filesystem;
using Task = CityscapesOptions::Task;

const Names<Task> kTasks = {{"train_ids", Task::kTrainIds}, {"person", Task::kPerson}};

constexpr std::size_t kIds = 34;
constexpr std::size_t kPersonId = 24, kRiderId = 25;

/// The label id of each train id: road, sidewalk, building, wall, fence, pole, traffic light, traffic sign, vegetation,
/// terrain, sky, person, rider, car, truck, bus, train, motorcycle, bicycle.
constexpr std::array<std::size_t, 19> kLabelIds = {7,  8,  11, 12, 13, 17, 19, 20, 21, 22,
                                                   23, 24, 25, 26, 27, 28, 31, 32, 33};

ValueMeanings meanings_of(Task task) {
  ValueMeanings meanings{};
  meanings.fill(kMeaningless);
  for (std::size_t id = 0; id < kIds; ++id) meanings[id] = kIgnore;
  meanings[kIgnore] = kIgnore;
  for (std::size_t train_id = 0; train_id < kLabelIds.size(); ++train_id) {
    const std::size_t id = kLabelIds[train_id];
    const bool person = id == kPersonId || id == kRiderId;
    meanings[id] = static_cast<std::uint8_t>(task == Task::kTrainIds ? train_id : person ? 1 : 0);
  }
  return meanings;
}

constexpr const char* kImageEnd = "_leftImg8bit.png";

/// @param image SPLIT/CITY/NAME_leftImg8bit.png
ImagePair find_pair(const fs::path& root, const std::string& image, const fs::path& list) {
  const std::string end = kImageEnd;
  if (image.size() <= end.size() || image.compare(image.size() - end.size(), end.size(), end) != 0)
    throw DataError(list, "'" + image + "' does not end in " + end);
  const std::string id = image.substr(0, image.size() - end.size());
  return {id,
          root / "leftImg8bit" / image,
          root / "gtFine" / (id + "_gtFine_labelIds.png"),
          {{"city", fs::path(id).parent_path().filename().string()}}};
}

}  // namespace

void CityscapesOptions::fields(Fields& f) {
  f("root", root, "the folder that holds leftImg8bit/ and gtFine/");
  f.choice("task", task, kTasks, "which classes the label ids become");
}

std::unique_ptr<Dataset> CityscapesOptions::open(const std::string& list, OnError on_error) const {
  const fs::path folder = data_root(root, "Cityscapes");
  fs::path list_path = list;
  std::vector<ImagePair> pairs;
  if (!list.empty() && fs::is_directory(folder / "leftImg8bit" / list)) {
    for (const auto& file : images_matching(folder / "leftImg8bit" / list, std::string("*/*") + kImageEnd)) {
      pairs.push_back(find_pair(folder, list / file, list));
    }
  } else {
    list_path = find_list(list, folder);
    for (const auto& line : read_lines(list_path)) {
      pairs.push_back(find_pair(folder, strip_folder(line, "leftImg8bit"), list_path));
    }
  }
  return std::make_unique<PairedDataset>(
      std::move(pairs), list_path, on_error, [meanings = meanings_of(task)](const fs::path& path, cv::Size) {
        return decode_values(read_mask_values(path), meanings, "0..33", path);
      });
}

}  // namespace portraitseg
