#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace portraitseg {

/// A figure. Slashes in the tag group the charts: "loss/total".
struct EventScalar {
  std::string tag;
  double value = 0;  ///< kept as float32, as TensorBoard does
};

struct EventImage {
  std::string tag;
  int height = 0, width = 0;
  std::string png;  ///< the file's bytes, RGB
};

/// What TensorBoard shows at one step.
struct Event {
  double wall_time = 0;   ///< s since 1970
  std::int64_t step = 0;  ///< from 0
  std::vector<EventScalar> scalars;
  std::vector<EventImage> images;
};

/// One record of an event file: TFRecord framing around the message `Event` of TensorFlow's event.proto.
///
/// Source  tensorflow/core/lib/io/record_writer.h, core/util/event.proto, core/framework/summary.proto
std::string event_record(const Event& event);

/// The record that every event file begins with: the version of the format, "brain.Event:2".
std::string event_file_version(double wall_time);

/// CRC-32C (Castagnoli), RFC 3720 B.4.
std::uint32_t crc32c(std::string_view bytes);

/// A file that TensorBoard shows and follows while it grows. Its name has to hold "tfevents".
class EventFile {
 public:
  /// Nothing is read or written yet.
  explicit EventFile(std::filesystem::path path) : path_(std::move(path)) {}

  /// Cuts off the events behind `last_step`, and what a killed program left unfinished at the end, so that a training
  /// that does these steps again has each one once. Makes the file if there is none.
  /// @return the last step that remains; 0 if none
  /// @throws DataError if it cannot be read or written, or is no event file.
  std::int64_t cut_behind(std::int64_t last_step, double wall_time);

  /// Adds one record. @throws DataError if it cannot be written; the file is then as it was.
  void append(const Event& event);

 private:
  std::filesystem::path path_;
};

}  // namespace portraitseg
