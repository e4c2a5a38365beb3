#include "portraitseg/data/supervisely.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <utility>

#include <nlohmann/json.hpp>
#include <opencv2/imgproc.hpp>

#include "portraitseg/core/error.h"
#include "portraitseg/core/file.h"
#include "portraitseg/data/image_file.h"
#include "portraitseg/data/paired_dataset.h"

#include "file_search.h"
#include "inflate.h"

namespace portraitseg {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

/// RFC 4648, with or without padding; line ends are left out.
std::string decode_base64(const std::string& text, const std::string& what, const fs::path& path) {
  static const std::string kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string bytes;
  std::uint32_t group = 0;
  int bits = 0;
  for (const char c : text.substr(0, text.find('='))) {
    if (c == '\n' || c == '\r') continue;
    const auto digit = kAlphabet.find(c);
    if (digit == std::string::npos) throw DataError(path, what + " is not base64");
    group = group << 6 | static_cast<std::uint32_t>(digit);
    bits += 6;
    if (bits < 8) continue;
    bits -= 8;
    bytes.push_back(static_cast<char>(group >> bits & 0xff));
  }
  return bytes;
}

/// One object of an annotation, with what messages about it need.
struct Object {
  const Json& json;
  std::string name;  ///< "object 2 (person_poly)"
  const fs::path& path;

  [[noreturn]] void fail(const std::string& message) const { throw DataError(path, name + ": " + message); }
};

cv::Point read_point(const Json& json, const Object& object) {
  constexpr double kFarthest = 1 << 20;  // px; OpenCV's own arithmetic stays exact within
  if (!json.is_array() || json.size() != 2 || !json[0].is_number() || !json[1].is_number())
    object.fail("a point is not [x, y]");
  const double x = json[0].get<double>(), y = json[1].get<double>();
  if (!(std::abs(x) <= kFarthest && std::abs(y) <= kFarthest)) object.fail("a point lies too far outside");
  return {static_cast<int>(std::lround(x)), static_cast<int>(std::lround(y))};
}

std::vector<cv::Point> read_ring(const Json& json, const Object& object) {
  if (!json.is_array() || json.size() < 3) object.fail("an outline needs three points or more");
  std::vector<cv::Point> ring;
  for (const auto& point : json) ring.push_back(read_point(point, object));
  return ring;
}

void draw_polygon(cv::Mat& mask, const Object& object) {
  const Json points = object.json.value("points", Json());
  if (!points.is_object() || !points.contains("exterior")) object.fail("neither a polygon nor a bitmap");
  std::vector<std::vector<cv::Point>> rings = {read_ring(points["exterior"], object)};
  for (const auto& hole : points.value("interior", Json::array())) rings.push_back(read_ring(hole, object));
  cv::Mat own = cv::Mat::zeros(mask.size(), CV_8U);  // even-odd within the object, union with the others
  cv::fillPoly(own, rings, cv::Scalar(1));
  mask |= own;
}

void draw_bitmap(cv::Mat& mask, const Object& object) {
  const Json& bitmap = object.json["bitmap"];
  if (!bitmap.is_object() || !bitmap.contains("data") || !bitmap["data"].is_string() ||
      !bitmap.contains("origin")) {
    object.fail("a bitmap needs data and origin");
  }
  const std::string what = object.name + ": the bitmap";
  const std::string png =
      inflate(decode_base64(bitmap["data"].get<std::string>(), what, object.path), what, object.path);
  if (png.empty()) object.fail("the bitmap is empty");
  cv::Mat values = decode_image(png, object.path.string() + ": " + what);
  if (values.depth() != CV_8U || (values.channels() != 1 && values.channels() != 4))
    object.fail("the bitmap has " + std::to_string(values.channels()) + " channels and no alpha");
  if (values.channels() == 4) cv::extractChannel(values, values, 3);
  const cv::Point origin = read_point(bitmap["origin"], object);
  const cv::Rect inside = cv::Rect(origin, values.size()) & cv::Rect({0, 0}, mask.size());
  if (inside.empty()) return;
  mask(inside).setTo(1, values(inside - origin) > 0);
}

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const auto& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

bool contains(const std::vector<std::string>& words, const std::string& word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

void check_size(const Json& annotation, cv::Size image, const fs::path& path) {
  if (!annotation.contains("size")) return;
  const auto height = annotation["size"].at("height").get<std::int64_t>();
  const auto width = annotation["size"].at("width").get<std::int64_t>();
  if (height == image.height && width == image.width) return;
  throw MaskSizeError(path, "annotates an image of " + std::to_string(height) + "x" + std::to_string(width) +
                                ", but the image is " + std::to_string(image.height) + "x" +
                                std::to_string(image.width) + " (height x width)");
}

cv::Mat draw(const Json& annotation, cv::Size image, const SuperviselyOptions& options,
             const fs::path& path) {
  check_size(annotation, image, path);
  if (!annotation.contains("objects") || !annotation["objects"].is_array())
    throw DataError(path, "no list 'objects'");
  const Json& objects = annotation["objects"];
  if (objects.empty()) throw DataError(path, "no objects: nothing says where the person is");
  std::vector<std::string> unknown;
  cv::Mat mask = cv::Mat::zeros(image, CV_8U);
  for (std::size_t i = 0; i < objects.size(); ++i) {
    const auto title = objects[i].at("classTitle").get<std::string>();
    const Object object{objects[i], "object " + std::to_string(i) + " (" + title + ")", path};
    if (contains(options.classes, title)) {
      const bool bitmap = object.json.contains("bitmap") && !object.json["bitmap"].is_null();
      bitmap ? draw_bitmap(mask, object) : draw_polygon(mask, object);
    } else if (!contains(options.ignored_classes, title) && !contains(unknown, title)) {
      unknown.push_back(title);
    }
  }
  if (!unknown.empty()) {
    throw DataError(path, "unknown class " + joined(unknown) + "; data.classes are " +
                              joined(options.classes) + "; add it there or to data.ignored_classes");
  }
  if (cv::countNonZero(mask) == 0)
    throw DataError(path, "the objects of data.classes cover no pixel of the image");
  return mask;
}

cv::Mat read_annotation(const fs::path& path, cv::Size image, const SuperviselyOptions& options) {
  const Json annotation = Json::parse(read_file(path), nullptr, false);
  if (annotation.is_discarded()) throw DataError(path, "not JSON, or cut off");
  if (!annotation.is_object()) throw DataError(path, "no annotation: expected a JSON object");
  try {
    return draw(annotation, image, options, path);
  } catch (const Json::exception& error) {
    throw DataError(path, std::string("not an annotation of Supervisely: ") + error.what());
  }
}

/// @param entry "dsN/NAME.png", "dsN/img/NAME.png" or "dsN/NAME"
ImagePair find_pair(const fs::path& root, const fs::path& entry) {
  const fs::path parent = entry.parent_path();
  const fs::path group = parent.filename() == "img" ? parent.parent_path() : parent;
  const std::string name = entry.filename().string(), stem = without_image_extension(name);
  const fs::path folder = root / group;
  const fs::path image = name == stem ? image_with_stem(folder / "img", stem) : folder / "img" / name;
  fs::path annotation = folder / "ann" / (image.filename().string() + ".json");
  std::error_code unknown;
  if (!fs::exists(annotation, unknown)) annotation = folder / "ann" / (stem + ".json");
  return {(group / stem).string(), image, annotation, {{"group", group.string()}}};
}

std::vector<fs::path> images_of(const fs::path& root, const std::string& folder) {
  std::vector<fs::path> entries;
  for (const auto& file : images_below(root / folder)) {
    if (file.has_parent_path() && file.parent_path().filename() == "img") entries.push_back(folder / file);
  }
  if (entries.empty())
    throw DataError(root / folder, "no Supervisely project here; expected dsN/img and dsN/ann");
  return entries;
}

}  // namespace

void SuperviselyOptions::fields(Fields& f) {
  f("root", root, "the project's folder, with ds1/img, ds1/ann ...");
  f("classes", classes, "class titles of people");
  f("ignored_classes", ignored_classes, "class titles to leave out; any other stops the run");
}

std::unique_ptr<Dataset> SuperviselyOptions::open(const std::string& list, OnError on_error) const {
  const fs::path folder = data_root(root, "Supervisely Person");
  fs::path list_path = list;
  std::vector<fs::path> entries;
  if (list == "all") {
    entries = images_of(folder, "");
  } else if (fs::is_directory(folder / list / "img")) {
    entries = images_of(folder, list);
  } else {
    list_path = find_list(list, folder);
    for (const auto& line : read_lines(list_path)) entries.emplace_back(line);
  }
  std::vector<ImagePair> pairs;
  for (const auto& entry : entries) pairs.push_back(find_pair(folder, entry));
  return std::make_unique<PairedDataset>(std::move(pairs), list_path, on_error,
                                         [options = *this](const fs::path& path, cv::Size image) {
                                           return read_annotation(path, image, options);
                                         });
}

}  // namespace portraitseg
