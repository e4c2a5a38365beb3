#include "portraitseg/models/model.h"

#include "portraitseg/core/error.h"

namespace portraitseg {

const torch::Tensor& SegmentationOutput::at(const std::string& name) const {
  std::string known;
  for (const auto& [head, logits] :
       {std::pair("mask", &mask), {"boundary", &boundary}, {"coarse", &coarse}}) {
    if (!logits->defined()) continue;
    if (name == head) return *logits;
    known += (known.empty() ? "" : ", ") + std::string(head);
  }
  throw UserError("the network has no output '" + name + "'; known: " + known);
}

void SegmentationModel::check_input(const torch::Tensor& image) const {
  const std::int64_t multiple = size_multiple();
  const std::int64_t height = image.size(2), width = image.size(3);
  if (height > 0 && width > 0 && height % multiple == 0 && width % multiple == 0) return;
  const auto fit = [&](std::int64_t size) { return std::to_string((size / multiple + 1) * multiple); };
  throw UserError("input size " + std::to_string(height) + "x" + std::to_string(width) +
                  ": height and width must be multiples of " + std::to_string(multiple) +
                  "; the next that fits is " + (height % multiple ? fit(height) : std::to_string(height)) +
                  "x" + (width % multiple ? fit(width) : std::to_string(width)));
}

}  // namespace portraitseg
