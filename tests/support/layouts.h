#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <ostream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <opencv2/core.hpp>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>

#include "support/mat_file.h"
#include "support/supervisely_objects.h"

namespace portraitseg::testing {

/// The masks that a data set must give, class index or 255, by id.
using Masks = std::map<std::string, cv::Mat>;

/// A data set's folder as its authors distribute it, with a few images of 48x40 (height x width).
struct Layout {
  std::string name;  ///< of the test
  std::string data;  ///< keys of the section data but for the lists and, where there is one, root
  std::string list;
  int classes = 2;
  std::function<Masks(const std::filesystem::path& root)> write;
  std::string converted = "  classes: 2\n";  ///< in the section that `dataset convert` prints
};

inline void PrintTo(const Layout& layout, std::ostream* out) {
  *out << layout.name;
}

inline void save(const std::filesystem::path& file, const cv::Mat& image) {
  std::filesystem::create_directories(file.parent_path());
  if (!cv::imwrite(file.string(), image)) throw std::runtime_error("cannot write " + file.string());
}

inline void save(const std::filesystem::path& file, const std::string& text) {
  std::filesystem::create_directories(file.parent_path());
  std::ofstream(file, std::ios::binary) << text;
}

constexpr int kLayoutImages = 4;

/// Another one for each number.
inline cv::Mat photo(int number) {
  cv::Mat image(48, 40, CV_8UC3);
  cv::RNG(static_cast<std::uint64_t>(number)).fill(image, cv::RNG::UNIFORM, 0, 256);
  cv::blur(image, image, {5, 5});
  return image;
}

/// 1 where the person is: head and shoulders.
inline cv::Mat person(int number) {
  cv::Mat mask = cv::Mat::zeros(48, 40, CV_8U);
  cv::ellipse(mask, {18 + number, 18}, {9, 12}, 0, 0, 360, 1, cv::FILLED);
  cv::rectangle(mask, {4, 32 + number}, {35, 47}, 1, cv::FILLED);
  return mask;
}

/// Values in place of the classes 0, 1 ...
inline cv::Mat recoded(const cv::Mat& mask, const std::vector<std::uint8_t>& values) {
  cv::Mat table = cv::Mat::zeros(1, 256, CV_8U), result;
  for (std::size_t i = 0; i < values.size(); ++i) table.at<std::uint8_t>(0, static_cast<int>(i)) = values[i];
  cv::LUT(mask, table, result);
  return result;
}

/// "00001"
inline std::string five_digits(int number) {
  return std::string(4, '0') + std::to_string(number);
}

/// Images and masks in files of their own; a # in a path stands for the number in five digits.
inline Masks write_pairs(const std::filesystem::path& root, const std::string& image, const std::string& mask,
                         const std::string& id, std::uint8_t portrait) {
  const auto numbered = [](std::string path, int number) {
    return path.replace(path.find('#'), 1, five_digits(number));
  };
  Masks masks;
  for (int i = 1; i <= kLayoutImages; ++i) {
    save(root / numbered(image, i), photo(i));
    save(root / numbered(mask, i), person(i) * portrait);
    masks[numbered(id, i)] = person(i);
  }
  return masks;
}

inline std::string numbers_in_lines(const std::string& before, const std::string& after) {
  std::string lines;
  for (int i = 1; i <= kLayoutImages; ++i) lines += before + five_digits(i) + after + "\n";
  return lines;
}

inline Masks write_eg1800_original(const std::filesystem::path& root) {
  Masks masks;
  std::vector<std::uint16_t> list;
  std::filesystem::create_directories(root / "images_mask");
  for (int i = 1; i <= kLayoutImages; ++i) {
    const cv::Mat mask = person(i);
    save(root / "images_data_crop" / (five_digits(i) + ".jpg"), photo(i));
    write_mat(root / "images_mask" / (five_digits(i) + "_mask.mat"), "mask", MAT_C_UINT8, MAT_T_UINT8,
              std::vector<std::uint8_t>(mask.datastart, mask.dataend), 48);
    list.push_back(static_cast<std::uint16_t>(i));
    masks[five_digits(i)] = mask;
  }
  write_mat(root / "trainlist.mat", "trainlist", MAT_C_UINT16, MAT_T_UINT16, list, 1);
  return masks;
}

inline Masks write_eg1800_portraitnet(const std::filesystem::path& root) {
  save(root / "eg1800_train.txt", numbers_in_lines("", ".png"));
  return write_pairs(root, "EG1800/Images/#.png", "EG1800/Labels/#.png", "#", 1);
}

inline Masks write_eg1800_clova(const std::filesystem::path& root) {
  save(root / "Portrait/train.txt", "1\n2\n3\n4\n");
  return write_pairs(root, "Portrait/images_data_crop/#.jpg", "Portrait/GT_png/#_mask.png", "#", 255);
}

inline Masks write_eg1800_deepixel(const std::filesystem::path& root) {
  return write_pairs(root, "image/#.png", "ground_truth/EG1800_#.png", "#", 200);
}

/// ds1 with outlines that have a hole, ds2 with bitmaps.
inline Masks write_supervisely(const std::filesystem::path& root) {
  Masks masks;
  const auto annotation = [](const nlohmann::json& object) {
    return nlohmann::json{{"size", {{"height", 48}, {"width", 40}}}, {"objects", {object}}}.dump();
  };
  for (int i = 1; i <= 2; ++i) {
    cv::Mat mask = cv::Mat::zeros(48, 40, CV_8U);
    mask(cv::Range(8, 40 + i), cv::Range(6, 34)).setTo(1);
    mask(cv::Range(20, 30), cv::Range(12, 20)).setTo(0);
    save(root / "ds1/img" / (five_digits(i) + ".png"), photo(i));
    // An outline belongs to the person, that of a hole, too.
    save(root / "ds1/ann" / (five_digits(i) + ".png.json"),
         annotation(polygon(rectangle(6, 8, 33, 39 + i), "person_poly", {rectangle(11, 19, 20, 30)})));
    masks["ds1/" + five_digits(i)] = mask;
  }
  for (int i = 3; i <= 4; ++i) {
    const cv::Rect box(4, 6, 32, 42);
    cv::Mat patch;
    cv::merge(std::vector<cv::Mat>(4, 255 * person(i)(box)), patch);
    cv::Mat mask = cv::Mat::zeros(48, 40, CV_8U);
    person(i)(box).copyTo(mask(box));
    save(root / "ds2/img" / (five_digits(i) + ".jpg"), photo(i));
    save(root / "ds2/ann" / (five_digits(i) + ".jpg.json"),
         annotation(bitmap(base64(deflated(png(patch))), box.x, box.y)));
    masks["ds2/" + five_digits(i)] = mask;
  }
  return masks;
}

inline Masks write_supervisely_face(const std::filesystem::path& root) {
  const std::string folder = "Supervisely_face/SuperviselyPerson_ds6/";
  save(root / "supervisely_face_train_easy.txt", numbers_in_lines(folder + "img/", ".png"));
  return write_pairs(root, folder + "img/#.png", folder + "ann/#.png", folder + "#", 255);
}

/// The nine labels of EasyPortrait.
inline cv::Mat face(int number) {
  cv::Mat mask = person(number);
  const auto put = [&](int x, int y, int width, int height, int label) {
    mask(cv::Rect(x + number, y, width, height)).setTo(label);
  };
  put(12, 10, 13, 18, 2);
  put(13, 12, 4, 1, 3), put(20, 12, 4, 1, 4);
  put(13, 15, 4, 2, 5), put(20, 15, 4, 2, 6);
  put(15, 22, 7, 4, 7), put(16, 23, 5, 2, 8);
  return mask;
}

/// @param classes of the labels 0..8 in the task.
/// @param metadata the header of meta.csv; its rows are the images' names and a user's.
inline Masks write_easyportrait(const std::filesystem::path& root, const std::vector<std::uint8_t>& classes,
                                const std::string& metadata, const std::string& separator) {
  Masks masks;
  std::string rows = metadata + "\n";
  for (int i = 1; i <= kLayoutImages; ++i) {
    save(root / "images/train" / (five_digits(i) + ".jpg"), photo(i));
    save(root / "annotations/train" / (five_digits(i) + ".png"), face(i));
    rows += five_digits(i) + separator + "user" + std::to_string(i) + "\n";
    masks["train/" + five_digits(i)] = recoded(face(i), classes);
  }
  save(root / "meta.csv", rows);
  return masks;
}

inline Masks write_aisegment(const std::filesystem::path& root) {
  Masks masks;
  for (int i = 1; i <= kLayoutImages; ++i) {
    cv::Mat cutout = photo(i), alpha;
    cv::blur(255 * person(i), alpha, {3, 3});
    cv::cvtColor(cutout, cutout, cv::COLOR_BGR2BGRA);
    cv::insertChannel(alpha, cutout, 3);
    save(root / "clip_img/1803151818/clip_00000000" / (five_digits(i) + ".jpg"), photo(i));
    save(root / "matting/1803151818/matting_00000000" / (five_digits(i) + ".png"), cutout);
    masks["1803151818/clip_00000000/" + five_digits(i)] = (alpha >= 128) / 255;
  }
  return masks;
}

inline Masks write_p3m(const std::filesystem::path& root) {
  const std::string folder = "validation/P3M-500-NP/";
  write_pairs(root, "train/blurred_image/#.jpg", "train/mask/#.png", "#", 255);
  return write_pairs(root, folder + "original_image/#.jpg", folder + "mask/#.png", "P3M-500-NP/#", 255);
}

/// Below a border of label 0 a person and a rider between road, sky and car.
/// @param classes of the labels 0..33.
inline Masks write_cityscapes(const std::filesystem::path& root,
                              const std::map<std::uint8_t, std::uint8_t>& classes) {
  Masks masks;
  std::vector<std::uint8_t> table(34, 255);
  for (const auto& [label, index] : classes) table[label] = index;
  for (int i = 1; i <= kLayoutImages; ++i) {
    cv::Mat labels(48, 40, CV_8U, cv::Scalar(7));
    labels.rowRange(0, 16).setTo(23);
    labels(cv::Rect(24, 20, 14, 10)).setTo(26);
    labels(cv::Rect(4 + i, 10, 8, 30)).setTo(24);
    labels(cv::Rect(15 + i, 12, 6, 20)).setTo(25);
    labels.rowRange(46, 48).setTo(0);
    const std::string name = "train/ulm/ulm_00000" + std::to_string(i) + "_000019";
    save(root / "leftImg8bit" / (name + "_leftImg8bit.png"), photo(i));
    save(root / "gtFine" / (name + "_gtFine_labelIds.png"), labels);
    masks[name] = recoded(labels, table);
  }
  return masks;
}

inline Masks write_image_list(const std::filesystem::path& root) {
  std::string lines;
  for (int i = 1; i <= kLayoutImages; ++i)
    lines += "images/" + five_digits(i) + ".jpg masks/" + five_digits(i) + ".png\n";
  save(root / "train.txt", lines);
  return write_pairs(root, "images/#.jpg", "masks/#.png", "images/#", 255);
}

inline Masks write_backgrounds(const std::filesystem::path& root) {
  Masks masks;
  for (int i = 1; i <= kLayoutImages; ++i) {
    save(root / "streets" / (five_digits(i) + ".jpg"), photo(i));
    masks["streets/" + five_digits(i)] = cv::Mat::zeros(48, 40, CV_8U);
  }
  return masks;
}

inline Masks write_folders(const std::filesystem::path& root) {
  return write_pairs(root, "pictures/a/#.jpg", "truth/a/#.png", "a/#", 255);
}

/// Portraits and backgrounds.
inline Masks write_mixture(const std::filesystem::path& root) {
  Masks masks;
  for (const auto& [id, mask] : write_folders(root / "portraits")) masks["0/" + id] = mask;
  for (int i = 5; i <= 6; ++i) {
    save(root / "empty" / (five_digits(i) + ".jpg"), photo(i));
    masks["1/" + five_digits(i)] = cv::Mat::zeros(48, 40, CV_8U);
  }
  return masks;
}

/// Every layout that is read, EG1800's four among them.
inline std::vector<Layout> layouts() {
  const std::vector<std::uint8_t> all = {0, 1, 2, 3, 4, 5, 6, 7, 8}, portrait = {0, 1, 1, 1, 1, 1, 1, 1, 1},
                                  parsing = {0, 0, 1, 2, 3, 4, 5, 6, 7};
  const auto easyportrait = [](const std::vector<std::uint8_t>& classes) {
    return [classes](const std::filesystem::path& root) {
      return write_easyportrait(root, classes, "image_name,user_id", ",");
    };
  };
  const auto easyportrait_v1 = [portrait](const std::filesystem::path& root) {
    return write_easyportrait(root, portrait, "attachment_id\tuser_id", "\t");
  };
  const auto cityscapes = [](const std::map<std::uint8_t, std::uint8_t>& classes) {
    return [classes](const std::filesystem::path& root) { return write_cityscapes(root, classes); };
  };
  return {
      {"Eg1800Original", "name: eg1800", "trainlist.mat", 2, write_eg1800_original},
      {"Eg1800PortraitNet", "name: eg1800", "eg1800_train.txt", 2, write_eg1800_portraitnet},
      {"Eg1800Clova", "name: eg1800", "train.txt", 2, write_eg1800_clova},
      {"Eg1800Deepixel", "name: eg1800", "all", 2, write_eg1800_deepixel},
      {"Supervisely", "name: supervisely", "all", 2, write_supervisely},
      {"SuperviselyFace", "name: supervisely_face", "supervisely_face_train_easy.txt", 2,
       write_supervisely_face},
      {"EasyPortraitV1", "name: easyportrait, metadata: meta.csv", "train", 2, easyportrait_v1},
      {"EasyPortraitV2", "name: easyportrait, metadata: meta.csv", "train", 2, easyportrait(portrait)},
      {"EasyPortraitAll", "name: easyportrait, task: all, metadata: meta.csv", "train", 9, easyportrait(all),
       "  classes: 9\n  mirrored: [[3, 4], [5, 6]]\n"},
      {"EasyPortraitFaceParsing", "name: easyportrait, task: face_parsing, metadata: meta.csv", "train", 8,
       easyportrait(parsing), "  classes: 8\n  mirrored: [[2, 3], [4, 5]]\n"},
      {"AiSegment", "name: aisegment", "all", 2, write_aisegment},
      {"P3m", "name: p3m", "P3M-500-NP", 2, write_p3m},
      {"Cityscapes", "name: cityscapes", "train", 19,
       cityscapes({{7, 0}, {23, 10}, {24, 11}, {25, 12}, {26, 13}}), "  classes: 14\n"},
      {"CityscapesPerson", "name: cityscapes, task: person", "train", 2,
       cityscapes({{7, 0}, {23, 0}, {24, 1}, {25, 1}, {26, 0}})},
      {"PpHumanSeg", "name: image_list", "train.txt", 2, write_image_list},
      {"Backgrounds", "name: backgrounds", "all", 2, write_backgrounds, "  name: backgrounds\n"},
      {"FoldersWithAPattern", "name: folders, images: pictures, masks: truth", "a/*.jpg", 2, write_folders},
      {"Mixture",
       "name: mixture, parts: [{train: '*/*.jpg', data: {images: pictures, masks: truth, root: "
       "set/portraits}}, "
       "{train: all, data: {name: backgrounds, root: set/empty}}]",
       "train", 2, write_mixture}};
}

}  // namespace portraitseg::testing
