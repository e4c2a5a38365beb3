#include "nn/kernels/table.h"

namespace portraitseg::kernels::PORTRAITSEG_ISA {

template <class T>
const Kernels<T>& table() {
  static const Kernels<T> kernels = [] {
    Kernels<T> made{};
    made.instruction_set = PORTRAITSEG_ISA_NAME;
    add_convolutions(made);
    add_weight_gradient(made);
    add_depthwise(made);
    add_normalisation(made);
    add_resampling(made);
    add_elementwise(made);
    add_losses(made);
    return made;
  }();
  return kernels;
}

template const Kernels<float>& table();
template const Kernels<double>& table();

}  // namespace portraitseg::kernels::PORTRAITSEG_ISA
