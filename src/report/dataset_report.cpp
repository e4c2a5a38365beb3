#include "portraitseg/report/dataset_report.h"

#include <algorithm>
#include <map>

#include <nlohmann/json.hpp>
#include <spdlog/fmt/fmt.h>

namespace portraitseg {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kShownErrors = 100, kShownRemarks = 10;  ///< of one kind in one list
constexpr std::size_t kShownValues = 20;               ///< of an attribute; user_id has thousands
constexpr int kBarWidth = 40;

std::string severity_name(Severity severity) {
  return severity == Severity::kError ? "error" : "remark";
}

std::string counted(std::int64_t count, const char* thing) {
  return fmt::format("{} {}{}", count == 0 ? "no" : std::to_string(count), thing, count == 1 ? "" : "s");
}

std::string sizes_text(const SizeCounts& sizes) {
  constexpr std::size_t kShown = 3;
  std::vector<std::string> shown;
  for (const auto& [size, count] : sizes) {
    if (shown.size() == kShown) break;
    shown.push_back(fmt::format("{} of {}x{}", count, size.first, size.second));
  }
  const std::string more = sizes.size() > kShown ? fmt::format(" ... {} sizes", sizes.size()) : "";
  return fmt::format("{}", fmt::join(shown, ", ")) + more;
}

Json sizes_json(const SizeCounts& sizes) {
  Json json = Json::array();
  for (const auto& [size, count] : sizes)
    json.push_back({{"height", size.first}, {"width", size.second}, {"images", count}});
  return json;
}

std::vector<double> ordered(const std::array<double, 3>& bgr, ChannelOrder order) {
  std::vector<double> channels(bgr.begin(), bgr.end());
  if (order == ChannelOrder::kRgb) std::reverse(channels.begin(), channels.end());
  return channels;
}

const char* order_name(ChannelOrder order) {
  return order == ChannelOrder::kBgr ? "bgr" : "rgb";
}

/// "[106.670021, 114.814117]"
std::string yaml_list(const std::vector<double>& numbers) {
  return fmt::format("[{:.6f}]", fmt::join(numbers, ", "));
}

Json channels_json(const ChannelStatistics& channels, ChannelOrder order) {
  return {{"mean", ordered(channels.mean, order)}, {"std", ordered(channels.std, order)}};
}

std::string attributes_text(const DatasetStatistics& figures) {
  std::string text;
  for (const auto& [name, values] : figures.attributes) {
    text += fmt::format("\nforeground by {}\n", name);
    if (values.size() > kShownValues) text += fmt::format("  {} values, see --json\n", values.size());
    if (values.size() > kShownValues) continue;
    std::size_t width = 0;
    for (const auto& [value, unused] : values) width = std::max(width, value.size());
    for (const auto& [value, group] : values)
      text += fmt::format("  {:{}}  {:>7.4f}  {}\n", value, width, group.foreground,
                          counted(group.images, "image"));
  }
  return text;
}

std::string histogram_text(const DatasetStatistics& figures) {
  const auto& bins = figures.foreground_histogram;
  const std::int64_t largest = std::max<std::int64_t>(*std::max_element(bins.begin(), bins.end()), 1);
  std::string text = fmt::format("\nimages by foreground share, mean {:.4f}\n", figures.foreground);
  for (std::size_t i = 0; i < bins.size(); ++i) {
    const auto length = static_cast<std::size_t>((bins[i] * kBarWidth + largest - 1) / largest);
    const auto low = static_cast<double>(i) / 10;
    text += fmt::format("  {:.1f} .. {:.1f} {:>7}{}{}\n", low, low + 0.1, bins[i], length > 0 ? "  " : "",
                        std::string(length, '#'));
  }
  return text;
}

}  // namespace

std::string verify_table(const DatasetReport& report) {
  std::size_t width = 4;
  for (const auto& list : report.lists) width = std::max(width, list.name.size());
  std::string text =
      fmt::format("{:{}}  {:>7}  {:>8}  sizes (height x width)\n", "list", width, "images", "unusable");
  for (const auto& list : report.lists) {
    text += fmt::format("{:{}}  {:>7}  {:>8}  {}\n", list.name, width, list.images, list.unusable,
                        sizes_text(list.sizes));
  }
  text += counted(report.distinct_images, "distinct image") + "\n";
  if (!report.findings.empty()) text += "\n";

  std::map<std::pair<Problem, std::string>, int> shown;
  std::map<std::pair<Problem, std::string>, int> all;
  for (const auto& finding : report.findings) ++all[{finding.problem, finding.list}];
  for (const auto& finding : report.findings) {
    const std::pair<Problem, std::string> kind = {finding.problem, finding.list};
    const std::string start = fmt::format("{:6}  {:14}  {:{}}", severity_name(severity(finding.problem)),
                                          problem_name(finding.problem), finding.list, width);
    const int number = ++shown[kind];
    const int limit = severity(finding.problem) == Severity::kError ? kShownErrors : kShownRemarks;
    if (number <= limit)
      text += fmt::format("{}  {}{}{}\n", start, finding.id, finding.id.empty() ? "" : ": ", finding.detail);
    if (number == limit + 1) text += fmt::format("{}  and {} more, see --json\n", start, all[kind] - limit);
  }
  return text + fmt::format("\n{}, {}\n", counted(report.count(Severity::kError), "error"),
                            counted(report.count(Severity::kRemark), "remark"));
}

std::string verify_json(const DatasetReport& report) {
  Json lists = Json::array(), findings = Json::array();
  for (const auto& list : report.lists) {
    lists.push_back({{"name", list.name},
                     {"list", list.list.string()},
                     {"list_sha256", list.list_sha256},
                     {"images", list.images},
                     {"unusable", list.unusable},
                     {"sizes", sizes_json(list.sizes)}});
  }
  for (const auto& finding : report.findings) {
    findings.push_back({{"severity", severity_name(severity(finding.problem))},
                        {"problem", problem_name(finding.problem)},
                        {"list", finding.list},
                        {"id", finding.id.empty() ? Json() : Json(finding.id)},
                        {"detail", finding.detail}});
  }
  const Json json = {{"lists", lists},
                     {"distinct_images", report.distinct_images},
                     {"errors", report.count(Severity::kError)},
                     {"remarks", report.count(Severity::kRemark)},
                     {"findings", findings}};
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string statistics_table(const ListStatistics& list, ChannelOrder order) {
  const DatasetStatistics& figures = list.figures;
  std::string text =
      fmt::format("{}: {}, {}\n\n", list.name, counted(figures.images, "image"), sizes_text(figures.sizes));
  const auto row = [&](const char* title, const std::array<double, 3>& channels) {
    text += fmt::format("{:32} {:>12.6f}\n", title, fmt::join(ordered(channels, order), " "));
  };
  text += fmt::format("pixels 0..255, {}\n",
                      order == ChannelOrder::kBgr ? "blue, green, red" : "red, green, blue");
  row("  mean of the images' means", figures.per_image.mean);
  row("  mean of the images' stds", figures.per_image.std);
  row("  mean of all pixels", figures.per_pixel.mean);
  row("  std of all pixels", figures.per_pixel.std);

  const auto shares = figures.class_shares(), weights = figures.class_weights();
  text += fmt::format("\nclass  {:>14}  {:>8}  weight\n", "pixels", "share");
  for (std::size_t c = 0; c < shares.size(); ++c)
    text +=
        fmt::format("{:>5}  {:>14}  {:>8.4f}  {:.4f}\n", c, figures.class_pixels[c], shares[c], weights[c]);
  if (figures.ignored_pixels > 0) text += fmt::format("ignored{:>14}\n", figures.ignored_pixels);
  text += histogram_text(figures) + attributes_text(figures);
  return text + fmt::format(
                    "\n# for a configuration; class_weights belong to a loss\n"
                    "preprocessing:\n  channel_order: {}\n  mean: {}\n  std: {}\nclass_weights: {}\n",
                    order_name(order), yaml_list(ordered(figures.per_image.mean, order)),
                    yaml_list(ordered(figures.per_image.std, order)), yaml_list(weights));
}

std::string statistics_json(const std::vector<ListStatistics>& lists, ChannelOrder order) {
  Json all = Json::array();
  for (const auto& [name, sha256, figures] : lists) {
    Json attributes = Json::object();
    for (const auto& [attribute, values] : figures.attributes) {
      for (const auto& [value, group] : values)
        attributes[attribute][value] = {{"images", group.images}, {"foreground", group.foreground}};
    }
    all.push_back({{"list", name},
                   {"list_sha256", sha256},
                   {"images", figures.images},
                   {"skipped", figures.skipped},
                   {"sizes", sizes_json(figures.sizes)},
                   {"order", order_name(order)},
                   {"per_image", channels_json(figures.per_image, order)},
                   {"per_pixel", channels_json(figures.per_pixel, order)},
                   {"class_pixels", figures.class_pixels},
                   {"ignored_pixels", figures.ignored_pixels},
                   {"class_shares", figures.class_shares()},
                   {"class_weights", figures.class_weights()},
                   {"foreground", figures.foreground},
                   {"foreground_histogram", figures.foreground_histogram},
                   {"attributes", attributes}});
  }
  return Json{{"lists", all}}.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace portraitseg
