#include "portraitseg/weights/state_dict.h"

#include <map>
#include <sstream>

#include <torch/nn/module.h>
#include <torch/types.h>
#include <torch/utils.h>

#include "portraitseg/core/error.h"

namespace portraitseg {
namespace {

/// BatchNorm's count of training batches, which old PyTorch did not write and inference does not use.
bool is_counter(const std::string& key) {
  const std::string name = "num_batches_tracked";
  return key.size() >= name.size() && key.compare(key.size() - name.size(), name.size(), name) == 0;
}

/// A file's names may be as long as it likes.
std::string shortened(const std::string& text) {
  constexpr std::size_t kShown = 120;
  return text.size() > kShown ? text.substr(0, kShown) + "..." : text;
}

/// "3 missing (a, b, c)"; long lists are cut.
std::string listing(const std::vector<std::string>& keys, const std::string& what) {
  constexpr std::size_t kShown = 6;
  if (keys.empty()) return "";
  std::string text = " " + std::to_string(keys.size()) + " " + what + " (";
  for (std::size_t i = 0; i < keys.size() && i < kShown; ++i)
    text += (i == 0 ? "" : ", ") + shortened(keys[i]);
  if (keys.size() > kShown) text += ", ... and " + std::to_string(keys.size() - kShown) + " more";
  return text + ");";
}

std::string shape_text(const torch::Tensor& tensor) {
  std::ostringstream out;
  out << tensor.sizes();
  return out.str();
}

/// The tensors of a network and of a file, brought together by key.
struct Matching {
  struct Pair {
    std::string key;  // the network's
    torch::Tensor target, source;

    bool fits() const { return target.sizes() == source.sizes(); }
  };
  std::vector<Pair> pairs;
  std::vector<std::string> missing;     // keys of the network without a tensor in the file
  std::vector<std::string> unexpected;  // keys of the file without a tensor in the network

  /// @param prefix may stand before a network's key and not before the file's
  Matching(const torch::nn::Module& module, const TensorFile& file, const std::string& prefix = "") {
    std::map<std::string, torch::Tensor> given;
    for (const auto& [key, tensor] : file.tensors) {
      if (key.rfind(kTrainingPrefix, 0) != 0) given.emplace(key, tensor);
    }
    for (const auto& [key, target] : state_dict(module)) {
      auto source = given.find(key);
      if (source == given.end() && key.rfind(prefix, 0) == 0) source = given.find(key.substr(prefix.size()));
      if (source != given.end()) {
        pairs.push_back({key, target, source->second});
        given.erase(source);
      } else if (!is_counter(key)) {
        missing.push_back(key);
      }
    }
    for (const auto& [key, tensor] : given) unexpected.push_back(key);
  }

  std::vector<std::string> mis_shaped() const {
    std::vector<std::string> texts;
    for (const auto& pair : pairs) {
      if (!pair.fits())
        texts.push_back(pair.key + " " + shape_text(pair.source) + " for " + shape_text(pair.target));
    }
    return texts;
  }

  /// What would give plausible figures that mean nothing: numbers that are quantised, for one, or not finite.
  void check_values(const std::filesystem::path& path) const {
    const auto is_finite = [](const torch::Tensor& tensor) {
      return torch::isfinite(tensor).all().item<bool>();
    };
    for (const auto& pair : pairs) {
      const auto& [key, target, source] = pair;
      if (!pair.fits() || !target.is_floating_point() || is_counter(key)) continue;
      if (!source.is_floating_point())
        throw DataError(path, key + " has whole numbers (" + dtype_name(source.scalar_type()) +
                                  "); the network's are floating-point");
      if (!is_finite(source.to(target.scalar_type())) &&
          is_finite(target))  // some buffers are meant to be infinite
        throw DataError(path, key + " holds a value that is not finite");
    }
  }
};

}  // namespace

std::vector<std::pair<std::string, torch::Tensor>> state_dict(const torch::nn::Module& module) {
  std::vector<std::pair<std::string, torch::Tensor>> state;
  for (const auto& parameter : module.named_parameters())
    state.emplace_back(parameter.key(), parameter.value());
  for (const auto& buffer : module.named_buffers()) state.emplace_back(buffer.key(), buffer.value());
  return state;
}

void load_state_dict(torch::nn::Module& module, const TensorFile& file, const std::filesystem::path& path) {
  const Matching matching(module, file);
  const auto mis_shaped = matching.mis_shaped();
  if (!matching.missing.empty() || !matching.unexpected.empty() || !mis_shaped.empty()) {
    std::string text = "weights of another network:" + listing(matching.missing, "missing") +
                       listing(matching.unexpected, "unexpected") + listing(mis_shaped, "mis-shaped");
    text.pop_back();
    throw DataError(path, text);
  }
  matching.check_values(path);
  const torch::NoGradGuard no_grad;
  for (const auto& pair : matching.pairs) pair.target.copy_(pair.source);
}

PartialLoad load_matching(torch::nn::Module& module, const TensorFile& file,
                          const std::filesystem::path& path) {
  const Matching matching(module, file, "encoder.");
  matching.check_values(path);
  PartialLoad load{{}, matching.missing, matching.mis_shaped(), matching.unexpected};
  const torch::NoGradGuard no_grad;
  for (const auto& pair : matching.pairs) {
    if (!pair.fits() || is_counter(pair.key)) continue;
    pair.target.copy_(pair.source);
    load.taken.push_back(pair.key);
  }
  if (load.taken.empty()) throw DataError(path, "fits the network in no key and shape");
  return load;
}

}  // namespace portraitseg
