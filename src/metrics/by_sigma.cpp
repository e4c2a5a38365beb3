#include "by_sigma.h"

#include <spdlog/fmt/fmt.h>

namespace portraitseg {

Metric metric_by_sigma(
    const std::string& name, const std::string& title, const std::vector<double>& sigmas,
    const std::function<std::vector<double>(const cv::Mat& prediction, const cv::Mat& label,
                                            const std::vector<double>& sigmas)>& measure) {
  Metric metric;
  metric.measure = [sigmas, measure](const MeasuredImage& image) {
    std::vector<double> values = measure(image.prediction, image.label, sigmas);
    for (double& value : values) value *= 100;
    return values;
  };
  for (std::size_t i = 0; i < sigmas.size(); ++i) {
    metric.columns.push_back(fmt::format("{}_{:g}", name, sigmas[i]));
    metric.figures.push_back({metric.columns.back(), fmt::format("{}, sigma {:g} px", title, sigmas[i]),
                              Reduction::kMeanOverImages,
                              [i](const std::vector<double>& columns) { return columns.at(i); }});
  }
  return metric;
}

}  // namespace portraitseg
