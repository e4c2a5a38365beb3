#pragma once

#include <cstdint>
#include <filesystem>

#include "portraitseg/weights/tensor_file.h"

namespace portraitseg {

/// The factor on a loss that keeps its gradients within float16's range: it halves after gradients that are not finite,
/// and doubles after 2000 updates in a row whose gradients are. As torch.cuda.amp.GradScaler with its defaults.
class GradScaler {
 public:
  double scale() const { return scale_; }

  /// After each update, made or, because of gradients that are not finite, left out.
  void update(bool finite);

  /// Whether the scale may be why a gradient is not finite. If it has become tiny, it is not: there is another reason.
  bool may_overflow() const;

  /// Appends the state as `training.scaler.*`; load() reads it back. @throws DataError if it is not complete.
  void save(TensorFile& file) const;
  void load(const TensorFile& file, const std::filesystem::path& path);

 private:
  double scale_ = 65536;
  std::int64_t finite_updates_ = 0;  ///< since the scale changed
};

}  // namespace portraitseg
