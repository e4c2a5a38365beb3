#include "portraitseg/weights/state_dict.h"

#include <map>
#include <sstream>

#include <torch/torch.h>

#include "portraitseg/core/error.h"

namespace portraitseg {
namespace {

bool ends_with(const std::string& text, const std::string& end) {
  return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

/// "3 missing (a, b, c)"; long lists are cut.
std::string listing(const std::vector<std::string>& keys, const std::string& what) {
  constexpr std::size_t kShown = 6;
  if (keys.empty()) return "";
  std::string text = " " + std::to_string(keys.size()) + " " + what + " (";
  for (std::size_t i = 0; i < keys.size() && i < kShown; ++i) text += (i == 0 ? "" : ", ") + keys[i];
  if (keys.size() > kShown) text += ", ... and " + std::to_string(keys.size() - kShown) + " more";
  return text + ");";
}

std::string shape_text(const torch::Tensor& tensor) {
  std::ostringstream out;
  out << tensor.sizes();
  return out.str();
}

}  // namespace

std::vector<std::pair<std::string, torch::Tensor>> state_dict(const torch::nn::Module& module) {
  std::vector<std::pair<std::string, torch::Tensor>> state;
  for (const auto& parameter : module.named_parameters())
    state.emplace_back(parameter.key(), parameter.value());
  for (const auto& buffer : module.named_buffers()) state.emplace_back(buffer.key(), buffer.value());
  return state;
}

void load_state_dict(torch::nn::Module& module, const TensorFile& file, const std::filesystem::path& path) {
  std::map<std::string, torch::Tensor> given;
  for (const auto& [key, tensor] : file.tensors) {
    if (key.rfind(kTrainingPrefix, 0) != 0) given.emplace(key, tensor);
  }
  std::vector<std::string> missing, unexpected, mis_shaped;
  std::vector<std::pair<torch::Tensor, torch::Tensor>> copies;
  for (const auto& [key, target] : state_dict(module)) {
    const auto source = given.find(key);
    if (source == given.end()) {
      if (!ends_with(key, "num_batches_tracked")) missing.push_back(key);
      continue;
    }
    if (source->second.sizes() == target.sizes()) {
      copies.emplace_back(target, source->second);
    } else {
      mis_shaped.push_back(key + " " + shape_text(source->second) + " for " + shape_text(target));
    }
    given.erase(source);
  }
  for (const auto& [key, tensor] : given) unexpected.push_back(key);
  if (!missing.empty() || !unexpected.empty() || !mis_shaped.empty()) {
    std::string text = "weights of another network:" + listing(missing, "missing") +
                       listing(unexpected, "unexpected") + listing(mis_shaped, "mis-shaped");
    text.pop_back();
    throw DataError(path, text);
  }
  const torch::NoGradGuard no_grad;
  for (auto& [target, source] : copies) target.copy_(source);
}

}  // namespace portraitseg
