#pragma once

// The kernels of one instruction set, file by file; kernels.h says what each does.

#include "nn/kernels/kernels.h"

namespace portraitseg::kernels::PORTRAITSEG_ISA {

template <class T>
void add_convolutions(Kernels<T>& table);
template <class T>
void add_weight_gradient(Kernels<T>& table);
template <class T>
void add_depthwise(Kernels<T>& table);
template <class T>
void add_normalisation(Kernels<T>& table);
template <class T>
void add_resampling(Kernels<T>& table);
template <class T>
void add_elementwise(Kernels<T>& table);
template <class T>
void add_losses(Kernels<T>& table);

}  // namespace portraitseg::kernels::PORTRAITSEG_ISA
