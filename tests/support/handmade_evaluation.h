#pragma once

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "support/command.h"

namespace portraitseg::testing {

/// A folder as `evaluate --output` writes it, made by hand.
struct HandmadeEvaluation {
  std::string protocol = "clova", protocol_hash = std::string(64, 'a');
  std::string list = "test.txt", list_sha256 = std::string(64, 'b');
  std::vector<std::pair<std::string, nlohmann::ordered_json>> figures;   ///< over the list
  std::vector<std::string> columns;                                      ///< beside the usual ones
  std::vector<std::pair<std::string, std::vector<std::string>>> images;  ///< id, cells of the columns

  /// Of images "000", "001" ... with these foreground IoUs, whatever their counts say.
  static HandmadeEvaluation of(const std::vector<double>& iou) {
    HandmadeEvaluation folder;
    folder.figures = {{"iou_foreground", 0}};
    folder.columns = {"iou_foreground", "tp", "fp", "fn", "tn"};
    for (std::size_t i = 0; i < iou.size(); ++i) {
      const std::string number = std::to_string(i);
      folder.images.push_back(
          {std::string(3 - number.size(), '0') + number, {std::to_string(iou[i]), "1", "0", "0", "1"}});
    }
    return folder;
  }

  HandmadeEvaluation& add(const std::string& column, const std::vector<std::string>& cells) {
    columns.push_back(column);
    for (std::size_t i = 0; i < images.size(); ++i) images[i].second.push_back(cells.at(i));
    return *this;
  }

  std::string table() const {
    std::string text = "id,height,width";
    for (const auto& column : columns) text += "," + column;
    text += ",protocol,protocol_hash,list,list_sha256\n";
    for (const auto& [id, cells] : images) {
      text += id + ",224,224";
      for (const auto& cell : cells) text += "," + cell;
      text += "," + protocol + "," + protocol_hash + "," + list + "," + list_sha256 + "\n";
    }
    return text;
  }

  nlohmann::ordered_json result() const {
    nlohmann::ordered_json metrics = nlohmann::ordered_json::object();
    for (const auto& [name, value] : figures) metrics[name] = value;
    return {{"protocol", protocol},   {"protocol_hash", protocol_hash},
            {"list", list},           {"list_sha256", list_sha256},
            {"n", images.size()},     {"network", "sinet"},
            {"weights", "SINet.pth"}, {"weights_sha256", std::string(64, 'c')},
            {"metrics", metrics}};
  }

  void write(const std::filesystem::path& path) const {
    std::filesystem::create_directories(path / protocol);
    write_bytes(path / "metrics.json", nlohmann::ordered_json{{"results", {result()}}}.dump());
    write_bytes(path / protocol / "per_image.csv", table());
  }
};

}  // namespace portraitseg::testing
