#include "portraitseg/data/training_view.h"

#include "portraitseg/core/random.h"
#include "portraitseg/data/smooth_label.h"

namespace portraitseg {
namespace {

/// The sample in the network's geometry, in new memory: a sample may be shared with a cache.
Sample placed(const Sample& sample, const Preprocessing& preprocessing) {
  Sample result = sample;
  result.image = cv::Mat();
  preprocessing.place_image(sample.image).convertTo(result.image, CV_8U);
  result.mask = preprocessing.place_mask(sample.mask);
  return result;
}

}  // namespace

Augmented training_view(const Sample& sample, const ViewKey& key, const Preprocessing& preprocessing,
                        const AugmentOptions& options) {
  Random random(key.seed, Purpose::kAugment,
                {static_cast<std::uint64_t>(key.epoch), static_cast<std::uint64_t>(key.index)});
  const cv::Size size(static_cast<int>(preprocessing.size[1]), static_cast<int>(preprocessing.size[0]));
  Augmented view =
      augment(options.affine.enabled ? sample : placed(sample, preprocessing), size, options, random);
  if (!view.moved) view.mask = smooth_label(view.mask, static_cast<int>(preprocessing.label_smoothing));
  return view;
}

}  // namespace portraitseg
