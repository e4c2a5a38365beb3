#pragma once

namespace portraitseg {

/// The record of a zip archive that holds our metadata as JSON; Python does not look at it.
constexpr const char* kTorchMetadata = "portraitseg/metadata.json";

}  // namespace portraitseg
