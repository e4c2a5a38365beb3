#pragma once

#include <cstdint>
#include <filesystem>

#include "portraitseg/data/sample.h"

namespace portraitseg {

/// What write_synthetic_dataset() writes: `train` + `val` + `test` images of `height` x `width` pixels.
struct SyntheticDataset {
  std::int64_t train = 400;  ///< images 1..train
  std::int64_t val = 100;    ///< the next ones
  std::int64_t test = 100;   ///< the last ones; at most 99999 images altogether
  int height = 240;  ///< pixels, 16..2048; the default is EG1800's 4:3 at a size that trains in minutes
  int width = 180;   ///< pixels, 16..2048
  std::uint64_t seed = 1;
};

/// A drawn head-and-shoulders portrait with its exact mask, for the quick start, tests and benchmarks.
///
/// The person (skin, hair, clothes, hat, glasses) is drawn 4 x as large as the image; a pixel is portrait if
/// at least half of its 16 samples are. Nothing but the arguments decides the bytes.
///
/// id: `index` in five digits, e.g. "00007". image: height x width, CV_8UC3, BGR. mask: height x width,
/// CV_8UC1, 0 background, 1 portrait. attributes: none.
/// @param index from 1; two indices of one seed share nothing.
/// @throws UserError if the index is below 1 or a side is outside 16..2048 pixels.
Sample synthesize_portrait(std::uint64_t seed, std::int64_t index, int height, int width);

/// Writes Images/NNNNN.jpg, Labels/NNNNN.png (0 background, 255 portrait), train.txt, val.txt and test.txt (one image
/// file name a line) into `folder`, with synthetic.json, which states the options and whether it is complete.
///
/// Does nothing if the folder already holds the same set; writes it anew if that was interrupted.
/// @throws UserError for options out of range.
/// @throws DataError if the folder holds anything else (it is left as it is) or cannot be written.
void write_synthetic_dataset(const std::filesystem::path& folder, const SyntheticDataset& options);

}  // namespace portraitseg
