#include <cctype>
#include <charconv>
#include <utility>

#include "portraitseg/core/config.h"

namespace portraitseg {
namespace {

std::string text(bool value) {
  return value ? "true" : "false";
}

std::string text(std::int64_t value) {
  return std::to_string(value);
}

/// The shortest text that reads back as the same number.
std::string text(double value) {
  char buffer[64];
  const auto end = std::to_chars(buffer, buffer + sizeof(buffer), value).ptr;
  return {buffer, end};
}

/// Plain when YAML reads it back as it is, quoted otherwise.
std::string text(const std::string& value) {
  const std::string special = "-_./+~";
  bool plain = !value.empty() && value != "~" && value != "null";
  for (const char c : value) {
    plain = plain && (std::isalnum(static_cast<unsigned char>(c)) || special.find(c) != std::string::npos);
  }
  if (plain && value.front() != '-') return value;
  std::string quoted = "\"";
  for (const char c : value) {
    if (c == '"' || c == '\\') quoted += '\\';
    if (c == '\n') {
      quoted += "\\n";
    } else {
      quoted += c;
    }
  }
  return quoted + "\"";
}

template <class T>
std::string text(const std::vector<T>& values) {
  std::string list = "[";
  for (std::size_t i = 0; i < values.size(); ++i) list += (i == 0 ? "" : ", ") + text(values[i]);
  return list + "]";
}

std::string text(const ConfigNode& node) {
  std::string inside;
  const auto add = [&](const std::string& part) { inside += (inside.empty() ? "" : ", ") + part; };
  switch (node.kind) {
    case ConfigNode::Kind::kNull:
      return "null";
    case ConfigNode::Kind::kScalar:
      return text(node.scalar);
    case ConfigNode::Kind::kList:
      for (const auto& item : node.items) add(text(item));
      return "[" + inside + "]";
    case ConfigNode::Kind::kMap:
      for (const auto& entry : node.entries) add(text(entry.key) + ": " + text(entry.value));
      return "{" + inside + "}";
  }
  return "";
}

/// Block-style YAML, two blanks a level.
class Writer final : public Fields {
 public:
  explicit Writer(ConfigWriter::Style style) : commented_(style == ConfigWriter::Style::kCommented) {}

  const std::string& yaml() const { return yaml_; }

  void check(bool, const char*, const std::string&) override {}

 protected:
  void scalar(const Field& field, Value value) override {
    std::string doc = field.doc;
    for (std::size_t i = 0; i < field.words.size(); ++i) doc += (i == 0 ? ": " : " | ") + field.words[i];
    line(std::string(field.name) + ": " + std::visit([](const auto* v) { return text(*v); }, value), doc);
  }

  bool enter(const char* name, const char* doc) override {
    line(std::string(name) + ":", doc);
    ++depth_;
    return true;
  }

  std::size_t enter_list(const char* name, std::size_t size, const char* doc) override {
    line(std::string(name) + (size == 0 ? ": []" : ":"), doc);
    ++depth_;
    return size;
  }

  void enter_item(std::size_t) override {
    item_starts_ = true;
    ++depth_;
  }

  void leave() override { --depth_; }

 private:
  void line(const std::string& entry, const std::string& doc) {
    std::string indent(2 * static_cast<std::size_t>(depth_), ' ');
    if (std::exchange(item_starts_, false)) indent[indent.size() - 2] = '-';
    yaml_ += indent + entry + (commented_ ? "  # " + doc : "") + "\n";
  }

  bool commented_;
  int depth_ = 0;
  bool item_starts_ = false;
  std::string yaml_;
};

}  // namespace

std::string ConfigNode::yaml() const {
  return text(*this);
}

std::unique_ptr<Fields> ConfigWriter::writer(Style style) {
  return std::make_unique<Writer>(style);
}

std::string ConfigWriter::text(const Fields& writer) {
  return static_cast<const Writer&>(writer).yaml();
}

}  // namespace portraitseg
