#pragma once

#include <torch/types.h>

namespace portraitseg {

/// The gradient of the Jaccard loss's Lovasz extension, Berman et al. 2018, Algorithm 1: by how much 1 - IoU grows with each further
/// error. @param truth [P], 1 or 0, in the order of falling errors   @return [P]
torch::Tensor lovasz_gradient(const torch::Tensor& truth);

}  // namespace portraitseg
