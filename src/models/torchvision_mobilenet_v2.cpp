#include "portraitseg/models/torchvision_mobilenet_v2.h"

#include <cmath>
#include <map>
#include <set>
#include <tuple>

#include <torch/special.h>
#include <torch/types.h>

#include "portraitseg/core/error.h"
#include "portraitseg/models/portraitnet.h"
#include "portraitseg/weights/state_dict.h"

namespace portraitseg {
namespace {

constexpr double kEps = 1e-5;

bool begins_with(const std::string& text, const std::string& prefix) {
  return text.rfind(prefix, 0) == 0;
}

/// "a.b" and "weight" of "a.b.weight".
std::pair<std::string, std::string> layer_and_name(const std::string& key) {
  const auto dot = key.rfind('.');
  if (dot == std::string::npos) return {"", key};
  return {key.substr(0, dot), key.substr(dot + 1)};
}

/// torchvision's layer for each of PortraitNet's, but for the expansion of the first block.
std::map<std::string, std::string> torchvision_layers() {
  std::map<std::string, std::string> layers = {{"stage0.0", "features.0.0"},
                                               {"stage0.1", "features.0.1"},
                                               {"stage1.conv.3", "features.1.conv.0.0"},
                                               {"stage1.conv.4", "features.1.conv.0.1"},
                                               {"stage1.conv.6", "features.1.conv.1"},
                                               {"stage1.conv.7", "features.1.conv.2"}};
  int feature = 2;
  for (const char* block :
       {"stage2.0", "stage2.1", "stage3.0", "stage3.1", "stage3.2", "stage4.0", "stage4.1", "stage4.2",
        "stage4.3", "stage5.0", "stage5.1", "stage5.2", "stage6.0", "stage6.1", "stage6.2", "stage7"}) {
    const std::string ours = std::string(block) + ".conv.";
    const std::string theirs = "features." + std::to_string(feature++) + ".conv.";
    layers[ours + "0"] = theirs + "0.0";
    layers[ours + "1"] = theirs + "0.1";
    layers[ours + "3"] = theirs + "1.0";
    layers[ours + "4"] = theirs + "1.1";
    layers[ours + "6"] = theirs + "2";
    layers[ours + "7"] = theirs + "3";
  }
  return layers;
}

/// PortraitNet's encoder by key, without num_batches_tracked.
std::vector<std::pair<std::string, torch::Tensor>> encoder_state() {
  PortraitNetOptions options;
  options.boundary_head = false;
  std::vector<std::pair<std::string, torch::Tensor>> state;
  for (const auto& item : state_dict(*options.build())) {
    if (begins_with(item.first, "stage") && layer_and_name(item.first).second != "num_batches_tracked")
      state.push_back(item);
  }
  return state;
}

/// A layer's tensors by name, in float64.
using Layer = std::map<std::string, torch::Tensor>;

/// Folds torchvision's normalisation of the image into the first convolution and its BatchNorm.
/// With p = (x - mean) * scale of PortraitNet, torchvision's t is p * factor + offset for each channel.
void take_portraitnets_input(Layer& conv, Layer& norm) {
  const double scale = 0.017;
  const auto mean = torch::tensor({123.68, 116.78, 103.94}, torch::kFloat64).view({1, 3, 1, 1});  // RGB
  const auto their_mean = torch::tensor({0.485, 0.456, 0.406}, torch::kFloat64).view({1, 3, 1, 1});
  const auto their_std = torch::tensor({0.229, 0.224, 0.225}, torch::kFloat64).view({1, 3, 1, 1});
  const auto factor = 1 / (255 * scale * their_std);
  const auto offset = (mean / 255 - their_mean) / their_std;
  const torch::Tensor kernel = conv.at("weight");
  norm.at("running_mean") = norm.at("running_mean") - (kernel * offset).sum({1, 2, 3});
  conv.at("weight") = (kernel * factor).flip(1);  // to BGR
}

/// 1x1 convolution and BatchNorm that give back what ReLU makes of `norm`'s output: per channel, bias and weight of `norm`
/// are mean and standard deviation of a normal variable, whose rectified moments become the statistics.
std::pair<Layer, Layer> identity_expansion(const Layer& norm) {
  const torch::Tensor mean = norm.at("bias");
  const torch::Tensor deviation = norm.at("weight").abs().clamp_min(1e-6);
  const torch::Tensor z = mean / deviation;
  const torch::Tensor density = deviation * torch::exp(-z * z / 2) / std::sqrt(2 * M_PI);
  const torch::Tensor positive = torch::special::ndtr(z);
  const torch::Tensor m = mean * positive + density;
  const torch::Tensor square = (mean * mean + deviation * deviation) * positive + mean * density;
  const torch::Tensor v = (square - m * m).clamp_min(0);
  const auto channels = mean.size(0);
  return {{{"weight", torch::eye(channels, torch::kFloat64).view({channels, channels, 1, 1})}},
          {{"weight", torch::sqrt(v + kEps)}, {"bias", m}, {"running_mean", m}, {"running_var", v}}};
}

/// The file's tensors, each asked for once.
class TorchvisionFile {
 public:
  TorchvisionFile(const TensorFile& file, const std::filesystem::path& path) : file_(file), path_(path) {}

  /// @throws DataError if it is not there with this shape and a floating-point type
  torch::Tensor take(const std::string& key, const torch::Tensor& like) {
    const torch::Tensor* tensor = file_.find(key);
    if (tensor == nullptr) refuse(key + " is missing");
    if (tensor->sizes() != like.sizes())
      refuse(torch::str(key, " is ", tensor->sizes(), " in place of ", like.sizes()));
    if (!tensor->is_floating_point())
      refuse(key + " is of " + dtype_name(tensor->scalar_type()) + ", not of a floating-point type");
    taken_.insert(key);
    return *tensor;
  }

  /// Keys of head and classifier. @throws DataError if any other key is left
  std::vector<std::string> rest() const {
    std::vector<std::string> keys;
    for (const auto& [key, tensor] : file_.tensors) {
      if (taken_.count(key) != 0 || layer_and_name(key).second == "num_batches_tracked") continue;
      if (!begins_with(key, "features.18.") && !begins_with(key, "classifier."))
        refuse(key + " is unexpected");
      keys.push_back(key);
    }
    return keys;
  }

 private:
  [[noreturn]] void refuse(const std::string& reason) const {
    throw DataError(path_, "no MobileNetV2 1.0 of torchvision: " + reason);
  }

  const TensorFile& file_;
  const std::filesystem::path& path_;
  std::set<std::string> taken_;
};

}  // namespace

ConvertedEncoder portraitnet_encoder_from_torchvision(const TensorFile& file,
                                                      const std::filesystem::path& path) {
  const auto state = encoder_state();
  const auto their_layers = torchvision_layers();
  TorchvisionFile source(file, path);
  std::map<std::string, Layer> layers;
  for (const auto& [key, tensor] : state) {
    const auto [layer, name] = layer_and_name(key);
    const auto theirs = their_layers.find(layer);
    if (theirs == their_layers.end()) continue;
    layers[layer][name] = source.take(theirs->second + "." + name, tensor).to(torch::kFloat64);
  }
  std::tie(layers["stage1.conv.0"], layers["stage1.conv.1"]) = identity_expansion(layers.at("stage0.1"));
  take_portraitnets_input(layers.at("stage0.0"), layers.at("stage0.1"));
  const auto type = file.at("features.0.0.weight").scalar_type();
  ConvertedEncoder result{{}, source.rest()};
  for (const auto& [key, tensor] : state) {
    const auto [layer, name] = layer_and_name(key);
    result.weights.tensors.emplace_back(key, layers.at(layer).at(name).to(type));
  }
  return result;
}

}  // namespace portraitseg
