#include "portraitseg/data/datasets.h"

#include "portraitseg/data/eg1800.h"
#include "portraitseg/data/folders.h"

namespace portraitseg {
namespace {

const Names<OnError> kOnError = {{"fail", OnError::kFail}, {"skip", OnError::kSkip}};

}  // namespace

const DatasetRegistry& datasets() {
  static const DatasetRegistry registry = DatasetRegistry("data set")
                                              .add("folders", std::make_shared<FoldersOptions>)
                                              .add("eg1800", std::make_shared<Eg1800Options>);
  return registry;
}

void DataConfig::fields(Fields& f) {
  Selection::fields(f);
  f("train_list", train_list, "a path, or a file name below root");
  f("val_list", val_list, "a path, or a file name below root");
  f.choice("on_error", on_error, kOnError, "an unusable image stops the run, or is left out and reported");
  f("workers", workers, "threads that read and augment images; results do not depend on it", {0, 256});
}

}  // namespace portraitseg
