#include "portraitseg/metrics/metrics.h"

#include <algorithm>

#include "portraitseg/core/error.h"
#include "portraitseg/metrics/boundary_f.h"
#include "portraitseg/metrics/boundary_f1.h"
#include "portraitseg/metrics/boundary_iou.h"
#include "portraitseg/metrics/calibration.h"
#include "portraitseg/metrics/class_counts.h"
#include "portraitseg/metrics/deepixel_boundary.h"
#include "portraitseg/metrics/edge_iou.h"
#include "portraitseg/metrics/hausdorff.h"
#include "portraitseg/metrics/mae.h"
#include "portraitseg/metrics/pixel_counts.h"
#include "portraitseg/metrics/trimap_iou.h"
#include "portraitseg/metrics/weighted_iou.h"
#include "portraitseg/metrics/wiou31.h"

namespace portraitseg {
namespace {

using Counting = Protocol::Counting;

MetricEntry of_portraits(const std::function<Metric()>& make) {
  return {Counting::kForeground, [make](const MetricRules&) { return make(); }};
}

/// The metric that every evaluation by the protocol holds.
std::string counts_of(const Protocol& protocol) {
  return protocol.counting == Counting::kForeground ? "iou" : "classes";
}

Metric with_figures(Metric metric, const std::vector<std::string>& names) {
  auto& figures = metric.figures;
  figures.erase(std::remove_if(figures.begin(), figures.end(),
                               [&](const Figure& figure) {
                                 return std::find(names.begin(), names.end(), figure.name) == names.end();
                               }),
                figures.end());
  return metric;
}

void add_once(std::vector<std::string>& names, const std::string& name) {
  if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
}

}  // namespace

const MetricRegistry& metrics() {
  static const MetricRegistry registry = [] {
    MetricRegistry list("metric");
    list.add("iou", {Counting::kForeground,
                     [](const MetricRules& rules) { return pixel_counts_metric(rules.empty_union); }});
    list.add("boundary_f1", of_portraits([] { return boundary_f1_metric(); }));
    list.add("edge_iou", of_portraits([] { return edge_iou_metric(); }));
    list.add("weighted_iou", of_portraits([] { return weighted_iou_metric(); }));
    list.add("boundary_iou", of_portraits(boundary_iou_metric));
    list.add("boundary_f", of_portraits(boundary_f_metric));
    list.add("hausdorff_95", of_portraits(hausdorff_95_metric));
    list.add("trimap_iou", of_portraits([] { return trimap_iou_metric(); }));
    list.add("wiou31", of_portraits(wiou31_metric));
    list.add("deepixel_boundary", of_portraits(deepixel_boundary_metric));
    list.add("mae", of_portraits(mae_metric));
    list.add("calibration", of_portraits(calibration_metric));
    list.add("classes", {Counting::kClasses,
                         [](const MetricRules& rules) { return class_counts_metric(rules.classes); }});
    return list;
  }();
  return registry;
}

std::vector<Metric> default_metrics(const Protocol& protocol, std::int64_t classes) {
  return chosen_metrics(protocol.metrics, protocol, classes);
}

std::vector<Metric> chosen_metrics(const std::vector<std::string>& names, const Protocol& protocol,
                                   std::int64_t classes) {
  std::vector<std::string> wanted = {counts_of(protocol)};
  for (const auto& name : names) {
    if (name != "all") {
      add_once(wanted, name);
      continue;
    }
    for (const auto& known : metrics().names()) {
      if (metrics().at(known).counting == protocol.counting) add_once(wanted, known);
    }
  }
  std::vector<Metric> chosen;
  for (const auto& name : wanted) {
    const MetricEntry& entry = metrics().at(name);
    if (entry.counting != protocol.counting) {
      throw UserError("the metric " + name + " does not fit the protocol " + protocol.name +
                      (entry.counting == Counting::kForeground
                           ? ", which counts each class: it is of portraits alone"
                           : ", which counts class 1 against one other: it is of several classes"));
    }
    chosen.push_back(entry.make({classes, protocol.empty_union}));
  }
  return chosen;
}

std::vector<Metric> recorded_metrics(const Protocol& protocol, std::int64_t classes) {
  if (protocol.counting == Counting::kClasses) return chosen_metrics({}, protocol, classes);
  std::vector<Metric> recorded = chosen_metrics({"boundary_f1"}, protocol, classes);
  for (Metric& metric : recorded) {
    metric = with_figures(metric, {"iou_foreground", "iou_background", "miou", "miou_per_image",
                                   "boundary_f1_5", "boundary_f1_15"});
  }
  return recorded;
}

}  // namespace portraitseg
