#include "portraitseg/data/supervisely_face.h"

#include <utility>

#include "portraitseg/core/file.h"
#include "portraitseg/data/paired_dataset.h"

#include "file_search.h"

namespace portraitseg {

namespace fs = std::filesystem;

void SuperviselyFaceOptions::fields(Fields& f) {
  f("root", root, "the folder that holds Supervisely_face/");
}

std::unique_ptr<Dataset> SuperviselyFaceOptions::open(const std::string& list, OnError on_error) const {
  const fs::path folder = data_root(root, "Supervisely-face");
  const fs::path list_path = find_list(list, folder);
  std::vector<ImagePair> pairs;
  for (const auto& line : read_lines(list_path)) {
    const fs::path image = line, parent = image.parent_path();
    if (parent.filename() != "img")
      throw DataError(list_path, "'" + line + "' is no path of an image in a folder img");
    const fs::path group = parent.parent_path();
    pairs.push_back({(group / image.stem()).string(),
                     folder / image,
                     folder / group / "ann" / image.filename(),
                     {{"group", group.filename().string()}}});
  }
  return std::make_unique<PairedDataset>(std::move(pairs), list_path, on_error);
}

}  // namespace portraitseg
