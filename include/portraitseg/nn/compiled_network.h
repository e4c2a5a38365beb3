#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include <torch/nn/module.h>
#include <torch/types.h>

namespace portraitseg {

/// Seconds that each kind of operator took, over all threads.
using OperatorSeconds = std::map<std::string, double>;

/// Runs a network on the CPU with fused operators, in place of LibTorch's: one forward is recorded, and from then on its values
/// and gradients come from vector code on channels-last maps, image by image. Same parameters, same results but for rounding; the
/// network's code is not called again for images of that size, so it must not decide anything by the values of the image.
///
/// What is recorded follows the network's mode (train() or eval()): make another one after changing it. Parameters may be frozen
/// and unfrozen; the network is recorded again then.
class CompiledNetwork {
 public:
  /// [N, C, H, W] to maps [N, c, h, w]
  using Forward = std::function<std::vector<torch::Tensor>(const torch::Tensor&)>;

  /// @param forward calls `network`
  /// @param gradients whether backward passes are wanted. If not, parameters are read once: do not change them afterwards.
  CompiledNetwork(torch::nn::Module& network, Forward forward, bool gradients);
  ~CompiledNetwork();

  /// As `forward`, also for autograd: the outputs lead to the parameters, not to the image. A backward pass throws a c10::Error
  /// if it is a second one through the same outputs (also with retain_graph), or if the image has been changed in between.
  /// @param image on the CPU, of the parameters' type; the first one of each size is recorded
  /// @throws NotCompiled (a std::runtime_error) naming the operator that there is no fused code for
  std::vector<torch::Tensor> operator()(const torch::Tensor& image);

  /// Adds up what each operator takes, until nullptr is given.
  void profile(OperatorSeconds* seconds) { profile_ = seconds; }

  /// Of feature maps and gradients, in all programs so far.
  std::int64_t bytes() const;

 private:
  struct Entry;  ///< for one size of input

  void find_parameters(torch::Dtype dtype);
  Entry& entry_for(const torch::Tensor& image);
  std::unique_ptr<Entry> record(const torch::Tensor& image);
  template <class T>
  std::vector<torch::Tensor> run(Entry& entry, const torch::Tensor& image);

  torch::nn::Module& network_;
  Forward forward_;
  bool gradients_;
  std::vector<torch::Tensor> parameters_;                                ///< those that require a gradient
  std::map<std::vector<std::int64_t>, std::unique_ptr<Entry>> entries_;  ///< by channels, height, width
  std::int64_t calls_ = 0;
  bool checked_ = false;  ///< against LibTorch's values, for one size
  OperatorSeconds* profile_ = nullptr;
};

/// A network that cannot be compiled; the text says which operator stands in the way.
class NotCompiled : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

}  // namespace portraitseg
