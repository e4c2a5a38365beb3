#pragma once

#include <map>
#include <string>

namespace portraitseg {

/// The project's version, e.g. "0.1.0".
std::string version();

/// What a run folder records: portraitseg, git commit of the source, LibTorch, OpenCV, compiler.
std::map<std::string, std::string> versions();

}  // namespace portraitseg
