#pragma once

#include <cstdint>
#include <exception>
#include <functional>
#include <optional>
#include <string>
#include <utility>

#include "portraitseg/core/error.h"
#include "portraitseg/data/dataset.h"
#include "portraitseg/data/ordered_map.h"

namespace portraitseg {

struct ScanOptions {
  std::int64_t workers = 2;  ///< threads that read images; results do not depend on it
  std::function<void(std::int64_t done, std::int64_t total)>
      progress;  ///< called after each image; may be empty
};

/// Reads every sample of a data set once. On a worker thread look(Sample) condenses it, so that no more than a few
/// images are in memory; on the caller's thread, in the list's order, take(result) gets the result, or
/// refuse(id, DataError) why the sample of this id could not be read. What look() throws is passed on.
template <class Look, class Take, class Refuse>
void scan(const Dataset& dataset, const ScanOptions& options, Look look, Take take, Refuse refuse) {
  struct Seen {
    std::optional<decltype(look(std::declval<Sample>()))> result;
    std::exception_ptr error;  ///< a DataError of whatever kind
  };
  OrderedMap<Seen> seen(dataset.size(), options.workers, 2 * options.workers, [&](std::int64_t index) {
    Sample sample;
    try {
      sample = dataset.get(index);
    } catch (const DataError&) {
      return Seen{std::nullopt, std::current_exception()};
    }
    return Seen{look(std::move(sample)), nullptr};
  });
  std::int64_t done = 0;
  while (auto next = seen.next()) {
    if (next->result) {
      take(std::move(*next->result));
    } else {
      try {
        std::rethrow_exception(next->error);
      } catch (const DataError& error) {
        refuse(dataset.id(done), error);
      }
    }
    ++done;
    if (options.progress) options.progress(done, dataset.size());
  }
}

}  // namespace portraitseg
