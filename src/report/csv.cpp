#include "portraitseg/report/csv.h"

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

}  // namespace

std::string metrics_csv(const std::vector<EpochRecord>& history) {
  std::string text;
  for (const auto& record : history) {
    if (text.empty()) {
      std::vector<std::string> header = {"epoch", "lr", "skipped", "train_loss"};
      for (const auto& [title, unused] : record.loss_terms) header.push_back("train_loss." + title);
      for (const auto& [name, unused] : record.validation) header.push_back("val_" + name);
      for (const char* name : {"val_protocol", "val_list_sha256", "val_n"}) header.emplace_back(name);
      text += join(header);
    }
    std::vector<std::string> cells = {std::to_string(record.epoch), number(record.lr),
                                      std::to_string(record.skipped), number(record.train_loss)};
    for (const auto& [unused, value] : record.loss_terms) cells.push_back(number(value));
    for (const auto& [unused, value] : record.validation) cells.push_back(number(value));
    cells.insert(cells.end(),
                 {record.val_protocol, record.val_list_sha256, std::to_string(record.val_images)});
    text += join(cells);
  }
  return text;
}

std::string per_image_csv(const Evaluation& evaluation) {
  const Protocol& protocol = evaluation.protocol;
  std::vector<std::string> header = {"id", "height", "width", "tp", "fp", "fn", "tn"};
  for (const int kernel : protocol.band_kernels) {
    for (const char* count : {"tp", "fp", "fn", "tn"})
      header.push_back(fmt::format("band{}_{}", kernel, count));
  }
  for (const char* name : {"iou_foreground", "iou_background"}) header.emplace_back(name);
  for (const int kernel : protocol.band_kernels) header.push_back(fmt::format("boundary_f1_{}", kernel));
  for (const double sigma : protocol.edge_sigmas) header.push_back(fmt::format("edge_iou_{:g}", sigma));
  for (const double sigma : protocol.weighted_sigmas)
    header.push_back(fmt::format("weighted_iou_{:g}", sigma));
  for (const char* name : {"protocol", "protocol_hash", "list", "list_sha256"}) header.emplace_back(name);

  const std::vector<std::string> origin = {protocol.name, protocol.hash(), csv_cell(evaluation.list_name),
                                           evaluation.list_sha256};
  std::string text = join(header);
  for (const auto& image : evaluation.images) {
    std::vector<std::string> cells = {csv_cell(image.id), std::to_string(image.height),
                                      std::to_string(image.width)};
    add_counts(cells, image.counts);
    for (const auto& [unused, counts] : image.bands) add_counts(cells, counts);
    cells.push_back(number(100 * image.counts.iou_foreground()));
    cells.push_back(number(100 * image.counts.iou_background()));
    for (const auto& [unused, counts] : image.bands) cells.push_back(number(100 * counts.f1()));
    for (const auto& [unused, value] : image.edge_iou) cells.push_back(number(100 * value));
    for (const auto& [unused, value] : image.weighted_iou) cells.push_back(number(100 * value));
    cells.insert(cells.end(), origin.begin(), origin.end());
    text += join(cells);
  }
  return text;
}

}  // namespace portraitseg
