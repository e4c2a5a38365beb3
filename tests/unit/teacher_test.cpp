#include "portraitseg/engine/teacher.h"

#include <gmock/gmock.h>
#include <opencv2/core.hpp>
#include <torch/types.h>
#include <torch/utils.h>

#include "portraitseg/core/error.h"
#include "portraitseg/engine/checkpoint.h"
#include "portraitseg/weights/state_dict.h"
#include "portraitseg/weights/weights_file.h"

#include "support/temporary_folder.h"

namespace portraitseg {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

Preprocessing clova() {
  Preprocessing preprocessing;
  preprocessing.size = {64, 32};
  preprocessing.mean = {107.304565, 115.69884, 132.35703};
  preprocessing.std = {63.97182, 65.1337, 68.29726};
  return preprocessing;
}

Preprocessing imagenet() {
  Preprocessing preprocessing;
  preprocessing.size = {64, 32};
  preprocessing.channel_order = ChannelOrder::kRgb;
  preprocessing.mean = {123.675, 116.28, 103.53};
  preprocessing.std = {58.395, 57.12, 57.375};
  preprocessing.scale = 1;
  return preprocessing;
}

cv::Mat noise() {
  cv::Mat placed(64, 32, CV_32FC3);
  cv::randu(placed, 0, 255);
  return placed;
}

TEST(Renormalise, IsWhatTheOtherPreprocessingMakesOfTheSamePixels) {
  const cv::Mat placed = noise();
  Preprocessing bgr_imagenet = imagenet();
  bgr_imagenet.channel_order = ChannelOrder::kBgr;
  for (const auto& from : {clova(), imagenet(), bgr_imagenet}) {
    for (const auto& to : {clova(), imagenet(), bgr_imagenet}) {
      const torch::Tensor expected = to.normalise(placed);
      const torch::Tensor made = renormalise(from.normalise(placed).unsqueeze(0), from, to)[0];
      EXPECT_EQ(made.dtype(), expected.dtype());
      EXPECT_TRUE(torch::allclose(made, expected, 1e-5, 2e-6 * to.scale * 255))
          << (made - expected).abs().max();
    }
  }
}

TEST(Renormalise, ThePriorPassesAsItIs) {
  Preprocessing with = clova(), other = imagenet();
  with.prior_channel = true;
  const cv::Mat placed = noise();
  cv::Mat prior(64, 32, CV_32FC1);
  cv::randu(prior, 0, 1);
  const torch::Tensor image = with.normalise(placed, prior).unsqueeze(0);
  EXPECT_EQ(renormalise(image, with, other).size(1), 3);
  other.prior_channel = true;
  EXPECT_TRUE(torch::equal(renormalise(image, with, other)[0][3], image[0][3]));
}

class TeacherTest : public ::testing::Test {
 protected:
  TeacherTest() {
    torch::manual_seed(3);
    student.model.options->num_classes = 2;
    student.preprocessing = clova();
    student.distillation.teacher = (folder.path() / "teacher.safetensors").string();
    config.preprocessing = imagenet();
  }

  /// Writes the weights of a new network. @return it
  std::shared_ptr<SegmentationModel> write_teacher(bool with_config = true) const {
    const auto model = config.model.options->build();
    for (int i = 0; i < 3; ++i) model->forward(torch::randn({4, config.preprocessing.channels(), 64, 64}));
    model->eval();
    TensorFile file;
    file.tensors = state_dict(*model);
    if (with_config) store_config(file, config);
    write_weights(student.distillation.teacher, file);
    return model;
  }
  std::string refusal() const {
    try {
      Teacher(student, device);
    } catch (const DataError& error) {
      return error.what();
    }
    return "none";
  }

  const testing::TemporaryFolder folder;
  const Device device{DeviceOptions{"cpu", 1}};
  RunConfig student, config;
};

TEST_F(TeacherTest, AnswersAsItsNetworkDoesInItsOwnPreprocessingWithoutGradient) {
  const auto model = write_teacher();
  Teacher teacher(student, device);
  for (int i = 0; i < 3; ++i) {
    const cv::Mat placed = noise();
    const torch::Tensor answer =
        teacher.forward(student.preprocessing.normalise(placed).unsqueeze(0).set_requires_grad(true));
    const torch::NoGradGuard no_grad;
    const torch::Tensor expected = model->forward(imagenet().normalise(placed).unsqueeze(0)).mask;
    EXPECT_FALSE(answer.requires_grad());
    EXPECT_TRUE(torch::allclose(answer, expected, 1e-3, 1e-3)) << (answer - expected).abs().max();
  }
}

TEST_F(TeacherTest, AFileThatIsMissingOrCarriesNoConfigurationIsRefused) {
  EXPECT_THAT(refusal(), AllOf(HasSubstr("teacher.safetensors"), HasSubstr("does not exist")));
  write_teacher(/*with_config=*/false);
  EXPECT_THAT(refusal(), AllOf(HasSubstr("teacher.safetensors"), HasSubstr("no configuration")));
}

TEST_F(TeacherTest, ATeacherOfOtherClassesChannelsOrSizesIsRefused) {
  config.model.options->num_classes = 3;
  write_teacher();
  EXPECT_THAT(refusal(), HasSubstr("cannot be the teacher: it has num_classes 3, the network 2"));

  config.model.name = "portraitnet";
  config.model.options = models().at("portraitnet")();
  write_teacher();
  EXPECT_EQ(refusal(), "none");
  student.preprocessing.size = {48, 64};
  EXPECT_THAT(refusal(), AllOf(HasSubstr("multiples of 32"), HasSubstr("48x64")));

  student.preprocessing.size = {64, 64};
  Config::parse("{name: portraitnet, prior_channel: true}", "test").read(config.model);
  config.preprocessing.prior_channel = true;
  write_teacher();
  EXPECT_THAT(refusal(), HasSubstr("prior channel"));
}

}  // namespace
}  // namespace portraitseg
