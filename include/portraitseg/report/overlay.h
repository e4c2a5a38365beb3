#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include <opencv2/core/mat.hpp>

#include "portraitseg/core/device.h"
#include "portraitseg/data/dataset.h"
#include "portraitseg/engine/evaluator.h"

namespace portraitseg {

/// The image beside itself with the prediction: agreement green, missed portrait blue, wrong portrait red.
/// All H x W; @return H x 2W, CV_8UC3.
cv::Mat overlay(const cv::Mat& image, const cv::Mat& label, const cv::Mat& prediction);

/// For many classes: the image tinted by its label beside the image tinted by the prediction, see class_overlay().
/// All H x W; @return H x 2W, CV_8UC3.
cv::Mat overlay_of_classes(const cv::Mat& image, const cv::Mat& label, const cv::Mat& prediction);

/// Writes overlays of the `count` images with the lowest foreground IoU as PNG files, worst first; of a protocol that counts
/// classes those with the lowest mIoU, by overlay_of_classes().
/// @return the files
std::vector<std::filesystem::path> write_worst_overlays(const std::filesystem::path& folder,
                                                        const Evaluation& evaluation, const Dataset& dataset,
                                                        SegmentationModel& model,
                                                        const Preprocessing& preprocessing,
                                                        const Device& device, int count);

}  // namespace portraitseg
