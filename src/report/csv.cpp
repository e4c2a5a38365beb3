#include "portraitseg/report/csv.h"

#include <cmath>
#include <map>
#include <set>

#include <spdlog/fmt/fmt.h>

#include "portraitseg/core/text.h"

namespace portraitseg {
namespace {

std::string join(const std::vector<std::string>& cells) {
  std::string line;
  for (const auto& cell : cells) line += (line.empty() ? "" : ",") + cell;
  return line + "\n";
}

std::string number(double value) {
  return fmt::format("{:.10g}", value);
}

void add_counts(std::vector<std::string>& cells, const PixelCounts& counts) {
  for (const auto value : {counts.tp, counts.fp, counts.fn, counts.tn})
    cells.push_back(std::to_string(value));
}

/// The values of these names, "" for one that is not there.
void add_values(std::vector<std::string>& cells, const std::set<std::string>& names,
                const std::map<std::string, double>& values) {
  for (const auto& name : names) {
    const auto found = values.find(name);
    cells.push_back(found == values.end() ? "" : number(found->second));
  }
}

std::vector<std::string> foreground_header(const Protocol& protocol) {
  std::vector<std::string> header = {"tp", "fp", "fn", "tn"};
  for (const int kernel : protocol.band_kernels) {
    for (const char* count : {"tp", "fp", "fn", "tn"})
      header.push_back(fmt::format("band{}_{}", kernel, count));
  }
  for (const char* name : {"iou_foreground", "iou_background"}) header.emplace_back(name);
  for (const int kernel : protocol.band_kernels) header.push_back(fmt::format("boundary_f1_{}", kernel));
  for (const double sigma : protocol.edge_sigmas) header.push_back(fmt::format("edge_iou_{:g}", sigma));
  for (const double sigma : protocol.weighted_sigmas)
    header.push_back(fmt::format("weighted_iou_{:g}", sigma));
  return header;
}

std::vector<std::string> foreground_cells(const ImageResult& image) {
  std::vector<std::string> cells;
  add_counts(cells, image.counts);
  for (const auto& [unused, counts] : image.bands) add_counts(cells, counts);
  cells.push_back(number(100 * image.counts.iou_foreground()));
  cells.push_back(number(100 * image.counts.iou_background()));
  for (const auto& [unused, counts] : image.bands) cells.push_back(number(100 * counts.f1()));
  for (const auto& [unused, value] : image.edge_iou) cells.push_back(number(100 * value));
  for (const auto& [unused, value] : image.weighted_iou) cells.push_back(number(100 * value));
  return cells;
}

std::vector<std::string> class_header(std::int64_t classes) {
  std::vector<std::string> header;
  for (std::int64_t c = 0; c < classes; ++c) {
    for (const char* count : {"tp", "fp", "fn"}) header.push_back(fmt::format("class{}_{}", c, count));
  }
  for (std::int64_t c = 0; c < classes; ++c) header.push_back(fmt::format("class_iou_{}", c));
  header.emplace_back("miou");
  return header;
}

std::vector<std::string> class_cells(const ClassCounts& counts) {
  std::vector<std::string> cells;
  for (std::size_t c = 0; c < counts.tp.size(); ++c) {
    for (const auto value : {counts.tp[c], counts.fp[c], counts.fn[c]})
      cells.push_back(std::to_string(value));
  }
  const auto share = [](double value) { return std::isnan(value) ? "" : number(100 * value); };
  for (const double iou : counts.iou()) cells.push_back(share(iou));
  cells.push_back(share(counts.miou()));
  return cells;
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

  std::string text = join(header);
  for (const auto& record : history) {
    std::vector<std::string> cells = {std::to_string(record.epoch), number(record.lr),
                                      std::to_string(record.skipped), number(record.train_loss)};
    add_values(cells, terms, record.loss_terms);
    add_values(cells, figures, record.validation);
    cells.insert(cells.end(),
                 {record.val_protocol, record.val_list_sha256, std::to_string(record.val_images)});
    text += join(cells);
  }
  return text;
}

std::string per_image_csv(const Evaluation& evaluation) {
  const Protocol& protocol = evaluation.protocol;
  const bool classes = protocol.counting == Protocol::Counting::kClasses;
  const std::vector<std::string> origin = {protocol.name, protocol.hash(), csv_cell(evaluation.list_name),
                                           evaluation.list_sha256};
  std::vector<std::string> header = {"id", "height", "width"};
  const auto add = [](std::vector<std::string>& cells, const std::vector<std::string>& more) {
    cells.insert(cells.end(), more.begin(), more.end());
  };
  add(header, classes ? class_header(evaluation.images.empty() ? 0 : evaluation.images[0].classes.classes())
                      : foreground_header(protocol));
  add(header, {"protocol", "protocol_hash", "list", "list_sha256"});

  std::string text = join(header);
  for (const auto& image : evaluation.images) {
    std::vector<std::string> cells = {csv_cell(image.id), std::to_string(image.height),
                                      std::to_string(image.width)};
    add(cells, classes ? class_cells(image.classes) : foreground_cells(image));
    add(cells, origin);
    text += join(cells);
  }
  return text;
}

}  // namespace portraitseg
