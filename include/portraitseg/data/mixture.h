#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "portraitseg/data/datasets.h"

namespace portraitseg {

/// One data set of a mixture. Its lists are its own; one that is empty leaves it out of that list of the mixture.
struct MixturePart {
  double weight = 1;  ///< its share of the training entries is weight / sum of weights
  std::string train, val, test;
  Selection<DatasetOptions> data;

  explicit MixturePart(const DatasetRegistry& known = datasets()) : data("folders", known) {}
  void fields(Fields& f);
};

/// Several data sets as one:
///
///     data:
///       name: mixture
///       train_list: train
///       val_list: val
///       parts:
///         - {weight: 3, train: eg1800_train.txt, val: eg1800_val.txt, data: {name: eg1800, root: ../data/eg1800}}
///         - {weight: 1, train: all, data: {name: backgrounds, root: ../data/coco_without_people}}
///
/// list: "train", "val" or "test", the key of the parts' own lists.
///   train      `size` entries. The part of each is drawn with the parts' weights, the item without replacement: a part
///              gives each of its images once, in an order drawn anew for every pass, before it gives one again. Nothing
///              but `seed`, the weights and the parts' sizes decides; the entries are the same in every epoch.
///   val, test  every image of the parts once, part by part: what is measured is not drawn.
///
/// ids: "PART/ID", from the second pass on "PART/ID#2" ..., PART counted from 0. attributes: the image's own, and part.
/// list_sha256: of the parts' own and of the entries. Every part must have the same classes.
///
/// A program with data sets of its own makes the mixture know them:
///
///     const DatasetRegistry& my_datasets() {
///       static const auto registry =
///           DatasetRegistry(datasets())
///               .add("mine", std::make_shared<MyOptions>)
///               .replace("mixture", [] { return std::make_shared<MixtureOptions>(my_datasets()); });
///       return registry;
///     }
struct MixtureOptions : DatasetOptions {
  std::vector<MixturePart> parts;
  std::int64_t size = 0;  ///< training entries, an epoch; 0: as many as the parts have images
  std::int64_t seed = 1;

  /// @param known what the parts may be; it must outlive the options.
  explicit MixtureOptions(const DatasetRegistry& known = datasets()) : known_(&known) {}

  void fields(Fields& f) override;

  /// Also the parts' list files, which have no other place to be resolved in.
  void make_absolute() override;

  /// @throws UserError for another list and for one that no part has; otherwise as the parts' own.
  std::unique_ptr<Dataset> open(const std::string& list, OnError on_error) const override;

 private:
  const DatasetRegistry* known_;
};

}  // namespace portraitseg
