#pragma once

#include <cstdint>
#include <filesystem>

#include "portraitseg/engine/checkpoint.h"

namespace portraitseg {

/// What an epoch took; 0: not known, which leaves it out.
struct EpochTimes {
  double seconds = 0;  ///< with its validation
  double images_per_second = 0;
};

/// log.jsonl: {"epoch", "time", "seconds", "images_per_second", "lr", "skipped", "train_loss", "loss_terms": {...}, "validation":
/// {...}, "val_protocol", "val_list_sha256", "val_n"}, one line an epoch. `time` is its end, UTC; figures that are not
/// finite are null.
class EpochLog {
 public:
  /// Nothing is read or written yet.
  explicit EpochLog(std::filesystem::path path) : path_(std::move(path)) {}

  /// Cuts off the epochs behind `last_epoch`, and a line that a killed program left unfinished.
  /// @return the last epoch that remains; 0 if none
  /// @throws DataError if the file cannot be read or shortened.
  std::int64_t cut_behind(std::int64_t last_epoch);

  /// Adds a line. @throws DataError if it cannot be written; the file is then as it was.
  void append(const EpochRecord& record, const EpochTimes& times);

 private:
  std::filesystem::path path_;
};

}  // namespace portraitseg
