#include "portraitseg/models/model.h"

#include "portraitseg/core/error.h"

namespace portraitseg {

const torch::Tensor& SegmentationOutput::at(const std::string& name) const {
  if (name == "mask") return mask;
  if (name == "boundary" && boundary.defined()) return boundary;
  throw UserError("the network has no output '" + name + "'" +
                  (boundary.defined() ? "; known: mask, boundary" : "; known: mask"));
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
