#pragma once

#include <string>

#include "portraitseg/data/dataset.h"

namespace portraitseg {

/// EasyPortrait (Kapitanov et al. 2023, "EasyPortrait: Face Parsing and Portrait Segmentation Dataset"), v1 and v2:
///   images/{train,val,test}/NAME.jpg  + annotations/{train,val,test}/NAME.png, one channel, labels 0..8
///   0 background 1 person 2 skin 3 left brow 4 right brow 5 left eye 6 right eye 7 lips 8 teeth
///
/// The labels exclude each other: class 1 alone has a hole where the face is. Hence three tasks:
///   all           the 9 labels as they are
///   portrait      label != 0 is 1
///   face_parsing  8 classes: background (with person), skin, left brow, right brow, left eye, right eye, lips, teeth
///
/// A flip exchanges the left brow with the right one and the left eye with the right one.
///
/// list: the name of a split, or a list file with "train/NAME" or "train/NAME.jpg" a line. ids: "train/NAME".
/// Labels above 8 and masks in colours are refused.
struct EasyPortraitOptions : DatasetOptions {
  enum class Task { kAll, kPortrait, kFaceParsing };

  Task task = Task::kPortrait;

  /// The csv of the meta.zip, a path or a file name below root; empty: none. Its columns are found by name:
  /// image_name (v2) or attachment_id (v1) says which image a row is about, with or without extension; the others become
  /// attributes (user_id, brightness ...). An image without a row has none.
  std::string metadata;

  void fields(Fields& f) override;
  void make_absolute() override;
  std::unique_ptr<Dataset> open(const std::string& list, OnError on_error) const override;
};

}  // namespace portraitseg
