#include "portraitseg/report/run_page.h"

#include <cmath>
#include <limits>
#include <set>

#include <nlohmann/json.hpp>
#include <spdlog/fmt/fmt.h>

#include "portraitseg/core/text.h"
#include "portraitseg/report/chart.h"
#include "portraitseg/report/class_overlay.h"

#include "report/page_head.h"

namespace portraitseg {
namespace {

constexpr const char* kLegend =
    R"(<p class="quiet">Left the image, in the middle its label, right the prediction:
<span><i style="background:#3cc85a"></i>agreed,</span> <span><i style="background:#1e5ae6"></i>missed portrait,</span>
<span><i style="background:#e62828"></i>wrong portrait.</span></p>
)";

/// What the colours of many classes mean.
std::string class_legend(std::int64_t classes) {
  std::string legend =
      "<p class=\"quiet\">Left the image, in the middle its label, right the prediction; class 0 has no "
      "color, grey is not labelled:\n";
  for (std::int64_t c = 1; c < classes; ++c) {
    const cv::Vec3b bgr = class_color(static_cast<std::uint8_t>(c));
    legend += fmt::format("<span><i style=\"background:#{:02x}{:02x}{:02x}\"></i>{}{}</span>\n", bgr[2],
                          bgr[1], bgr[0], c, c + 1 < classes ? "," : ".");
  }
  return legend + "</p>\n";
}

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

using History = std::vector<EpochRecord>;

/// A figure of the records, at every epoch.
struct Series {
  std::string name;
  std::vector<double> values;
};

template <class Get>
Series series(const std::string& name, const History& history, Get get) {
  Series one{name, {}};
  for (const EpochRecord& record : history) one.values.push_back(get(record));
  return one;
}

/// One series for each name in a map of the records; a record may lack some.
std::vector<Series> series_of(const History& history, std::map<std::string, double> EpochRecord::*figures) {
  std::set<std::string> names;
  for (const EpochRecord& record : history) {
    for (const auto& [name, unused] : record.*figures) names.insert(name);
  }
  std::vector<Series> all;
  for (const auto& name : names) {
    all.push_back(series(name, history, [&](const EpochRecord& record) {
      const auto found = (record.*figures).find(name);
      return found == (record.*figures).end() ? kNone : found->second;
    }));
  }
  return all;
}

std::vector<Series> losses_of(const History& history) {
  std::vector<Series> all = series_of(history, &EpochRecord::loss_terms);
  if (all.size() != 1)  // a single term is the total
    all.insert(all.begin(), series("total", history, [](const EpochRecord& r) { return r.train_loss; }));
  return all;
}

class Writer {
 public:
  explicit Writer(const RunPage& page) : page_(page), progress_(page.progress), history_(progress_.history) {}

  std::string text() const {
    const std::string name = html_text(page_.name);
    return kPageHead + fmt::format("<title>{}</title>\n</head>\n<body>\n<h1>{}</h1>\n", name, name) +
           state() + charts() + figures() + samples() + environment() +
           fmt::format("<details>\n<summary>Configuration</summary>\n<pre>{}</pre>\n</details>\n",
                       html_text(page_.config)) +
           "</body>\n</html>\n";
  }

 private:
  std::string state() const {
    if (history_.empty()) return "<p>No epoch is finished yet.</p>\n";
    const EpochRecord& last = history_.back();
    std::string best = "No epoch counts as the best yet.";
    if (progress_.best.epoch > 0) {
      best = fmt::format("Best: epoch {} with <b>{} {:.2f}</b>.", progress_.best.epoch,
                         html_text(page_.selected_by), progress_.best.value);
    }
    return fmt::format(
        "<p>Epoch {} of {}. {}</p>\n"
        "<p class=\"quiet\">Validation by protocol {}, n = {}, list sha256 {:.8}. Training on {} "
        "images.</p>\n",
        progress_.epoch, page_.epochs, best, html_text(last.val_protocol), last.val_images,
        last.val_list_sha256, progress_.train_images);
  }

  std::string chart(const std::string& title, const std::vector<Series>& all) const {
    Chart chart;
    chart.title = title;
    chart.x_title = "epoch";
    for (const auto& [name, values] : all) chart.curves.push_back({name, values});
    chart.marked = static_cast<std::size_t>(progress_.best.epoch);
    chart.mark_title = fmt::format("best {}", progress_.best.epoch);
    return chart_html(chart);
  }

  std::string charts() const {
    if (history_.empty()) return "";
    std::vector<Series> regions, boundaries, classes;
    for (auto& one : series_of(history_, &EpochRecord::validation)) {
      const auto names = [&](const char* part) { return one.name.find(part) != std::string::npos; };
      if (names("class_iou") && names(kEma)) continue;  // too many curves; the table below has them
      (names("boundary") ? boundaries : names("class_iou") ? classes : regions).push_back(std::move(one));
    }
    const std::string details = classes.empty() ? chart("Validation: boundary, percent", boundaries)
                                                : chart("Validation: IoU of each class, percent", classes);
    return "<h2>Curves</h2>\n<div class=\"grid2\">\n" +
           chart("Training loss: weighted terms", losses_of(history_)) +
           chart(classes.empty() ? "Validation: IoU, percent" : "Validation: mIoU and accuracy, percent",
                 regions) +
           details + chart("Learning rate", {learning_rate()}) + "</div>\n";
  }

  Series learning_rate() const {
    return series("lr", history_, [](const EpochRecord& r) { return r.lr; });
  }

  std::string figures() const {
    if (history_.empty()) return "";
    std::string rows;
    const auto add = [&](const std::string& group, const Series& one) {
      const double best = progress_.best.epoch > 0
                              ? one.values.at(static_cast<std::size_t>(progress_.best.epoch) - 1)
                              : kNone;
      const auto cell = [](double value) { return std::isnan(value) ? "-" : fmt::format("{:.6g}", value); };
      rows += fmt::format("<tr><td>{}{}</td><td class=\"figure\">{}</td><td class=\"figure\">{}</td></tr>\n",
                          group, html_text(one.name), cell(best), cell(one.values.back()));
    };
    for (const Series& one : losses_of(history_)) add("loss ", one);
    for (const Series& one : series_of(history_, &EpochRecord::validation)) add("validation ", one);
    add("", learning_rate());
    return fmt::format(
        "<h2>Figures</h2>\n<div class=\"scroll\"><table>\n<tr><th></th><th class=\"figure\">best<br>epoch "
        "{}</th>"
        "<th class=\"figure\">last<br>epoch {}</th></tr>\n{}</table></div>\n",
        progress_.best.epoch, progress_.epoch, rows);
  }

  std::string samples() const {
    if (page_.samples.empty()) return "";
    std::string pictures;
    for (const SamplePicture& sample : page_.samples) {
      const std::string id = html_text(sample.id);
      pictures += fmt::format(
          "<figure><img alt=\"{0}: image, label, prediction\" width=\"{1}\" height=\"{2}\" "
          "src=\"data:image/png;base64,{3}\"><figcaption>{0}</figcaption></figure>\n",
          id, sample.width, sample.height, base64(sample.png));
    }
    return fmt::format("<h2>Predictions on the validation list after epoch {}</h2>\n", progress_.epoch) +
           (page_.classes > 0 ? class_legend(page_.classes) : kLegend) + "<div class=\"grid2\">\n" +
           pictures + "</div>\n";
  }

  std::string environment() const {
    const auto json = nlohmann::ordered_json::parse(page_.environment, nullptr, false);
    if (!json.is_object()) return "";
    std::string rows;
    for (const auto& [key, value] : json.items()) {
      const std::string text = value.is_string()
                                   ? value.get<std::string>()
                                   : value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
      rows += fmt::format("<tr><th>{}</th><td>{}</td></tr>\n", html_text(key), html_text(text));
    }
    return "<h2>Environment</h2>\n<div class=\"scroll\"><table>\n" + rows + "</table></div>\n";
  }

  const RunPage& page_;
  const Progress& progress_;
  const History& history_;
};

}  // namespace

std::string run_page(const RunPage& page) {
  return Writer(page).text();
}

}  // namespace portraitseg
