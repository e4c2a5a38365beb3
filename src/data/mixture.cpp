#include "portraitseg/data/mixture.h"

#include <filesystem>
#include <memory>
#include <utility>

#include "portraitseg/core/error.h"
#include "portraitseg/core/file.h"
#include "portraitseg/core/random.h"

namespace portraitseg {
namespace {

struct Part {
  std::string name;  ///< its number in the configuration
  double weight;
  std::unique_ptr<Dataset> data;
};

struct Entry {
  std::size_t part;
  std::int64_t item;
  std::int64_t pass;  ///< how often the part has been gone through before
};

std::size_t draw_part(const std::vector<Part>& parts, double total, Random random) {
  double at = random.uniform() * total;
  for (std::size_t p = 0; p + 1 < parts.size(); ++p) {
    at -= parts[p].weight;
    if (at < 0) return p;
  }
  return parts.size() - 1;
}

std::vector<Entry> draw_entries(const std::vector<Part>& parts, std::int64_t size, std::uint64_t seed) {
  double total = 0;
  for (const auto& part : parts) total += part.weight;
  std::vector<std::int64_t> drawn(parts.size(), 0);
  std::vector<std::vector<std::int64_t>> orders(parts.size());
  std::vector<Entry> entries;
  for (std::int64_t i = 0; i < size; ++i) {
    const std::size_t p =
        draw_part(parts, total, Random(seed, Purpose::kMix, {static_cast<std::uint64_t>(i)}));
    const std::int64_t images = parts[p].data->size(), pass = drawn[p] / images, place = drawn[p] % images;
    if (place == 0) {
      Random random(seed, Purpose::kMix, {p, static_cast<std::uint64_t>(pass)});
      orders[p] = permutation(images, random);
    }
    entries.push_back({p, orders[p][static_cast<std::size_t>(place)], pass});
    ++drawn[p];
  }
  return entries;
}

std::vector<Entry> all_entries(const std::vector<Part>& parts) {
  std::vector<Entry> entries;
  for (std::size_t p = 0; p < parts.size(); ++p) {
    for (std::int64_t item = 0; item < parts[p].data->size(); ++item) entries.push_back({p, item, 0});
  }
  return entries;
}

class Mixture final : public Dataset {
 public:
  Mixture(std::vector<Part> parts, std::vector<Entry> entries, const std::string& name)
      : parts_(std::move(parts)), entries_(std::move(entries)) {
    list = name;
    // The parts' hashes and the entries: two mixtures are one only if they hold the same images in the same order.
    std::string content;
    for (const auto& part : parts_) {
      content += part.name + " " + part.data->list_sha256 + "\n";
      for (const auto& reason : part.data->skipped) skipped.push_back(reason);
    }
    for (const auto& entry : entries_) {
      content += parts_[entry.part].name + " " + std::to_string(entry.item) + "\n";
    }
    list_sha256 = sha256(content);
  }

  std::int64_t size() const override { return static_cast<std::int64_t>(entries_.size()); }

  Sample get(std::int64_t index) const override {
    const Entry& entry = entries_[static_cast<std::size_t>(index)];
    const Part& part = parts_[entry.part];
    Sample sample = part.data->get(entry.item);
    sample.id = id(index);
    sample.attributes["part"] = part.name;
    return sample;
  }

  std::string id(std::int64_t index) const override {
    const Entry& entry = entries_[static_cast<std::size_t>(index)];
    const Part& part = parts_[entry.part];
    const std::string own = part.name + "/" + part.data->id(entry.item);
    return entry.pass == 0 ? own : own + "#" + std::to_string(entry.pass + 1);
  }

 private:
  std::vector<Part> parts_;
  std::vector<Entry> entries_;
};

const std::string& list_of(const MixturePart& part, const std::string& name) {
  if (name == "train") return part.train;
  if (name == "val") return part.val;
  if (name == "test") return part.test;
  throw UserError("data: a mixture's list is train, val or test, found '" + name + "'");
}

/// As Dataset::list says. What cannot be opened stays as it is, for the run may never ask for it.
std::string absolute_list(const std::string& list, const DatasetOptions& options) {
  if (list.empty() || std::filesystem::path(list).is_absolute()) return list;
  try {
    return options.open(list, OnError::kSkip)->list.string();
  } catch (const UserError&) {
    return list;
  }
}

}  // namespace

void MixturePart::fields(Fields& f) {
  f("weight", weight, "share of the training entries, relative to the other parts", {1e-6, 1e6});
  f("train", train, "the part's own list to train on; empty: not in it");
  f("val", val, "the part's own list to validate on; empty: not in it");
  f("test", test, "the part's own list to test on; empty: not in it");
  f.group("data", data, "the data set");
}

void MixtureOptions::fields(Fields& f) {
  f.list("parts", parts, "the data sets", [this] { return MixturePart(*known_); });
  f("size", size, "training entries, an epoch; 0: as many as the parts have images", {0, 1e7});
  f("seed", seed, "of the draw", {0, 9e15});
}

void MixtureOptions::make_absolute() {
  for (auto& part : parts) {
    part.data.options->make_absolute();
    for (auto* list : {&part.train, &part.val, &part.test}) *list = absolute_list(*list, *part.data.options);
  }
}

std::unique_ptr<Dataset> MixtureOptions::open(const std::string& list, OnError on_error) const {
  std::vector<Part> opened;
  std::int64_t images = 0;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const std::string& own = list_of(parts[i], list);
    if (own.empty()) continue;
    opened.push_back({std::to_string(i), parts[i].weight, parts[i].data.options->open(own, on_error)});
    images += opened.back().data->size();
  }
  if (opened.empty()) throw UserError("data.parts: no part of the mixture has a list '" + list + "'");
  std::vector<Entry> entries =
      list == "train" ? draw_entries(opened, size == 0 ? images : size, static_cast<std::uint64_t>(seed))
                      : all_entries(opened);
  return std::make_unique<Mixture>(std::move(opened), std::move(entries), list);
}

}  // namespace portraitseg
