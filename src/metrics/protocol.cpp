#include "portraitseg/metrics/protocol.h"

#include <nlohmann/json.hpp>

#include "portraitseg/core/error.h"
#include "portraitseg/core/file.h"
#include "portraitseg/data/sample.h"

namespace portraitseg {

Preprocessing Protocol::adapt(Preprocessing own) const {
  if (geometry) own.geometry = *geometry;
  own.label_interpolation = LabelInterpolation::kNearest;
  own.label_smoothing = 0;
  return own;
}

void Protocol::check_classes(std::int64_t classes) const {
  if (counting == Counting::kClasses || classes <= 2) return;
  throw UserError("the protocol " + name + " counts class 1 against one other, but the network has " +
                  std::to_string(classes) + " classes; the protocol mmseg counts each of them");
}

std::string Protocol::description() const {
  nlohmann::ordered_json json;
  json["name"] = name;
  json["resolution"] = resolution == Resolution::kNetwork ? "network" : "native";
  json["geometry"] = geometry ? geometry_name(*geometry) : "of the network";
  if (counting == Counting::kForeground) json["foreground"] = 1;
  json["ignore"] = kIgnore;
  json["decision"] = "argmax, or logit > 0 of a single channel";
  if (counting == Counting::kClasses) {
    json["empty_union"] = "left out of the mean";
    json["reduction"] = "mean class IoU of summed counts";
    return json.dump();
  }
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
    Protocol mmseg = native;
    mmseg.name = "mmseg";
    mmseg.counting = Protocol::Counting::kClasses;
    return ProtocolRegistry("protocol")
        .add(clova.name, clova)
        .add(native.name, native)
        .add(mmseg.name, mmseg);
  }();
  return registry;
}

}  // namespace portraitseg
