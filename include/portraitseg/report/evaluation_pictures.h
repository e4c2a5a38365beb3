#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "portraitseg/report/chosen_images.h"
#include "portraitseg/report/error_map.h"
#include "portraitseg/report/evaluated_images.h"

namespace portraitseg {

/// A JPEG file's bytes.
struct Thumbnail {
  std::string jpeg;
  int height = 0, width = 0;
};

/// One image and what each result made of it.
struct PictureRow {
  std::size_t image = 0;  ///< index of EvaluationResult::ids
  Thumbnail labelled;     ///< with the label's outline
  std::vector<Thumbnail>
      predictions;  ///< by result: agreed, missed and wrong portrait, see overlay(), in the label's outline
};

/// All that a page shows of the images themselves.
struct EvaluationPictures {
  std::string missing;           ///< why there are none; empty: there are
  bool classes = false;          ///< predictions are tinted by class_overlay(), see Protocol::Counting
  std::vector<ErrorMap> errors;  ///< by result, over all images
  std::vector<PictureRow> worst, differing, best;
};

/// @param longest px of a thumbnail's longer side
PictureRow picture_row(std::size_t image, const std::vector<EvaluatedView>& views, bool classes, int longest);

/// Reads every image once. An image that cannot be used leaves the page without pictures.
/// @param workers threads that read  @param progress may be empty
EvaluationPictures evaluation_pictures(
    const std::vector<EvaluationResult>& results, const ChosenImages& chosen, std::int64_t workers,
    const std::function<void(std::int64_t done, std::int64_t total)>& progress);

}  // namespace portraitseg
