#include "portraitseg/core/version.h"

#include <opencv2/core/version.hpp>
#include <torch/version.h>

namespace portraitseg {

std::string version() {
  return PORTRAITSEG_VERSION;
}

std::map<std::string, std::string> versions() {
  return {{"portraitseg", PORTRAITSEG_VERSION},
          {"commit", PORTRAITSEG_COMMIT},
          {"libtorch", TORCH_VERSION},
          {"opencv", CV_VERSION},
          {"compiler", __VERSION__}};
}

}  // namespace portraitseg
