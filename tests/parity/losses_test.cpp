#include <gtest/gtest.h>
#include <torch/autograd.h>
#include <torch/types.h>

#include "portraitseg/losses/consistency.h"
#include "portraitseg/losses/cross_entropy.h"
#include "portraitseg/losses/focal.h"
#include "portraitseg/losses/lovasz_hinge.h"
#include "portraitseg/weights/safetensors.h"

#include "support/shared_data.h"

namespace portraitseg {
namespace {

struct Golden {
  TensorFile file = read_safetensors(testing::golden_path("losses.safetensors"));
  torch::Tensor logits = file.at("logits2").clone().set_requires_grad(true);
  torch::Tensor single = file.at("logits1").clone().set_requires_grad(true);

  std::unique_ptr<Loss> cross_entropy(bool weighted) const {
    CrossEntropyOptions options;
    if (weighted) {
      const auto weights = file.at("class_weights").to(torch::kFloat64);
      options.class_weights = {weights[0].item<double>(), weights[1].item<double>()};
    }
    return options.build();
  }

  static std::unique_ptr<Loss> lovasz_hinge(bool per_image) {
    LovaszHingeOptions options;
    options.per_image = per_image;
    return options.build();
  }

  static std::unique_ptr<Loss> focal(double gamma) {
    FocalOptions options;
    options.gamma = gamma;
    return options.build();
  }

  static std::unique_ptr<Loss> consistency(double temperature) {
    ConsistencyOptions options;
    options.temperature = temperature;
    return options.build();
  }

  void expect(const torch::Tensor& loss, const std::string& name) const { expect(loss, logits, name); }

  void expect(const torch::Tensor& loss, const torch::Tensor& input, const std::string& name) const {
    const double expected = file.at(name).item<double>();
    EXPECT_NEAR(loss.item<double>(), expected, 1e-6 * std::max(1.0, std::abs(expected))) << name;
    const auto gradient = torch::autograd::grad({loss}, {input})[0];
    EXPECT_LE((gradient - file.at(name + ".grad")).abs().max().item<double>(), 1e-6) << name;
  }
};

TEST(LossesParity, CrossEntropyEqualsTheReference) {
  PORTRAITSEG_NEEDS_SHARED_DATA();
  const Golden golden;
  for (const std::string label : {"label", "label_ignore", "label_half_ignored", "label_background"}) {
    for (const bool weighted : {false, true}) {
      const std::string name = (weighted ? "cross_entropy_weighted." : "cross_entropy.") + label;
      golden.expect(golden.cross_entropy(weighted)->forward(golden.logits, golden.file.at(label)), name);
    }
  }
}

TEST(LossesParity, LovaszHingeEqualsTheReference) {
  PORTRAITSEG_NEEDS_SHARED_DATA();
  const Golden golden;
  for (const bool per_image : {false, true}) {
    for (const std::string label :
         {"label", "label_ignore", "label_half_ignored", "label_all_ignored", "label_background"}) {
      const std::string name = std::string("lovasz_hinge.") + (per_image ? "per_image." : "batch.") + label;
      golden.expect(golden.lovasz_hinge(per_image)->forward(golden.single, golden.file.at(label)),
                    golden.single, name);
    }
  }
  const auto loss = golden.lovasz_hinge(false);
  golden.expect(loss->forward(golden.single, golden.file.at("label")) +
                    0.5 * loss->forward(golden.single, golden.file.at("label_ignore")),
                golden.single, "train_edge_total.lovasz");
}

TEST(LossesParity, EdgeTermAddsHalfTheLossInTheBand) {
  PORTRAITSEG_NEEDS_SHARED_DATA();
  const Golden golden;
  const auto loss = golden.cross_entropy(/*weighted=*/true);  // as clova's CrossEntropyLoss2d is built
  golden.expect(loss->forward(golden.logits, golden.file.at("label")) +
                    0.5 * loss->forward(golden.logits, golden.file.at("label_ignore")),
                "train_edge_total.cross_entropy");
}

TEST(LossesParity, FocalEqualsTheReference) {
  PORTRAITSEG_NEEDS_SHARED_DATA();
  const Golden golden;
  const auto& label = golden.file.at("label");
  golden.expect(golden.focal(0)->forward(golden.logits, label), "focal.gamma0");
  golden.expect(golden.focal(2)->forward(golden.logits, label), "focal.gamma2");
  golden.expect(golden.focal(2)->forward(golden.logits, label) * label.numel(), "focal.gamma2_sum");
}

TEST(LossesParity, ConsistencyEqualsTheReference) {
  PORTRAITSEG_NEEDS_SHARED_DATA();
  const Golden golden;
  const auto& teacher = golden.file.at("teacher");
  golden.expect(golden.consistency(1)->forward(golden.logits, teacher), "kl.T1");
  golden.expect(golden.consistency(2)->forward(golden.logits, teacher), "kl.T2");
}

TEST(LossesParity, PortraitNetsSumEqualsTheReference) {
  PORTRAITSEG_NEEDS_SHARED_DATA();
  const Golden golden;
  const auto &label = golden.file.at("label"), &teacher = golden.file.at("teacher");
  const auto cross_entropy = golden.cross_entropy(/*weighted=*/false);
  golden.expect(cross_entropy->forward(golden.logits, label) + cross_entropy->forward(teacher, label) +
                    2 * golden.consistency(1)->forward(golden.logits, teacher) +
                    0.1 * golden.focal(2)->forward(golden.file.at("logits2_edge"), label),
                "portraitnet_total");
}

}  // namespace
}  // namespace portraitseg
