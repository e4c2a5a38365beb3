#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "portraitseg/report/statistics.h"

namespace portraitseg {

// What a sweep shows: plain tables over its trials. Whoever calls these functions reads the sweep's folder.

// States of a trial that the tables tell from the others.
constexpr const char* kFinished = "finished";
constexpr const char* kStoppedEarly = "stopped early";

/// A trial of a sweep.
struct AblationTrial {
  std::string id;
  std::string folder;               ///< its run folder, as a reader is to find it
  std::vector<std::string> values;  ///< of the sweep's axes, in short; "": as the base has it
  std::set<std::size_t> unnamed;    ///< places in `values` of those that the trial was not given: the base's
  std::string state;                ///< kFinished, "failed", "unfinished", kStoppedEarly, "new"
  std::string error;                ///< of one that failed
  std::int64_t epochs = 0, best_epoch = 0;
  double seconds = 0;                                 ///< that it was trained, as far as they are known
  std::map<std::string, std::vector<double>> curves;  ///< by figure: of the validation, by epoch
};

/// What a trial was measured to be, and how.
struct TrialFigures {
  bool validation = false;              ///< of the best epoch, which this very list chose
  std::string protocol, protocol_hash;  ///< hash "": not known
  std::string list, list_sha256;
  std::int64_t images = 0;
  std::map<std::string, double> figures;  ///< percent, unless a name says otherwise
  bool averaged = false;                  ///< of the averaged weights, not the plain ones
};

/// The trials that were measured in the same way.
struct Measurement {
  TrialFigures how;                                             ///< without figures
  std::map<std::size_t, std::map<std::string, double>> trials;  ///< figures by the trial's place

  /// "validation by protocol clova, eg1800_val.txt (list sha256 577cf8b8), n = 134"
  std::string text() const;
  std::map<std::size_t, double> values(const std::string& figure) const;  ///< by trial, of those that have it
};

/// A paper's figures of the trials with these values.
struct PaperFigures {
  std::map<std::string, std::string> values;  ///< by axis
  std::map<std::string, double> figures;
};

struct Ablation {
  std::string name;  ///< of the sweep
  std::vector<std::string> axes;
  std::vector<AblationTrial> trials;
  std::string judged_by;  ///< the figure that chose the trials' best epochs
  std::vector<Measurement> measurements;
  std::string paper;           ///< its source; "": none
  std::string paper_protocol;  ///< that its figures are by; "": they stand beside those by any
  std::vector<PaperFigures> paper_figures;

  /// Adds what a trial was measured to be to those that were measured alike.
  /// Figures of averaged weights stand apart from those of plain ones.
  /// @throws UserError naming two trials whose validations differ in protocol or list, or whose evaluations by the same protocol
  ///         on the same list differ in rules or number of images; or a trial that is measured twice.
  void add(std::size_t trial, const TrialFigures& figures);

  std::size_t place(const std::string& axis) const;  ///< among the axes; their number: it is none
  std::vector<std::string> values(const std::string& axis) const;      ///< in the sweep's order
  std::string label(std::size_t trial, bool with_seeds = true) const;  ///< "edge=with, trainer.seed=1"
  std::map<std::string, std::size_t> states() const;                   ///< how many trials there are of each
  std::vector<std::string> variant_axes() const;                       ///< those that are no seeds
  std::string short_name(std::size_t m) const;  ///< that no other measurement has: "clova, val.txt"
  std::optional<double> value(std::size_t m, std::size_t trial, const std::string& figure) const;
};

/// Whether an axis only repeats trainings: "seed", or a key that ends so.
bool is_seed(const std::string& axis);

/// "(base)" for a trial that has no value of an axis.
std::string shown_value(const std::string& value);

struct AblationOptions {
  std::vector<std::string> by;       ///< axes; empty: all that are no seeds
  std::vector<std::string> figures;  ///< empty: the one that judged, miou and those of the boundary
  std::map<std::string, std::string>
      base;  ///< by axis, the value that others are compared with; else its first
};

/// A figure over trials that are alike.
struct FigureSample {
  std::size_t trials = 0;  ///< that there are, measured or not
  std::size_t stopped_early = 0;
  std::vector<double> values;  ///< of those that are measured
  double mean = 0, sd = 0;     ///< not a number of none; of fewer than two
  Interval interval;           ///< t, of the mean; not a number of fewer than two
  std::optional<double> paper;
};

/// What the trials with a value have more than those with the base value: over all pairs that are equal on every other axis,
/// seeds among them.
struct MatchedDifference {
  std::vector<double> differences;
  double mean = 0;    ///< not a number of none
  Interval interval;  ///< t; not a number where p is
  double p = 0;       ///< paired_t_test()
  double p_holm = 0;  ///< corrected for all comparisons of this figure
};

struct AxisRow {
  std::string value;
  FigureSample sample;
  std::optional<MatchedDifference> difference;  ///< none of the base value
};

struct AxisTable {
  std::string axis, base;
  std::vector<AxisRow> rows;
  bool drawn = false;  ///< no two trials differ in it alone, finished or not: a random search drew its values
};

struct VariantRow {
  std::vector<std::string> values;  ///< of Ablation::variant_axes()
  std::string label;
  FigureSample sample;
};

/// A figure of one measurement.
struct FigureTables {
  std::size_t measurement = 0;
  std::string figure, title;
  std::vector<AxisTable> axes;
  std::vector<VariantRow>
      variants;  ///< every combination that there is; empty of a single axis, of seeds alone the base
  std::size_t comparisons = 0;  ///< with a p
  std::size_t best = 0;         ///< the trial with the best figure
  double best_value = 0;
};

/// By measurement, then by figure; of nothing that was measured nothing.
/// @throws UserError for an axis, a value or a figure that is not there, listing those that are.
std::vector<FigureTables> ablation_tables(const Ablation& ablation, const AblationOptions& options = {});

/// Whether the difference can be told from 0: by the corrected p.
bool is_distinguishable(const MatchedDifference& difference);

/// What a comparison of two values is worth in one sentence, no more than it shows.
std::string sentence(const FigureTables& tables, const AxisTable& axis, const AxisRow& row);

}  // namespace portraitseg
