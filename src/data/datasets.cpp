#include "portraitseg/data/datasets.h"

#include "portraitseg/data/aisegment.h"
#include "portraitseg/data/backgrounds.h"
#include "portraitseg/data/cityscapes.h"
#include "portraitseg/data/easyportrait.h"
#include "portraitseg/data/eg1800.h"
#include "portraitseg/data/folders.h"
#include "portraitseg/data/image_list.h"
#include "portraitseg/data/mixture.h"
#include "portraitseg/data/p3m.h"
#include "portraitseg/data/supervisely.h"
#include "portraitseg/data/supervisely_face.h"

namespace portraitseg {
namespace {

const Names<OnError> kOnError = {{"fail", OnError::kFail}, {"skip", OnError::kSkip}};

}  // namespace

const DatasetRegistry& datasets() {
  static const DatasetRegistry registry =
      DatasetRegistry("data set")
          .add("folders", std::make_shared<FoldersOptions>)
          .add("image_list", std::make_shared<ImageListOptions>)
          .add("eg1800", std::make_shared<Eg1800Options>)
          .add("supervisely", std::make_shared<SuperviselyOptions>)
          .add("supervisely_face", std::make_shared<SuperviselyFaceOptions>)
          .add("easyportrait", std::make_shared<EasyPortraitOptions>)
          .add("aisegment", std::make_shared<AiSegmentOptions>)
          .add("p3m", std::make_shared<P3mOptions>)
          .add("cityscapes", std::make_shared<CityscapesOptions>)
          .add("backgrounds", std::make_shared<BackgroundsOptions>)
          .add("mixture", std::make_shared<MixtureOptions>);
  return registry;
}

void DataConfig::fields(Fields& f) {
  Selection::fields(f, {"root"});
  f("train_list", train_list, "a path, a file name below root, or the name of a split");
  f("val_list", val_list, "a path, a file name below root, or the name of a split");
  f.choice("on_error", on_error, kOnError, "an unusable image stops the run, or is left out and reported");
  f("workers", workers, "threads that read and augment images; results do not depend on it", {0, 256});
  f.group("cache", cache, "of the training images in memory");
}

}  // namespace portraitseg
