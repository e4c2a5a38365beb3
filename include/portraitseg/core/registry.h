#pragma once

#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "portraitseg/core/config.h"
#include "portraitseg/core/error.h"

namespace portraitseg {

/// An explicit list of named things (networks, data sets, losses ...), in the order in which they were added.
/// A program outside the library copies the list and adds its own.
template <class Entry>
class Registry {
 public:
  explicit Registry(std::string kind) : kind_(std::move(kind)) {}

  /// @throws std::logic_error if the name is taken.
  Registry& add(const std::string& name, Entry entry) {
    for (const auto& [known, unused] : entries_) {
      if (known == name) throw std::logic_error(kind_ + " '" + name + "' is registered twice");
    }
    entries_.emplace_back(name, std::move(entry));
    return *this;
  }

  /// Another entry under a known name, at its place in the list. @throws std::logic_error if there is none.
  Registry& replace(const std::string& name, Entry entry) {
    for (auto& [known, old] : entries_) {
      if (known != name) continue;
      old = std::move(entry);
      return *this;
    }
    throw std::logic_error("no " + kind_ + " '" + name + "' to replace");
  }

  /// @throws UserError listing the known names.
  const Entry& at(const std::string& name) const {
    for (const auto& [known, entry] : entries_) {
      if (known == name) return entry;
    }
    throw UserError("unknown " + kind_ + " '" + name + "'" + suggestion(name, names()));
  }

  std::vector<std::string> names() const {
    std::vector<std::string> result;
    for (const auto& [name, unused] : entries_) result.push_back(name);
    return result;
  }

 private:
  std::string kind_;
  std::vector<std::pair<std::string, Entry>> entries_;
};

/// A registry of things that are built from options: the entry makes the options with their defaults.
template <class Options>
using OptionsRegistry = Registry<std::function<std::shared_ptr<Options>()>>;

/// A section `{name: N, ...}` of a configuration, whose other keys are the options of the registered N.
/// Options needs `virtual void fields(Fields&)`.
template <class Options>
struct Selection {
  std::string name;
  const OptionsRegistry<Options>* registry;  ///< replace it to add your own
  std::shared_ptr<Options> options;          ///< of the thing called `name`; copies of the section share them

  Selection(std::string default_name, const OptionsRegistry<Options>& known)
      : name(std::move(default_name)), registry(&known), options(known.at(name)()) {}

  /// @param common options that every registered thing has: they stay when a later file names another one
  void fields(Fields& f, const std::vector<std::string>& common = {}) {
    const std::string before = name;
    f.choice("name", name, registry->names(), "which one");
    if (name != before) options = registry->at(name)();
    f.options_of(name, before, common, *options);
  }
};

}  // namespace portraitseg
