#include <algorithm>
#include <cmath>
#include <stdexcept>

#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>
#include <spdlog/fmt/fmt.h>

#include "portraitseg/core/text.h"
#include "portraitseg/report/plot.h"

#include "report/evaluation_sections.h"
#include "report/figure_text.h"

namespace portraitseg {
namespace {

constexpr double kNear = 2;    // percent of the diagonal
constexpr int kMapSide = 192;  // px of a heat map
constexpr int kColormap = cv::COLORMAP_INFERNO;

std::string not_shown(const EvaluationPage& page) {
  return "<p>Not shown, as images and masks could not be used: <span class=\"wrap\">" +
         html_text(page.pictures.missing) + "</span></p>\n";
}

// --- Errors --------------------------------------------------------------------------------------------------------

std::string errors_table(const EvaluationPage& page) {
  std::string rows;
  for (std::size_t r = 0; r < page.names.size(); ++r) {
    const ErrorMap& errors = page.pictures.errors[r];
    rows += "<tr><th scope=\"row\" class=\"wrap\">" + html_text(page.names[r]) + "</th>";
    std::vector<double> values = {errors.wrong()};
    if (!page.pictures.classes)
      values.insert(values.end(), {errors.missed(), errors.taken(), errors.share_within(kNear)});
    for (std::size_t i = 0; i < values.size(); ++i)
      rows += "<td class=\"figure\">" + number_text(values[i], i < 3 ? 2 : 0) + " %</td>";
    rows += "</tr>\n";
  }
  std::string head = "<tr><th scope=\"col\">model</th><th scope=\"col\" class=\"figure\">wrong pixels</th>";
  if (!page.pictures.classes)
    head += fmt::format(
        "<th scope=\"col\" class=\"figure\">missed<br>portrait</th><th scope=\"col\" "
        "class=\"figure\">background taken<br>for portrait</th><th scope=\"col\" "
        "class=\"figure\">of the wrong ones near<br>the boundary (&le; {:g} %)</th>",
        kNear);
  return "<div class=\"scroll\"><table>\n" + head + "</tr>\n" + rows + "</table></div>\n";
}

std::string distance_plot(const EvaluationPage& page) {
  Plot plot;
  plot.title = "Wrong pixels by their distance to the label's boundary";
  plot.x = {"inside  \xE2\x86\x90  distance, percent of the diagonal  \xE2\x86\x92  outside",
            -ErrorMap::kReach, ErrorMap::kReach};
  plot.zero = true;
  double highest = 0;
  for (std::size_t r = 0; r < page.names.size(); ++r) {
    PlotSeries series{page.names[r], {}, {}};
    for (std::size_t bin = 0; bin < ErrorMap::kBins; ++bin) {
      const double rate = page.pictures.errors[r].rate(bin);
      series.points.emplace_back(ErrorMap::center(bin), rate);
      if (!std::isnan(rate)) highest = std::max(highest, rate);
    }
    plot.series.push_back(series);
  }
  plot.y = {"percent of the pixels there", 0, highest > 0 ? 1.06 * highest : 1};
  return plot_html(plot);
}

cv::Mat colored(const cv::Mat& shares, double top) {
  cv::Mat levels, colors;
  shares.convertTo(levels, CV_8U, 255 / top);
  cv::applyColorMap(levels, colors, kColormap);
  return colors;
}

/// The heat map with the line inside which most labels are portrait.
std::string heat_map_png(const ErrorMap& errors, double top) {
  cv::Mat shares, portrait, typical;
  const cv::Size size(kMapSide, kMapSide);
  cv::resize(errors.wrong_there(), shares, size, 0, 0, cv::INTER_LINEAR);
  cv::resize(errors.portrait_there(), portrait, size, 0, 0, cv::INTER_LINEAR);
  cv::Mat picture = colored(shares, top);
  typical = portrait >= 0.5;
  std::vector<std::vector<cv::Point>> contours;
  cv::findContours(typical, contours, cv::RETR_LIST, cv::CHAIN_APPROX_NONE);
  cv::drawContours(picture, contours, -1, {255, 255, 255}, 1);
  std::vector<unsigned char> png;
  if (!cv::imencode(".png", picture, png)) throw std::logic_error("cannot encode a picture");
  return {png.begin(), png.end()};
}

/// What the colours mean, from 0 to `top`.
std::string color_bar(double top) {
  constexpr int kStops = 9;
  cv::Mat ramp(1, kStops, CV_64FC1);
  for (int i = 0; i < kStops; ++i) ramp.at<double>(0, i) = top * i / (kStops - 1);
  const cv::Mat colors = colored(ramp, top);
  std::string stops;
  for (int i = 0; i < kStops; ++i) {
    const auto& bgr = colors.at<cv::Vec3b>(0, i);
    stops += fmt::format(",#{:02x}{:02x}{:02x}", bgr[2], bgr[1], bgr[0]);
  }
  return fmt::format(
      "<div class=\"bar\" style=\"background:linear-gradient(90deg{})\"></div>\n<div "
      "class=\"ends\"><span>0</span><span>{} % of the images are wrong there</span></div>\n",
      stops, number_text(100 * top, 1));
}

std::string heat_maps(const EvaluationPage& page) {
  double top = 0;
  for (const ErrorMap& errors : page.pictures.errors) {
    double highest = 0;
    cv::minMaxLoc(errors.wrong_there(), nullptr, &highest);
    top = std::max(top, highest);
  }
  if (top == 0) return "";
  std::string maps;
  for (std::size_t r = 0; r < page.names.size(); ++r) {
    const std::string name = html_text(page.names[r]);
    maps += fmt::format(
        "<figure><img alt=\"{0}: how often each place is wrong, brighter is more often\" width=\"{1}\" "
        "height=\"{1}\" src=\"data:image/png;base64,{2}\"><figcaption>{0}</figcaption></figure>\n",
        name, kMapSide, base64(heat_map_png(page.pictures.errors[r], top)));
  }
  return "<div>\n<p><b>How often each place is wrong</b></p>\n<div class=\"maps\">\n" + maps + "</div>\n" +
         color_bar(top) +
         "<p class=\"quiet\">All images in one square; inside the white line most labels are "
         "portrait.</p>\n</div>\n";
}

// --- Pictures ------------------------------------------------------------------------------------------------------

std::string picture(const Thumbnail& thumbnail, const std::string& alt, const std::string& caption) {
  return fmt::format(
      "<figure><img loading=\"lazy\" alt=\"{}\" width=\"{}\" height=\"{}\" "
      "src=\"data:image/jpeg;base64,{}\"><figcaption>{}</figcaption></figure>\n",
      html_text(alt), thumbnail.width, thumbnail.height, base64(thumbnail.jpeg), caption);
}

std::string case_html(const EvaluationPage& page, const PictureRow& row, const std::string& title) {
  const std::string& id = page.results.front().ids[row.image];
  std::string views = picture(row.labelled, id + ": the image with its label's outline", "image and label");
  for (std::size_t r = 0; r < row.predictions.size(); ++r) {
    const std::string value = number_text(page.results[r].numbers.at(page.figures.front())[row.image], 2);
    views += picture(row.predictions[r],
                     fmt::format("{}: prediction of {}, {} {}", id, page.names[r], title, value),
                     html_text(page.names[r]) + "<br><b>" + value + "</b>");
  }
  return "<div class=\"case\">\n<h4>" + html_text(id) + "</h4>\n<div class=\"views\">\n" + views +
         "</div>\n</div>\n";
}

std::string choice(const EvaluationPage& page, const std::vector<PictureRow>& rows,
                   const std::string& heading, const std::string& title) {
  if (rows.empty()) return "";
  std::string cases;
  for (const PictureRow& row : rows) cases += case_html(page, row, title);
  return "<h3>" + heading + "</h3>\n<div class=\"cases\">\n" + cases + "</div>\n";
}

constexpr const char* kLegend =
    "<p class=\"quiet\">White: the label's outline. Prediction: <span><i "
    "style=\"background:#3cc85a\"></i>agreed,</span> "
    "<span><i style=\"background:#1e5ae6\"></i>missed portrait (inside the outline),</span> <span><i "
    "style=\"background:#e62828\"></i>background taken for portrait (outside it).</span> Below each: ";
constexpr const char* kClassLegend =
    "<p class=\"quiet\">First the image with its label, then the predictions, each class in a colour of its "
    "own. Below "
    "each: ";

}  // namespace

std::string errors_section(const EvaluationPage& page) {
  const std::string heading = "<h2>Where they fail</h2>\n";
  if (!page.pictures.missing.empty()) return heading + not_shown(page);
  return heading + errors_table(page) +
         "<p class=\"quiet\">Percent of the pixels, every image counts the same. Distances are percent of "
         "the image's "
         "diagonal.</p>\n<div class=\"grid2\">\n" +
         (page.pictures.classes ? "" : distance_plot(page)) + heat_maps(page) + "</div>\n";
}

std::string pictures_section(const EvaluationPage& page) {
  if (!page.pictures.missing.empty()) return "";
  const std::string title = short_title(image_figure(page.results.front(), page.figures.front()).title);
  return "<h2>Images</h2>\n" + (page.pictures.classes ? std::string(kClassLegend) : std::string(kLegend)) +
         html_text(title) + ".</p>\n" +
         choice(page, page.pictures.worst, "Worst, by the mean of all models", title) +
         choice(page, page.pictures.differing, "Where the models differ most", title) +
         choice(page, page.pictures.best, "Best", title);
}

}  // namespace portraitseg
