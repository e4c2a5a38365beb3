#pragma once

#include "portraitseg/data/dataset.h"

namespace portraitseg {

/// Cityscapes (Cordts et al. 2016, "The Cityscapes Dataset for Semantic Urban Scene Understanding"), fine annotations:
///   leftImg8bit/SPLIT/CITY/NAME_leftImg8bit.png  + gtFine/SPLIT/CITY/NAME_gtFine_labelIds.png, ids 0..33
///
///   train_ids  19 classes in the order of cityscapesScripts' labels.py (road 0 ... bicycle 18); the other ids are ignored
///   person     person (24) and rider (25) are 1, the other 17 classes 0; ids without a train id are ignored
///
/// list: the name of a split, or a list file with "SPLIT/CITY/NAME_leftImg8bit.png" a line, with or without leftImg8bit/
/// before it. ids: "SPLIT/CITY/NAME". attributes: city. Ids above 33 are refused, but for 255 (-1, licence plate).
struct CityscapesOptions : DatasetOptions {
  enum class Task { kTrainIds, kPerson };

  Task task = Task::kTrainIds;

  void fields(Fields& f) override;
  std::unique_ptr<Dataset> open(const std::string& list, OnError on_error) const override;
};

}  // namespace portraitseg
