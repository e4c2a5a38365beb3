#include "portraitseg/metrics/protocol.h"

#include <nlohmann/json.hpp>

#include "portraitseg/core/file.h"
#include "portraitseg/data/sample.h"

namespace portraitseg {

Preprocessing Protocol::adapt(Preprocessing own) const {
  if (geometry) own.geometry = *geometry;
  own.label_interpolation = LabelInterpolation::kNearest;
  own.label_smoothing = 0;
  return own;
}

std::string Protocol::description() const {
  nlohmann::ordered_json json;
  json["name"] = name;
  json["resolution"] = resolution == Resolution::kNetwork ? "network" : "native";
  json["geometry"] = geometry ? geometry_name(*geometry) : "of the network";
  json["foreground"] = 1;
  json["ignore"] = kIgnore;
  json["decision"] = "argmax, or logit > 0 of a single channel";
  json["empty_union"] = 1;
  json["reduction"] = "mean over images; miou: mean class IoU of summed counts";
  json["band_kernels"] = band_kernels;
  json["edge_sigmas"] = edge_sigmas;
  json["weighted_sigmas"] = weighted_sigmas;
  return json.dump();
}

std::string Protocol::hash() const {
  return sha256(description());
}

const ProtocolRegistry& protocols() {
  static const ProtocolRegistry registry = [] {
    Protocol clova;
    clova.name = "clova";
    clova.geometry = Geometry::kSquash;
    Protocol native;
    native.name = "native";
    native.resolution = Protocol::Resolution::kNative;
    return ProtocolRegistry("protocol").add(clova.name, clova).add(native.name, native);
  }();
  return registry;
}

}  // namespace portraitseg
