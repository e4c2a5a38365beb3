#include "portraitseg/core/config.h"

#include <algorithm>
#include <cctype>
#include <sstream>
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

/// What a `name` at the top of a map is.
enum class Top {
  kSection,
  kItem
};  // of what the section selects; of an item of a list, which selects nothing

/// Maps are merged key by key, everything else is replaced.
void merge(ConfigNode& base, ConfigNode over, Top top = Top::kSection) {
  if (base.kind != Kind::kMap || over.kind != Kind::kMap) {
    base = std::move(over);
    return;
  }
  base.place = over.place;
  const ConfigNode* name = over.find(kName);
  if (name != nullptr && top == Top::kSection) note_new_name(base, *name);
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

/// `key.sub=value` of the command line.
struct Override {
  Place place;
  std::vector<std::string> keys;  // at least one
  ConfigNode value;

  explicit Override(const std::string& text) : place{"--set " + text, 0, 0} {
    const auto equals = text.find('=');
    if (equals == std::string::npos || equals == 0) throw ConfigError(place, "expected key=value");
    std::istringstream path(text.substr(0, equals));
    for (std::string key; std::getline(path, key, '.');) keys.push_back(key);
    value = parse_yaml(text.substr(equals + 1), place.source);
    set_place(value, place);
  }
};

/// The item that a key of an override addresses.
std::size_t item_index(const ConfigNode& list, const std::string& key, const Place& place) {
  const bool number = !key.empty() && key.size() <= 6 &&
                      std::all_of(key.begin(), key.end(), [](unsigned char c) { return std::isdigit(c); });
  if (number && std::stoul(key) < list.items.size()) return std::stoul(key);
  std::vector<std::string> names;
  for (const auto& item : list.items) {
    const ConfigNode* name = item.find(kName);
    names.push_back(name == nullptr ? "" : name->scalar);
  }
  const auto found = std::find(names.begin(), names.end(), key);
  if (key.empty() || found == names.end()) {
    names.erase(std::remove(names.begin(), names.end(), ""), names.end());
    throw ConfigError(place, "'" + key + "' is no item of a list of " + std::to_string(list.items.size()) +
                                 (names.empty() ? "" : suggestion(key, names)));
  }
  if (std::count(names.begin(), names.end(), key) > 1)
    throw ConfigError(place, "several items are called '" + key + "'; address it by its number");
  return static_cast<std::size_t>(found - names.begin());
}

/// @param first of its keys that is looked for in `root`
void apply(const Override& override, ConfigNode& root, std::size_t first = 0, Top top = Top::kSection) {
  ConfigNode* node = &root;
  for (std::size_t i = first; i < override.keys.size(); ++i) {
    const std::string& key = override.keys[i];
    const bool last = i + 1 == override.keys.size();
    if (node->kind == Kind::kList) {
      node = &node->items[item_index(*node, key, override.place)];
      continue;
    }
    if (node->kind !=
        Kind::kMap) {  // a null or a plain value makes room for the map that the override asks for
      *node = ConfigNode{};
      node->kind = Kind::kMap;
      node->place = override.place;
    }
    const bool section = i > first || top == Top::kSection;
    if (last && key == kName && section) note_new_name(*node, override.value);
    ConfigNode::Entry* entry = find_entry(*node, key);
    if (entry == nullptr) entry = &node->entries.emplace_back(ConfigNode::Entry{key, override.place, {}});
    if (last) entry->place = override.place;
    entry->beside.reset();
    node = &entry->value;
  }
  *node = override.value;
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
  for (const auto& text : overrides) apply(Override(text), config.root_);
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
  for (const auto& text : overrides) apply(Override(text), config.root_);
  return config;
}

Config Config::part(ConfigNode map) {
  Config config;
  config.root_ = std::move(map);
  config.written_ = config.root_;
  return config;
}

Config Config::spread(const std::string& list) const {
  std::vector<Override> of_all, of_items;
  ConfigNode rest = written_;
  for (const auto& text : overrides_) {
    Override override(text);
    if (override.keys.front() != list) {
      of_all.push_back(std::move(override));
    } else if (override.keys.size() > 2) {
      of_items.push_back(std::move(override));
    } else {
      apply(override, rest);  // the list or an item as a whole
    }
  }
  ConfigNode items = take(rest, list);
  std::vector<ConfigNode> spread_items(items.items.size(), rest);
  for (std::size_t i = 0; i < spread_items.size(); ++i) {
    merge(spread_items[i], items.items[i], Top::kItem);
    for (const auto& override : of_all) apply(override, spread_items[i]);
  }
  for (const auto& override : of_items) {
    if (items.kind != Kind::kList) break;  // refused when it is read
    const std::size_t item = item_index(items, override.keys[1], override.place);
    apply(override, spread_items[item], 2, Top::kItem);
  }
  items.items = std::move(spread_items);
  Config spread;
  spread.root_ = std::move(rest);
  spread.root_.entries = {{list, items.place, std::move(items)}};
  return spread;
}

std::string did_you_mean(const std::string& wrong, const std::vector<std::string>& known) {
  const auto nearest = std::min_element(known.begin(), known.end(), [&](const auto& a, const auto& b) {
    return edit_distance(wrong, a) < edit_distance(wrong, b);
  });
  const bool near =
      nearest != known.end() && edit_distance(wrong, *nearest) <= std::max<std::size_t>(2, wrong.size() / 3);
  return near ? "; did you mean '" + *nearest + "'?" : "";
}

std::string suggestion(const std::string& wrong, const std::vector<std::string>& known) {
  std::string text = did_you_mean(wrong, known);
  text += known.empty() ? "; none known" : "; known:";
  for (std::size_t i = 0; i < known.size(); ++i)
    text += (i == 0 ? " " : ", ") + (known[i].empty() ? "''" : known[i]);
  return text;
}

}  // namespace portraitseg
