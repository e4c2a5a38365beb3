#include "portraitseg/report/evaluation_page.h"

#include <spdlog/fmt/fmt.h>

#include "portraitseg/core/text.h"

#include "report/evaluation_sections.h"
#include "report/figure_text.h"
#include "report/page_head.h"
#include "report/page_style.h"

namespace portraitseg {
namespace {

constexpr const char* kGenerator = "<meta name=\"generator\" content=\"portraitseg report\">";

std::string names_text(const EvaluationPage& page) {
  return fmt::format("{}", fmt::join(page.names, ", "));
}

std::string introduction(const EvaluationPage& page) {
  std::string html;
  for (const std::string& sentence : headline(page))
    html += "<p class=\"headline\">" + html_text(sentence) + "</p>\n";
  const Comparison& all = page.comparison;
  html += fmt::format(
      "<p class=\"quiet\">{} images of {} (list sha256 {:.8}), protocol {} (hash {:.8}).</p>\n", all.images,
      html_text(all.list), html_text(all.list_sha256), html_text(all.protocol), html_text(all.protocol_hash));
  for (const std::string& warning : all.warnings)
    html += fmt::format("<p><b>Forced, over the {} images that all have:</b> {}</p>\n", all.images,
                        html_text(warning));
  return html;
}

}  // namespace

std::vector<std::vector<double>> quality_by_image(const std::vector<EvaluationResult>& results,
                                                  const std::string& figure) {
  std::vector<std::vector<double>> qualities;
  for (const EvaluationResult& result : results) {
    qualities.push_back(result.numbers.at(figure));
    if (!lower_is_better(figure)) continue;
    for (double& value : qualities.back()) value = -value;
  }
  return qualities;
}

std::string evaluation_page(const EvaluationPage& page) {
  const std::string names = html_text(names_text(page));
  return kPageHead + std::string(kGenerator) + "\n" + kPageStyle +
         fmt::format("<title>Evaluation: {0}</title>\n</head>\n<body>\n<h1>Evaluation: {0}</h1>\n", names) +
         introduction(page) + figures_section(page) + differences_section(page) + errors_section(page) +
         pictures_section(page) + distribution_section(page) + groups_section(page) +
         all_figures_section(page) + protocol_section(page) + "</body>\n</html>\n";
}

bool is_evaluation_page(const std::string& text) {
  return is_page_of(text, kGenerator);
}

}  // namespace portraitseg
