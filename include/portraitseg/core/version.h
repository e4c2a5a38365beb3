#pragma once

#include <map>
#include <string>

namespace portraitseg {

/// The project's version, e.g. "0.1.0".
std::string version();

/// What a run folder records: portraitseg, git commit of the source, LibTorch, OpenCV, compiler. LibTorch's is that of its
/// header, and nothing in it knows better: Debian's package 1.13.1 calls itself 1.13.0, in torch/version.h, in CMake's files
/// and in Python, as PyTorch's sources do unless the build is told the release.
std::map<std::string, std::string> versions();

}  // namespace portraitseg
