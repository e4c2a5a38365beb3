#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include "portraitseg/report/evaluation_result.h"
#include "portraitseg/report/image_figure.h"
#include "portraitseg/report/statistics.h"

namespace portraitseg {

/// One result, or several of one thing that was trained with several seeds.
struct Contender {
  std::string name;
  std::vector<EvaluationResult> results;
};

struct ComparisonOptions {
  std::vector<std::string> figures;  ///< empty: default_figures()
  bool force = false;                ///< compare what should not be compared, over the images that all have
  Resampling resampling;
};

/// a - b over the same images.
struct PairedComparison {
  std::string a, b;  ///< names
  std::string figure, title;
  std::size_t images = 0;    ///< that have the figure in both
  std::size_t left_out = 0;  ///< that have not
  double value_a = 0, value_b = 0, difference = 0;
  Interval interval;       ///< paired percentile bootstrap over the images
  std::size_t higher = 0;  ///< images on which a's own figure is higher; 0 of a figure of the whole list
  std::size_t lower = 0;   ///< the same, lower
  double p = 0;            ///< exchange_test(), of this very difference
  double p_holm = 0;       ///< corrected for all comparisons of the call
  double wilcoxon = 0;     ///< wilcoxon() over the images; not a number of a figure of the whole list
  double wilcoxon_holm = 0;
};

/// One contender's figure in each of its results.
struct SeedFigure {
  std::string name;
  std::vector<double> values;
  double mean = 0, sd = 0;  ///< over the results; sd not a number of a single one
  Interval interval;        ///< t, of the mean
};

/// a - b where each is several trainings: what varies is the training, and the images are the same for all.
struct SeedComparison {
  std::string figure, title;
  SeedFigure a, b;
  WelchComparison welch;
  double p_holm = 0;  ///< of welch.p, corrected for all comparisons of the call
};

struct Comparison {
  std::string protocol, protocol_hash, list, list_sha256;
  bool batch_means =
      false;  ///< the protocol averages over batches; compared are means over images all the same
  std::size_t images = 0;             ///< that all results have
  std::vector<std::string> warnings;  ///< what was compared only because it was forced
  Resampling resampling;
  std::vector<PairedComparison> pairs;  ///< of contenders with one result each, by pair, then by figure
  std::vector<SeedComparison> seeds;    ///< otherwise
};

/// Brings all results to the same images. @return what was forced
/// @throws UserError naming two results whose protocols, lists or images differ (unless forced), or if they share no image.
std::vector<std::string> align(std::vector<Contender>& contenders, bool force);

/// Each contender with each one after it. They are aligned first; a single one has nothing to be compared with.
/// @throws UserError as align() and image_figure() do.
Comparison compare(std::vector<Contender> contenders, const ComparisonOptions& options);

/// Which images are compared by groups, and how small a group may be.
struct GroupOptions {
  std::string
      name;  ///< of the attribute, or foreground_share, brightness or another column of numbers: these in quartiles
  std::map<std::string, std::string> attributes;  ///< by image; empty: the result's own
  std::size_t smallest = 20;                      ///< images of a group that takes part in the gap
  Resampling resampling;
};

struct GroupFigure {
  std::string group;  ///< the attribute's value or a quartile's bounds; "(none)": images without
  std::size_t images = 0;
  double value = 0;
  Interval interval;      ///< bootstrap over the group's images
  bool left_out = false;  ///< of the gap: too small, or without the attribute
};

/// The largest difference between two groups.
struct GroupGap {
  std::string higher, lower;  ///< "": there are no two groups
  double difference = 0;
  Interval
      interval;  ///< bootstrap, the two groups' images drawn apart; not corrected for choosing the largest
  double p = 0;  ///< largest_gap_test(), which is; not a number of a figure of the whole list
};

/// A figure of one result by groups of its images.
struct FigureByGroup {
  std::string result, by, figure, title;
  std::vector<GroupFigure> groups;
  GroupGap gap;
};

/// Images that are looked at together.
struct ImageGroup {
  std::string name;  ///< see GroupFigure::group
  Draw images;       ///< places in EvaluationResult::ids
};

/// In the order of their values; those without one last.
/// @throws UserError for an attribute that the result does not have, or a table that knows none of the images.
std::vector<ImageGroup> image_groups(const EvaluationResult& result, const GroupOptions& options);

/// @param groups of the result's images; for results that are compared the same ones
/// @throws UserError for a figure that the result does not have.
FigureByGroup by_group(const std::string& name, const EvaluationResult& result, const std::string& figure,
                       const std::vector<ImageGroup>& groups, const GroupOptions& options);

}  // namespace portraitseg
