#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>
#include <sstream>
#include <type_traits>

#include "portraitseg/core/config.h"

namespace portraitseg {
namespace {

using Kind = ConfigNode::Kind;

const ConfigNode& empty_node() {
  static const ConfigNode node;
  return node;
}

std::string describe(const ConfigNode& node) {
  switch (node.kind) {
    case Kind::kNull:
      return "nothing";
    case Kind::kScalar:
      return "'" + node.scalar + "'";
    case Kind::kList:
      return "a list";
    case Kind::kMap:
      return "a map";
  }
  return "";
}

bool contains(const std::vector<std::string>& words, const std::string& word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

template <class Number>
bool parse_number(const std::string& text, Number& value) {
  const char* begin = text.data() + (text.size() > 1 && text[0] == '+' ? 1 : 0);
  const auto result = std::from_chars(begin, text.data() + text.size(), value);
  return result.ec == std::errc() && result.ptr == text.data() + text.size();
}

std::string number_text(double value) {
  std::ostringstream out;
  out << value;
  return out.str();
}

/// Walks an options struct and the YAML tree side by side.
class Reader final : public Fields {
 public:
  explicit Reader(const ConfigNode& root) { levels_.push_back({&root, "", {}, {}, false, {}}); }

  void check(bool holds, const char* name, const std::string& message) override {
    if (holds || levels_.back().failed) return;
    const ConfigNode* node = find(name);
    levels_.back().failed =
        ConfigError(node != nullptr ? node->place : levels_.back().node->place, path(name) + ": " + message);
  }

  void finish() {
    refuse_unknown_keys();
    if (levels_.back().failed) throw *levels_.back().failed;
  }

 protected:
  void scalar(const Field& field, Value value) override {
    const ConfigNode* node = visit(field.name);
    if (node == nullptr) return;
    std::visit([&](auto* target) { *target = read(*node, field, *target); }, value);
  }

  bool enter(const char* name, const char*) override {
    const ConfigNode* node = visit(name);
    if (node != nullptr) expect(*node, Kind::kMap, name, "a map of keys");
    descend(node != nullptr ? *node : empty_node(), path(name));
    return true;
  }

  std::size_t enter_list(const char* name, std::size_t size, const char*) override {
    const ConfigNode* node = visit(name);
    if (node != nullptr) {
      expect(*node, Kind::kList, name, "a list of maps");
      size = node->items.size();
    }
    descend(node != nullptr ? *node : empty_node(), path(name));
    return size;
  }

  void enter_item(std::size_t index) override {
    const ConfigNode& list = *levels_.back().node;
    const std::string name = std::to_string(index);
    const ConfigNode& item = index < list.items.size() ? list.items[index] : empty_node();
    expect(item, Kind::kMap, name.c_str(), "a map of keys");
    descend(item, path(name.c_str()));
  }

  void leave() override {
    finish();
    levels_.pop_back();
  }

  void enter_options(const std::string& name, const std::string& default_name,
                     const std::vector<std::string>& common) override {
    levels_.back().choice = Choice{name, default_name, common};
    levels_.back().in_options = true;
  }

  void leave_options() override { levels_.back().in_options = false; }

 private:
  /// The name that a section has, and what its options are.
  struct Choice {
    std::string name, default_name;
    std::vector<std::string> common;

    /// Whether the key was written beside another name.
    bool is_foreign(const ConfigNode::Entry& entry) const {
      return entry.beside && (entry.beside->empty() ? default_name : *entry.beside) != name;
    }
  };

  struct Level {
    const ConfigNode* node;
    std::string path;
    std::vector<std::string> known;
    std::optional<Choice> choice;  ///< once the section's options were read
    bool in_options;               ///< they are being read, or those of a section around it
    std::optional<ConfigError> failed;
  };

  void descend(const ConfigNode& node, const std::string& path) {
    const Level& around = levels_.back();
    std::optional<Choice> choice;
    if (around.in_options) choice = Choice{around.choice->name, around.choice->default_name, {}};
    levels_.push_back({&node, path, {}, choice, around.in_options, {}});
  }

  std::string path(const char* name) const {
    return levels_.back().path.empty() ? name : levels_.back().path + "." + name;
  }

  const ConfigNode* visit(const char* name) {
    levels_.back().known.emplace_back(name);
    return find(name);
  }

  /// The value that counts.
  const ConfigNode* find(const std::string& name) const {
    const Level& level = levels_.back();
    for (const auto& entry : level.node->entries) {
      if (entry.key != name) continue;
      const bool dropped =
          level.in_options && level.choice->is_foreign(entry) && !contains(level.choice->common, name);
      return dropped ? nullptr : &entry.value;
    }
    return nullptr;
  }

  void expect(const ConfigNode& node, Kind kind, const char* name, const char* what) const {
    if (node.kind == kind || node.kind == Kind::kNull) return;
    throw ConfigError(node.place, path(name) + ": expected " + what + ", found " + describe(node));
  }

  void refuse_unknown_keys() const {
    const Level& level = levels_.back();
    for (const auto& entry : level.node->entries) {
      if (contains(level.known, entry.key)) continue;
      if (level.choice && level.choice->is_foreign(entry)) continue;
      throw ConfigError(entry.place, "unknown key '" + entry.key + "'" +
                                         (level.path.empty() ? "" : " in '" + level.path + "'") +
                                         suggestion(entry.key, level.known));
    }
  }

  [[noreturn]] void wrong_type(const ConfigNode& node, const Field& field, const char* expected) const {
    throw ConfigError(node.place, path(field.name) + ": expected " + expected + ", found " + describe(node));
  }

  bool read(const ConfigNode& node, const Field& field, bool) const {
    if (node.kind == Kind::kScalar && node.scalar == "true") return true;
    if (node.kind == Kind::kScalar && node.scalar == "false") return false;
    wrong_type(node, field, "true or false");
  }

  std::int64_t read(const ConfigNode& node, const Field& field, std::int64_t) const {
    std::int64_t value = 0;
    if (node.kind != Kind::kScalar || !parse_number(node.scalar, value))
      wrong_type(node, field, "an integer");
    check_range(node, field, static_cast<double>(value));
    return value;
  }

  double read(const ConfigNode& node, const Field& field, double) const {
    double value = 0;
    if (node.kind != Kind::kScalar || !parse_number(node.scalar, value) || !std::isfinite(value)) {
      wrong_type(node, field, "a number");
    }
    check_range(node, field, value);
    return value;
  }

  std::string read(const ConfigNode& node, const Field& field, const std::string&) const {
    if (node.kind == Kind::kNull && field.words.empty()) return "";
    if (node.kind != Kind::kScalar) wrong_type(node, field, "a word or text");
    if (!field.words.empty() && !contains(field.words, node.scalar)) {
      throw ConfigError(node.place, path(field.name) + ": unknown value '" + node.scalar + "'" +
                                        suggestion(node.scalar, field.words));
    }
    return node.scalar;
  }

  template <class T>
  std::vector<T> read(const ConfigNode& node, const Field& field, const std::vector<T>&) const {
    if constexpr (std::is_same_v<T, std::string>) {
      if (node.kind == Kind::kScalar) return {read(node, field, T{})};
    }
    if (node.kind != Kind::kList) wrong_type(node, field, "a list");
    std::vector<T> values;
    for (const auto& item : node.items) values.push_back(read(item, field, T{}));
    return values;
  }

  ConfigNode read(const ConfigNode& node, const Field&, const ConfigNode&) const { return node; }

  void check_range(const ConfigNode& node, const Field& field, double value) const {
    if (value >= field.range.min && value <= field.range.max) return;
    std::string allowed;
    if (std::isfinite(field.range.min)) allowed += " at least " + number_text(field.range.min);
    if (std::isfinite(field.range.max)) {
      allowed += (allowed.empty() ? "" : " and") + std::string(" at most ") + number_text(field.range.max);
    }
    throw ConfigError(node.place, path(field.name) + ": must be" + allowed + ", found " + describe(node));
  }

  std::vector<Level> levels_;
};

}  // namespace

std::unique_ptr<Fields> Config::reader() const {
  return std::make_unique<Reader>(root_);
}

void Config::finish(Fields& reader) {
  static_cast<Reader&>(reader).finish();
}

}  // namespace portraitseg
