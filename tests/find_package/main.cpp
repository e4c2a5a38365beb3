// A program outside the library: registers a network of its own, trains it one step, saves it and reads it back.
#include <cstdio>
#include <filesystem>

#include <torch/nn/modules/conv.h>
#include <torch/torch.h>

#include "portraitseg/data/synthetic.h"
#include "portraitseg/engine/trainer.h"
#include "portraitseg/weights/weights_file.h"

namespace ps = portraitseg;

/// One convolution.
class TinyImpl : public ps::SegmentationModel {
 public:
  explicit TinyImpl(std::int64_t classes)
      : conv(register_module("conv", torch::nn::Conv2d(torch::nn::Conv2dOptions(3, classes, 3).padding(1)))) {
  }
  ps::SegmentationOutput forward(const torch::Tensor& image) override { return {conv(image), {}, {}}; }
  std::int64_t size_multiple() const override { return 1; }

  torch::nn::Conv2d conv{nullptr};
};

struct TinyOptions : ps::ModelOptions {
  void fields(ps::Fields& f) override { f("num_classes", num_classes, "classes", {2, 255}); }
  std::shared_ptr<ps::SegmentationModel> build() const override {
    return std::make_shared<TinyImpl>(num_classes);
  }
};

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  const std::filesystem::path folder = argv[1];
  ps::SyntheticDataset portraits;
  portraits.train = 2;
  portraits.val = 1;
  portraits.test = 0;
  portraits.height = portraits.width = 32;
  ps::write_synthetic_dataset(folder / "data", portraits);

  ps::ModelRegistry registry = ps::models();
  registry.add("tiny", std::make_shared<TinyOptions>);
  ps::RunConfig config;
  config.model.registry = &registry;
  ps::Config::parse(
      "model: {name: tiny}\n"
      "preprocessing: {size: [32, 32]}\n"
      "data: {name: folders, root: " +
          (folder / "data").string() +
          ", train_list: train.txt, val_list: val.txt}\n"
          "trainer: {epochs: 1, batch_size: 2}\n"
          "device: {name: cpu}\n",
      "memory")
      .read(config);

  const ps::Device device(config.device);
  ps::Trainer trainer(config, device);
  const auto before = trainer.model().parameters().front().clone();
  const auto run = ps::RunFolder::create(folder / "run", trainer.config(), device);
  if (!trainer.train(run, {}, [] { return false; })) return 1;
  const auto after = trainer.model().parameters().front();
  if (torch::equal(before, after)) return 1;

  ps::write_weights(folder / "tiny.pth", {ps::state_dict(trainer.model()), {}});
  const auto again = config.model.options->build();
  ps::load_state_dict(*again, ps::read_weights(folder / "tiny.pth"), folder / "tiny.pth");
  std::printf("%s: %lld step, saved\n", config.model.name.c_str(),
              static_cast<long long>(trainer.progress().epoch));
  return torch::equal(after, again->parameters().front()) ? 0 : 1;
}
