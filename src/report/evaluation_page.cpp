#include "portraitseg/report/evaluation_page.h"

#include <spdlog/fmt/fmt.h>

#include "portraitseg/core/text.h"

#include "report/evaluation_sections.h"
#include "report/page_head.h"

namespace portraitseg {
namespace {

constexpr const char* kGenerator = "<meta name=\"generator\" content=\"portraitseg report\">";

constexpr const char* kStyle = R"(<style>
  h3 { font-size: 15px; margin: 20px 0 6px; }
  .headline { font-size: 18px; line-height: 1.4; margin: 10px 0; padding-left: 12px; border-left: 4px solid var(--curve-0); }
  th { font-weight: 600; }
  th.figure { white-space: normal; }
  td.card { overflow-wrap: anywhere; min-width: 14em; }
  td small { display: block; color: var(--quiet); }
  .best { font-weight: 700; }
  .best::after { content: " \2605"; color: var(--mark); }
  .wrap { overflow-wrap: anywhere; }
  th.wrap { overflow-wrap: break-word; min-width: 6em; }
  svg.sample { display: inline-block; width: 28px; height: 8px; margin-right: 5px; }
  svg text.label, svg text.note { fill: var(--text); }
  circle.point { fill-opacity: .55; }
  .cases { display: grid; gap: 18px 24px; grid-template-columns: repeat(auto-fill, minmax(min(100%, 440px), 1fr)); }
  .case { min-width: 0; break-inside: avoid; }
  .case h4 { font-size: 13px; margin: 0 0 4px; overflow-wrap: anywhere; }
  .views { display: grid; gap: 4px; grid-template-columns: repeat(auto-fit, minmax(104px, 1fr)); }
  .views figcaption, .maps figcaption { display: block; font-size: 12px; }
  .maps { display: grid; gap: 12px; max-width: 480px; grid-template-columns: repeat(auto-fill, minmax(140px, 1fr)); }
  .bar { height: 12px; max-width: 300px; margin: 8px 0 2px; print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  .ends { display: flex; justify-content: space-between; max-width: 300px; font-size: 12px; color: var(--quiet); }
  figure, tr { break-inside: avoid; }
  i { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  @media (max-width: 500px) { .headline { font-size: 16px; } th, td { padding-right: 8px; } }
  @media print { :root { color-scheme: light; --back: #fff; --text: #1c1e21; --quiet: #5c626b; --grid: #d9dce1; --mark: #8a5a00;
    --curve-0: #0067a8; --curve-1: #c44e00; --curve-2: #00795a; --curve-3: #a63a80; --curve-4: #6b55b8;
    --curve-5: #806600; --curve-6: #a8232f; --curve-7: #4a5560; } body { max-width: none; } h2, h3 { break-after: avoid; }
    .cases { grid-template-columns: 1fr 1fr; } }
</style>
)";

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
  return kPageHead + std::string(kGenerator) + "\n" + kStyle +
         fmt::format("<title>Evaluation: {0}</title>\n</head>\n<body>\n<h1>Evaluation: {0}</h1>\n", names) +
         introduction(page) + figures_section(page) + differences_section(page) + errors_section(page) +
         pictures_section(page) + distribution_section(page) + groups_section(page) +
         all_figures_section(page) + protocol_section(page) + "</body>\n</html>\n";
}

bool is_evaluation_page(const std::string& text) {
  const std::size_t end_of_head = text.find("</head>");
  return text.rfind(kPageHead, 0) == 0 && text.find(kGenerator) < end_of_head;
}

}  // namespace portraitseg
