#include "portraitseg/core/config.h"

#include <algorithm>
#include <cctype>
#include <utility>

#include <yaml-cpp/yaml.h>

#include "portraitseg/core/file.h"

namespace portraitseg {
namespace {

namespace fs = std::filesystem;
using Kind = ConfigNode::Kind;

Place place_of(const YAML::Mark& mark, const std::string& source) {
  return {source, mark.line + 1, mark.column + 1};
}

/// @param nodes how many were made so far
ConfigNode convert(const YAML::Node& yaml, const std::string& source, std::size_t& nodes, int depth = 0) {
  constexpr int kDeepest = 32;           // an alias inside its own anchor never ends
  constexpr std::size_t kMost = 20'000;  // aliases of aliases of aliases multiply
  ConfigNode node;
  node.place = place_of(yaml.Mark(), source);
  if (depth > kDeepest)
    throw ConfigError(node.place, "nested more than " + std::to_string(kDeepest) + " levels deep");
  if (++nodes > kMost) throw ConfigError(node.place, "more than " + std::to_string(kMost) + " values");
  if (yaml.IsScalar()) {
    node.kind = Kind::kScalar;
    node.scalar = yaml.Scalar();
  } else if (yaml.IsSequence()) {
    node.kind = Kind::kList;
    for (const auto& item : yaml) node.items.push_back(convert(item, source, nodes, depth + 1));
  } else if (yaml.IsMap()) {
    node.kind = Kind::kMap;
    for (const auto& entry : yaml) {
      const Place place = place_of(entry.first.Mark(), source);
      if (!entry.first.IsScalar()) throw ConfigError(place, "a key must be a plain word");
      const std::string& key = entry.first.Scalar();
      if (node.find(key) != nullptr) throw ConfigError(place, "key '" + key + "' is written twice");
      node.entries.push_back({key, place, convert(entry.second, source, nodes, depth + 1)});
    }
  }
  return node;
}

ConfigNode parse_yaml(const std::string& text, const std::string& source) {
  try {
    const std::vector<YAML::Node> documents = YAML::LoadAll(text);
    if (documents.size() > 1)
      throw ConfigError(place_of(documents[1].Mark(), source), "a second YAML document; one is expected");
    std::size_t nodes = 0;
    ConfigNode node = documents.empty() ? ConfigNode{} : convert(documents.front(), source, nodes);
    if (node.place.line <= 0) node.place = {source, 1, 1};
    return node;
  } catch (const YAML::ParserException& error) {
    throw ConfigError(place_of(error.mark, source), "not YAML: " + error.msg);
  }
}

ConfigNode::Entry* find_entry(ConfigNode& map, const std::string& key) {
  const auto entry =
      std::find_if(map.entries.begin(), map.entries.end(), [&](const auto& e) { return e.key == key; });
  return entry == map.entries.end() ? nullptr : &*entry;
}

constexpr const char* kName = "name";

/// Whether it was written on the command line, which has no lines.
bool is_override(const Place& place) {
  return place.line == 0;
}

/// Notes what the section was called for all that was written beside that name and is not yet noted.
void note_former_name(ConfigNode& section, const std::string& former) {
  for (auto& entry : section.entries) {
    if (entry.key == kName || is_override(entry.place)) continue;
    if (!entry.beside) entry.beside = former;
    if (entry.value.kind == Kind::kMap) note_former_name(entry.value, former);
  }
}

/// To be called before `section` gets the name. A name that is no plain word is refused when it is read.
void note_new_name(ConfigNode& section, const ConfigNode& name) {
  const ConfigNode* former = section.find(kName);
  const std::string text = former == nullptr ? "" : former->scalar;
  if (name.kind == Kind::kScalar && name.scalar != text) note_former_name(section, text);
}

/// Maps are merged key by key, everything else is replaced.
void merge(ConfigNode& base, ConfigNode over) {
  if (base.kind != Kind::kMap || over.kind != Kind::kMap) {
    base = std::move(over);
    return;
  }
  base.place = over.place;
  if (const ConfigNode* name = over.find(kName)) note_new_name(base, *name);
  for (auto& entry : over.entries) {
    if (ConfigNode::Entry* known = find_entry(base, entry.key)) {
      known->place = entry.place;
      known->beside.reset();
      merge(known->value, std::move(entry.value));
    } else {
      base.entries.push_back(std::move(entry));
    }
  }
}

ConfigNode take(ConfigNode& map, const std::string& key) {
  ConfigNode::Entry* entry = find_entry(map, key);
  if (entry == nullptr) return {};
  ConfigNode taken = std::move(entry->value);
  map.entries.erase(map.entries.begin() + (entry - map.entries.data()));
  return taken;
}

ConfigNode load_with_bases(const fs::path& file, std::vector<fs::path> chain) {
  const fs::path canonical = fs::weakly_canonical(file);
  if (std::find(chain.begin(), chain.end(), canonical) != chain.end()) {
    throw ConfigError({file.string(), 0, 0}, "extends itself");
  }
  chain.push_back(canonical);
  ConfigNode own = parse_yaml(read_file(file), file.string());
  if (own.kind == Kind::kNull) own.kind = Kind::kMap;
  if (own.kind != Kind::kMap) throw ConfigError(own.place, "a configuration is a map of keys");
  const ConfigNode extends = take(own, "extends");
  ConfigNode merged;
  merged.kind = Kind::kMap;
  const auto add_base = [&](const ConfigNode& name) {
    if (name.kind != Kind::kScalar) throw ConfigError(name.place, "extends: expected a file name");
    const fs::path base = file.parent_path() / name.scalar;
    if (!fs::is_regular_file(base)) throw ConfigError(name.place, "extends: no file " + base.string());
    merge(merged, load_with_bases(base, chain));
  };
  if (extends.kind == Kind::kList) {
    for (const auto& name : extends.items) add_base(name);
  } else if (extends.kind != Kind::kNull) {
    add_base(extends);
  }
  merge(merged, std::move(own));
  return merged;
}

/// Gives every node below `node` the place of the override that wrote it.
void set_place(ConfigNode& node, const Place& place) {
  node.place = place;
  for (auto& item : node.items) set_place(item, place);
  for (auto& entry : node.entries) {
    entry.place = place;
    set_place(entry.value, place);
  }
}

/// @param skipped characters of the key that have led to `root`
void apply_override(ConfigNode& root, const std::string& text, std::size_t skipped = 0) {
  const Place place{"--set " + text, 0, 0};
  const auto equals = text.find('=');
  if (equals == std::string::npos || equals == 0) throw ConfigError(place, "expected key=value");
  ConfigNode value = parse_yaml(text.substr(equals + 1), place.source);
  set_place(value, place);
  ConfigNode* node = &root;
  std::string path = text.substr(skipped, equals - skipped);
  while (!path.empty()) {
    const auto dot = path.find('.');
    const std::string key = path.substr(0, dot);
    path = dot == std::string::npos ? "" : path.substr(dot + 1);
    if (node->kind == Kind::kList) {
      const bool number = !key.empty() && std::all_of(key.begin(), key.end(),
                                                      [](unsigned char c) { return std::isdigit(c); });
      if (!number || key.size() > 6 || std::stoul(key) >= node->items.size()) {
        throw ConfigError(place,
                          "'" + key + "' is no item of a list of " + std::to_string(node->items.size()));
      }
      node = &node->items[std::stoul(key)];
      continue;
    }
    if (node->kind !=
        Kind::kMap) {  // a null or a plain value makes room for the map that the override asks for
      *node = ConfigNode{};
      node->kind = Kind::kMap;
      node->place = place;
    }
    if (path.empty() && key == kName) note_new_name(*node, value);
    ConfigNode::Entry* entry = find_entry(*node, key);
    if (entry == nullptr) entry = &node->entries.emplace_back(ConfigNode::Entry{key, place, {}});
    if (path.empty()) entry->place = place;
    entry->beside.reset();
    node = &entry->value;
  }
  *node = std::move(value);
}

enum class Addressed {
  kNone,
  kWhole,  ///< the list or an item as a whole
  kPart,   ///< something in an item
};

/// What of the list an override writes.
Addressed addressed_item(const std::string& text, const std::string& list) {
  if (text.rfind(list + "=", 0) == 0) return Addressed::kWhole;
  if (text.rfind(list + ".", 0) != 0) return Addressed::kNone;
  return text.find('.', list.size() + 1) < text.find('=') ? Addressed::kPart : Addressed::kWhole;
}

std::size_t edit_distance(const std::string& a, const std::string& b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i);
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t change = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = std::exchange(row[j], std::min({change, row[j] + 1, row[j - 1] + 1}));
    }
  }
  return row[b.size()];
}

}  // namespace

const ConfigNode* ConfigNode::find(const std::string& key) const {
  for (const auto& entry : entries) {
    if (entry.key == key) return &entry.value;
  }
  return nullptr;
}

Config Config::load(const fs::path& file, const std::vector<std::string>& overrides) {
  Config config;
  config.root_ = load_with_bases(file, {});
  config.written_ = config.root_;
  config.overrides_ = overrides;
  for (const auto& text : overrides) apply_override(config.root_, text);
  return config;
}

Config Config::parse(const std::string& yaml, const std::string& source,
                     const std::vector<std::string>& overrides) {
  Config config;
  config.root_ = parse_yaml(yaml, source);
  if (config.root_.kind == Kind::kNull) config.root_.kind = Kind::kMap;
  if (config.root_.kind != Kind::kMap)
    throw ConfigError(config.root_.place, "a configuration is a map of keys");
  config.written_ = config.root_;
  config.overrides_ = overrides;
  for (const auto& text : overrides) apply_override(config.root_, text);
  return config;
}

Config Config::spread(const std::string& list) const {
  ConfigNode rest = written_;
  for (const auto& text : overrides_) {
    if (addressed_item(text, list) == Addressed::kWhole) apply_override(rest, text);
  }
  ConfigNode items = take(rest, list);
  for (std::size_t i = 0; i < items.items.size(); ++i) {
    ConfigNode& item = items.items[i];
    ConfigNode own_name;  // apart: it is no section's
    own_name.kind = Kind::kMap;
    if (ConfigNode::Entry* name = find_entry(item, kName)) own_name.entries.push_back(*name);
    take(item, kName);
    ConfigNode whole = rest;
    merge(whole, std::move(item));
    for (const auto& text : overrides_) {
      if (addressed_item(text, list) == Addressed::kNone) apply_override(whole, text);
    }
    const std::string prefix = list + "." + std::to_string(i) + ".", name = prefix + kName + "=";
    for (const auto& text : overrides_) {
      if (text.rfind(prefix, 0) == 0)
        apply_override(text.rfind(name, 0) == 0 ? own_name : whole, text, prefix.size());
    }
    if (whole.kind == Kind::kMap) {
      for (auto& entry : own_name.entries) whole.entries.push_back(std::move(entry));
    }
    item = std::move(whole);
  }
  Config spread;
  spread.root_ = std::move(rest);
  spread.root_.entries = {{list, items.place, std::move(items)}};
  return spread;
}

std::string suggestion(const std::string& wrong, const std::vector<std::string>& known) {
  std::string text;
  const auto nearest = std::min_element(known.begin(), known.end(), [&](const auto& a, const auto& b) {
    return edit_distance(wrong, a) < edit_distance(wrong, b);
  });
  if (nearest != known.end() &&
      edit_distance(wrong, *nearest) <= std::max<std::size_t>(2, wrong.size() / 3)) {
    text += "; did you mean '" + *nearest + "'?";
  }
  text += known.empty() ? "; none known" : "; known:";
  for (std::size_t i = 0; i < known.size(); ++i) text += (i == 0 ? " " : ", ") + known[i];
  return text;
}

}  // namespace portraitseg
