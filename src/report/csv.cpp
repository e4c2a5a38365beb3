#include "portraitseg/report/csv.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <map>
#include <set>

#include <spdlog/fmt/fmt.h>

#include "portraitseg/core/text.h"

#include "data/csv_table.h"

namespace portraitseg {
namespace {

std::string number(double value) {
  return fmt::format("{:.10g}", value);
}

/// So that it is read back as the same number.
std::string exact(double value) {
  return fmt::format("{}", value);
}

std::string cell_of(double value) {
  return std::isnan(value) ? "" : number(value);
}

/// The values of these names, "" for one that is not there.
void add_values(std::vector<std::string>& cells, const std::set<std::string>& names,
                const std::map<std::string, double>& values) {
  for (const auto& name : names) {
    const auto found = values.find(name);
    cells.push_back(found == values.end() ? "" : number(found->second));
  }
}

/// Whether a column shows the figure already.
bool is_column(const std::vector<std::string>& columns, const std::string& figure) {
  return std::find(columns.begin(), columns.end(), figure) != columns.end();
}

/// The names of the attributes that any image has.
std::set<std::string> attributes_of(const std::vector<ImageRow>& images) {
  std::set<std::string> names;
  for (const ImageRow& image : images) {
    for (const auto& [name, unused] : image.attributes) names.insert(name);
  }
  return names;
}

}  // namespace

std::string metrics_csv(const std::vector<EpochRecord>& history) {
  if (history.empty()) return "";
  std::set<std::string> terms, figures;
  for (const auto& record : history) {
    for (const auto& [title, unused] : record.loss_terms) terms.insert(title);
    for (const auto& [name, unused] : record.validation) figures.insert(name);
  }
  std::vector<std::string> header = {"epoch", "lr", "skipped", "train_loss"};
  for (const auto& title : terms) header.push_back("train_loss." + title);
  for (const auto& name : figures) header.push_back("val_" + name);
  for (const char* name : {"val_protocol", "val_list_sha256", "val_n"}) header.emplace_back(name);

  std::string text = csv_line(header);
  for (const auto& record : history) {
    std::vector<std::string> cells = {std::to_string(record.epoch), number(record.lr),
                                      std::to_string(record.skipped), number(record.train_loss)};
    add_values(cells, terms, record.loss_terms);
    add_values(cells, figures, record.validation);
    cells.insert(cells.end(),
                 {record.val_protocol, record.val_list_sha256, std::to_string(record.val_images)});
    text += csv_line(cells);
  }
  return text;
}

std::map<std::string, std::vector<double>> read_metrics(const std::filesystem::path& path) {
  std::map<std::string, std::vector<double>> columns;
  if (std::filesystem::is_empty(path)) return columns;
  const CsvTable table(path);
  for (std::size_t c = 0; c < table.header().size(); ++c) {
    std::vector<double> values;
    for (const auto& row : table.rows()) {
      const std::string& cell = row[c];
      double value = std::numeric_limits<double>::quiet_NaN();
      const auto [end, error] = std::from_chars(cell.data(), cell.data() + cell.size(), value);
      if (!cell.empty() && (error != std::errc() || end != cell.data() + cell.size())) break;
      values.push_back(value);
    }
    if (values.size() == table.rows().size()) columns[table.header()[c]] = values;
  }
  return columns;
}

std::string per_image_csv(const Evaluation& evaluation) {
  const std::vector<std::string> columns = evaluation.columns();
  const std::set<std::string> attributes = attributes_of(evaluation.images);
  const std::vector<std::string> origin = {evaluation.protocol.name, evaluation.protocol.hash(),
                                           evaluation.list_name, evaluation.list_sha256};
  std::vector<std::string> header = {"id", "height", "width"};
  header.insert(header.end(), columns.begin(), columns.end());
  for (const Metric& metric : evaluation.metrics) {
    for (const Figure& figure : metric.figures) {
      if (!is_column(columns, figure.name)) header.push_back(figure.name);
    }
  }
  header.insert(header.end(), {"foreground_share", "brightness"});
  for (const auto& name : attributes) header.push_back("attribute." + name);
  header.insert(header.end(), {"protocol", "protocol_hash", "list", "list_sha256"});

  std::string text = csv_line(header);
  for (const ImageRow& image : evaluation.images) {
    std::vector<std::string> cells = {image.id, std::to_string(image.height), std::to_string(image.width)};
    for (const double value : image.values) cells.push_back(std::isnan(value) ? "" : exact(value));
    for (const auto& [name, title, value] : evaluation.figures_of(image)) {
      if (!is_column(columns, name)) cells.push_back(cell_of(value));
    }
    cells.insert(cells.end(), {cell_of(image.foreground_share), cell_of(image.brightness)});
    for (const auto& name : attributes) {
      const auto found = image.attributes.find(name);
      cells.push_back(found == image.attributes.end() ? "" : found->second);
    }
    cells.insert(cells.end(), origin.begin(), origin.end());
    text += csv_line(cells);
  }
  return text;
}

}  // namespace portraitseg
