#include "portraitseg/report/results.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include <nlohmann/json.hpp>
#include <spdlog/fmt/fmt.h>

namespace portraitseg {
namespace {

using Json = nlohmann::ordered_json;
using Row = std::pair<std::string, double>;

template <class Map>
Json by_width(const Map& values) {
  Json json = Json::object();
  for (const auto& [width, value] : values) json[fmt::format("{:g}", static_cast<double>(width))] = value;
  return json;
}

Json to_json(const Metrics& metrics) {
  if (!metrics.class_iou.empty()) {  // null for one without a pixel
    return {
        {"miou", metrics.miou}, {"pixel_accuracy", metrics.pixel_accuracy}, {"class_iou", metrics.class_iou}};
  }
  return {{"iou_foreground", metrics.iou_foreground},
          {"iou_background", metrics.iou_background},
          {"miou", metrics.miou},
          {"miou_per_image", metrics.miou_per_image},
          {"boundary_f1", by_width(metrics.boundary_f1)},
          {"edge_iou", by_width(metrics.edge_iou)},
          {"weighted_iou", by_width(metrics.weighted_iou)}};
}

std::vector<Row> class_rows(const Metrics& metrics) {
  std::vector<Row> rows = {
      {fmt::format("mIoU, {} classes, whole list", metrics.class_iou.size()), metrics.miou},
      {"pixel accuracy, whole list", metrics.pixel_accuracy}};
  for (std::size_t c = 0; c < metrics.class_iou.size(); ++c)
    rows.emplace_back(fmt::format("IoU of class {}, whole list", c), metrics.class_iou[c]);
  return rows;
}

std::vector<Row> rows(const Metrics& metrics) {
  if (!metrics.class_iou.empty()) return class_rows(metrics);
  std::vector<Row> rows = {{"foreground IoU, mean over images", metrics.iou_foreground},
                           {"background IoU, mean over images", metrics.iou_background},
                           {"mIoU, 2 classes, whole list", metrics.miou},
                           {"mIoU, 2 classes, mean over images", metrics.miou_per_image}};
  for (const auto& [kernel, value] : metrics.boundary_f1)
    rows.emplace_back(fmt::format("boundary F1, band {} px", kernel), value);
  for (const auto& [sigma, value] : metrics.edge_iou)
    rows.emplace_back(fmt::format("edge IoU, sigma {:g} px", sigma), value);
  for (const auto& [sigma, value] : metrics.weighted_iou)
    rows.emplace_back(fmt::format("weighted IoU, sigma {:g} px", sigma), value);
  return rows;
}

/// "" if every class is in the mean.
std::string left_out(const Metrics& metrics) {
  std::vector<std::size_t> classes;
  for (std::size_t c = 0; c < metrics.class_iou.size(); ++c) {
    if (std::isnan(metrics.class_iou[c])) classes.push_back(c);
  }
  return classes.empty()
             ? ""
             : fmt::format(", without a pixel and not in the mIoU: class {}", fmt::join(classes, ", "));
}

}  // namespace

std::string results_json(const std::vector<Evaluation>& evaluations) {
  Json results = Json::array();
  for (const auto& evaluation : evaluations) {
    results.push_back({{"protocol", evaluation.protocol.name},
                       {"protocol_hash", evaluation.protocol.hash()},
                       {"list", evaluation.list_name},
                       {"list_sha256", evaluation.list_sha256},
                       {"n", evaluation.images.size()},
                       {"network_size", evaluation.network_size},
                       {"skipped", evaluation.skipped},
                       {"metrics", to_json(evaluation.metrics())}});
  }
  return Json{{"results", results}}.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string results_table(const std::vector<Evaluation>& evaluations) {
  std::vector<std::vector<Row>> columns;
  std::string text = fmt::format("{:<36}", "percent");
  for (const auto& evaluation : evaluations) {
    columns.push_back(rows(evaluation.metrics()));
    text += fmt::format("{:>12}", evaluation.protocol.name);
  }
  text += "\n";
  std::vector<std::string> titles;  // protocols may differ in what they measure
  for (const auto& column : columns) {
    for (const auto& [title, unused] : column) {
      if (std::find(titles.begin(), titles.end(), title) == titles.end()) titles.push_back(title);
    }
  }
  for (const auto& title : titles) {
    text += fmt::format("{:<36}", title);
    for (const auto& column : columns) {
      const auto row =
          std::find_if(column.begin(), column.end(), [&](const Row& r) { return r.first == title; });
      text += row == column.end() || std::isnan(row->second) ? fmt::format("{:>12}", "-")
                                                             : fmt::format("{:>12.3f}", row->second);
    }
    text += "\n";
  }
  for (const auto& evaluation : evaluations) {
    text += fmt::format("{} (protocol {:.8}): n = {} of {} (sha256 {:.8})", evaluation.protocol.name,
                        evaluation.protocol.hash(), evaluation.images.size(), evaluation.list_name,
                        evaluation.list_sha256);
    text += fmt::format(", network input {}x{}", evaluation.network_size[0], evaluation.network_size[1]);
    text += left_out(evaluation.metrics());
    if (!evaluation.skipped.empty()) text += fmt::format(", {} skipped", evaluation.skipped.size());
    text += "\n";
  }
  return text;
}

}  // namespace portraitseg
