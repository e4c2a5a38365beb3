#pragma once

#include <cstdint>
#include <filesystem>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "portraitseg/core/error.h"

namespace portraitseg {

struct ConfigNode;

/// Bounds of a number, both included.
struct Range {
  double min = -std::numeric_limits<double>::infinity();
  double max = std::numeric_limits<double>::infinity();
};

/// The words of an enumeration, in the order in which they are listed to the user.
template <class E>
using Names = std::vector<std::pair<const char*, E>>;

/// One pass over the fields of an options struct.
///
/// An options struct lists its fields once, in `void fields(Fields& f)`. Reading a file, refusing unknown keys, printing
/// the effective configuration and the schema are different passes over that one list:
///
///     void AdamOptions::fields(Fields& f) {
///       f("lr", lr, "learning rate", {0, 1});
///       f("betas", betas, "decay of the first and second moment");
///     }
class Fields {
 public:
  using Value = std::variant<bool*, std::int64_t*, double*, std::string*, std::vector<std::int64_t>*,
                             std::vector<double>*, std::vector<std::string>*,
                             std::vector<std::vector<std::int64_t>>*, ConfigNode*>;

  virtual ~Fields() = default;

  /// A bool, integer, floating-point number, string, or a list of these. `range` holds for every number in it.
  /// Where a list of strings is expected, one alone is a list of one. A ConfigNode takes any value, as it was written.
  template <class T>
  void operator()(const char* name, T& value, const char* doc, Range range = {}) {
    scalar({name, doc, range, {}}, Value(&value));
  }

  /// A string out of a list of words.
  void choice(const char* name, std::string& value, std::vector<std::string> words, const char* doc) {
    scalar({name, doc, {}, std::move(words)}, Value(&value));
  }

  /// An enumeration, written as a word.
  template <class E>
  void choice(const char* name, E& value, const Names<E>& names, const char* doc) {
    std::string word;
    std::vector<std::string> words;
    for (const auto& [text, e] : names) {
      words.emplace_back(text);
      if (e == value) word = text;
    }
    choice(name, word, std::move(words), doc);
    for (const auto& [text, e] : names) {
      if (word == text) value = e;
    }
  }

  /// A nested map.
  template <class Options>
  void group(const char* name, Options& options, const char* doc) {
    if (!enter(name, doc)) return;
    options.fields(*this);
    leave();
  }

  /// A list of maps; a list in a file replaces the default list.
  template <class Options>
  void list(const char* name, std::vector<Options>& items, const char* doc) {
    list(name, items, doc, [] { return Options(); });
  }

  /// The same where an item is not made by default. @param make the item with its defaults.
  template <class Options, class Make>
  void list(const char* name, std::vector<Options>& items, const char* doc, Make make) {
    list(name, items, doc, make, [](std::size_t) {});
  }

  /// The same where an item can be wrong together with those before it.
  /// @param check_item of an index: called behind the item's fields, check() still has their places
  template <class Options, class Make, class Check>
  void list(const char* name, std::vector<Options>& items, const char* doc, Make make, Check check_item) {
    const std::size_t size = enter_list(name, items.size(), doc);
    while (items.size() > size) items.pop_back();
    while (items.size() < size) items.push_back(make());
    for (std::size_t i = 0; i < items.size(); ++i) {
      enter_item(i);
      items[i].fields(*this);
      check_item(i);
      leave();
    }
    leave();
  }

  /// The options of the thing that a section names, beside the section's own keys; see Config for which of them count.
  /// @param default_name what the section means where it names nothing
  /// @param common options that every such thing has: they count whatever was named where they were written
  template <class Options>
  void options_of(const std::string& name, const std::string& default_name,
                  const std::vector<std::string>& common, Options& options) {
    enter_options(name, default_name, common);
    options.fields(*this);
    leave_options();
  }

  /// Refuses a value that is well formed alone but wrong together with others; the message gets the place of `name`.
  /// A pass that reads goes on and refuses at the end of the section, after unknown keys: one that was meant for `name`
  /// is the better message. Does nothing in a pass that only prints.
  virtual void check(bool holds, const char* name, const std::string& message) = 0;

 protected:
  struct Field {
    const char* name;
    const char* doc;
    Range range;
    std::vector<std::string> words;  ///< allowed values; empty: any
  };
  virtual void scalar(const Field& field, Value value) = 0;
  virtual bool enter(const char* name, const char* doc) = 0;  ///< false: skip the group
  virtual std::size_t enter_list(const char* name, std::size_t size, const char* doc) = 0;
  virtual void enter_item(std::size_t index) = 0;
  virtual void leave() = 0;
  virtual void enter_options(const std::string& /*name*/, const std::string& /*default_name*/,
                             const std::vector<std::string>& /*common*/) {}
  virtual void leave_options() {}
};

/// A parsed YAML value that knows where it was written.
struct ConfigNode {
  enum class Kind { kNull, kScalar, kList, kMap };
  struct Entry;

  Kind kind = Kind::kNull;
  Place place;
  std::string scalar;
  std::vector<ConfigNode> items;  ///< of a list
  std::vector<Entry> entries;     ///< of a map, in the order of the file

  const ConfigNode* find(const std::string& key) const;

  /// In one line, which reads back as the same: {a: [1, x], b: "no: 1"}.
  std::string yaml() const;
};

struct ConfigNode::Entry {
  std::string key;
  Place place;  ///< of the key
  ConfigNode value;
  /// The `name` ("": none) that the section had when this was written, if it has got another one since.
  std::optional<std::string> beside = {};
};

/// A configuration file with everything it extends and the overrides from the command line.
///
/// `extends: [file, ...]` at the top of a file names files relative to it; they are read first, later ones over earlier
/// ones, then the file itself: maps are merged key by key, everything else is replaced.
///
/// Where a later file or an override gives a section `{name: N, ...}` another name, the options that were written beside the
/// former one count no longer, and are no unknown keys. What every N has stays, and so do the section's own keys:
/// `{name: sgd}` over `{name: adam, lr: 1e-3, betas: [0.9, 0.99], clip_norm: 1}` keeps lr and clip_norm. All overrides
/// count as written together, in any order.
class Config {
 public:
  /// @param overrides `key.sub=value` with a YAML value; a list item is addressed by its number or by the `name` that it alone
  ///        has in the file: `losses.0.weight=1`, `losses.focal.weight=1`.
  /// @throws ConfigError for a file that is missing or no YAML, a cycle of `extends`, a malformed override.
  static Config load(const std::filesystem::path& file, const std::vector<std::string>& overrides = {});

  /// The same from text; `source` names it in messages.
  static Config parse(const std::string& yaml, const std::string& source,
                      const std::vector<std::string>& overrides = {});

  /// A map inside of a configuration, to be read alone.
  static Config part(ConfigNode map);

  /// Reads every field that the configuration sets; the others keep their values.
  /// @throws ConfigError for an unknown key, a wrong type, a value out of range: place, key, nearest or allowed words.
  template <class Options>
  void read(Options& options) const {
    const auto pass = reader();
    options.fields(*pass);
    finish(*pass);
  }

  const ConfigNode& root() const { return root_; }

  /// The list alone, each of its maps over everything that stands beside the list. Overrides hold in every one, those that
  /// address an item (`list.0.key=value`) in that one, over the others. The item's `name` is its own, and selects nothing.
  Config spread(const std::string& list) const;

 private:
  std::unique_ptr<Fields> reader() const;
  static void finish(Fields& reader);

  ConfigNode root_;
  ConfigNode written_;  ///< root_ without the overrides
  std::vector<std::string> overrides_;
};

/// Collects the fields' present values as YAML text.
class ConfigWriter {
 public:
  enum class Style { kPlain, kCommented };  ///< kCommented: each line ends with the field's description

  template <class Options>
  static std::string yaml(Options& options, Style style = Style::kPlain) {
    const auto pass = writer(style);
    options.fields(*pass);
    return text(*pass);
  }

 private:
  static std::unique_ptr<Fields> writer(Style style);
  static std::string text(const Fields& writer);
};

/// "; did you mean 'x'?" if one of the words is near, else "".
std::string did_you_mean(const std::string& wrong, const std::vector<std::string>& known);

/// did_you_mean(), then "; known: a, b, c".
std::string suggestion(const std::string& wrong, const std::vector<std::string>& known);

}  // namespace portraitseg
