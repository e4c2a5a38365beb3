#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <memory>

#include "portraitseg/core/error.h"
#include "portraitseg/core/file.h"
#include "portraitseg/report/evaluation_page.h"

#include "commands.h"
#include "evaluation_choice.h"
#include "output_place.h"
#include "terminal.h"

namespace portraitseg {
namespace {

namespace fs = std::filesystem;

struct ReportArguments {
  EvaluationChoice choice;
  std::string output;
  std::int64_t workers = 2;
};

/// A training's folder, or its stage's, which keeps its own page.
bool is_run(const fs::path& folder) {
  return fs::exists(folder / "config.yaml") && !fs::exists(folder / "metrics.json");
}

/// Says where the page of a run lies, one line a stage.
int show_run(const fs::path& folder) {
  std::vector<fs::path> pages;
  if (fs::exists(folder / "report.html")) pages.push_back(folder / "report.html");
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (fs::exists(entry.path() / "report.html")) pages.push_back(entry.path() / "report.html");
  }
  if (pages.empty())
    throw DataError(folder, "no epoch of this run is finished, so it has no report.html yet");
  std::sort(pages.begin(), pages.end());
  for (const auto& page : pages) std::printf("%s\n", page.c_str());
  return 0;
}

/// Where the page is to lie: beside a single result, else in the folder one works in.
fs::path output_of(const ReportArguments& arguments) {
  if (!arguments.output.empty()) return arguments.output;
  const auto& results = arguments.choice.results;
  return results.size() == 1 ? fs::path(results.front()) / "report.html" : fs::path("report.html");
}

/// Only an older page of ours gives way. @throws DataError
void check_output(const fs::path& file) {
  std::error_code error;
  if (fs::is_directory(file, error)) throw DataError(file, "is a folder; --output needs a file");
  check_output_place(fs::absolute(file).parent_path());
  if (fs::is_regular_file(file, error) && !is_evaluation_page(read_file(file)))
    throw DataError(file, "is there, and is no page of evaluations; choose another --output");
}

/// Fewer of many results, so that a page stays a few MB.
std::size_t images_of_a_choice(std::size_t results) {
  return std::clamp<std::size_t>(24 / (results + 1), 2, 6);
}

EvaluationPage page_of(const ReportArguments& arguments) {
  const EvaluationChoice& choice = arguments.choice;
  std::vector<Contender> contenders = one_by_one(choice.results, choice.protocol);
  EvaluationPage page;
  page.comparison = compare(contenders, choice.comparison());
  page.groups = by_groups(choice, contenders);
  align(contenders, choice.force);
  for (const Contender& contender : contenders) {
    page.names.push_back(contender.name);
    page.results.push_back(contender.results.front());
  }
  page.figures = choice.figures.empty() ? default_figures(page.results.front()) : choice.figures;
  const auto chosen = choose_images(quality_by_image(page.results, page.figures.front()),
                                    images_of_a_choice(page.results.size()));
  ProgressBar bar("images", ProgressBar::Elsewhere::kNothing);
  page.pictures = evaluation_pictures(page.results, chosen, arguments.workers,
                                      [&](std::int64_t done, std::int64_t total) { bar.show(done, total); });
  return page;
}

int report_command(const ReportArguments& arguments) {
  const EvaluationChoice& choice = arguments.choice;
  for (const std::string& folder : choice.results) {
    if (!is_run(folder)) continue;
    if (choice.results.size() == 1 && arguments.output.empty()) return show_run(folder);
    throw DataError(folder,
                    "is a training's folder, which has its own report.html; evaluate it with --output first");
  }
  check_choice(choice);
  refuse_twice(choice.results);
  const fs::path output = output_of(arguments);
  check_output(output);
  const EvaluationPage page = page_of(arguments);
  make_folder(fs::absolute(output).parent_path());
  write_file(output, evaluation_page(page));
  if (!page.pictures.missing.empty()) say("without pictures: " + page.pictures.missing);
  for (const std::string& sentence : headline(page)) std::printf("%s\n", sentence.c_str());
  std::printf("%s\n", output.c_str());
  return 0;
}

}  // namespace

void add_report(CLI::App& app, Action& action) {
  auto arguments = std::make_shared<ReportArguments>();
  CLI::App* command = app.add_subcommand(
      "report", "Writes a page that shows which evaluation is better, by how much, and where each fails");
  add_evaluation_options(*command, arguments->choice);
  command->add_option(
      "--output", arguments->output,
      "HTML file; default: report.html in the result's folder, of several in the working folder");
  command->add_option("--workers", arguments->workers, "threads that read images")
      ->check(CLI::Range(0, 256))
      ->capture_default_str();
  command->callback([&action, arguments] { action = [arguments] { return report_command(*arguments); }; });
}

}  // namespace portraitseg
