#pragma once

#include <functional>
#include <string>
#include <vector>

#include "portraitseg/report/evaluation_result.h"
#include "portraitseg/report/statistics.h"

namespace portraitseg {

/// A figure of one result as what each image adds to it, so that it can be computed again over any choice of images.
struct ImageFigure {
  std::string name, title;
  std::vector<std::vector<double>>
      rows;  ///< an image's own figure, or the columns of which `whole` is made; empty: none

  /// Of the rows summed over the images; empty: the mean of the images' own figures.
  std::function<double(const std::vector<double>& sums)> whole;

  /// Not a number of no image. @param images indices of rows that are not empty
  double over(const Draw& images) const;
};

/// The figure by its definition in metrics(); one that is not there must be the mean of the images' own.
/// @throws UserError if the result has no such figure, listing those that it has, or it cannot be computed again.
ImageFigure image_figure(const EvaluationResult& result, const std::string& name);

/// What is compared where nothing is named: iou_foreground and boundary_f1_15, or else miou. @throws UserError if there is none
std::vector<std::string> default_figures(const EvaluationResult& result);

}  // namespace portraitseg
