#pragma once

#include <functional>
#include <string>
#include <vector>

#include "portraitseg/metrics/metric.h"

namespace portraitseg {

/// One value of each image for each sigma, and its mean over images.
/// @param measure 0..1, for each sigma
Metric metric_by_sigma(
    const std::string& name, const std::string& title, const std::vector<double>& sigmas,
    const std::function<std::vector<double>(const cv::Mat& prediction, const cv::Mat& label,
                                            const std::vector<double>& sigmas)>& measure);

}  // namespace portraitseg
