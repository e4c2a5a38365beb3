#include "portraitseg/report/chosen_images.h"

#include <algorithm>
#include <cmath>

namespace portraitseg {
namespace {

struct Candidate {
  std::size_t image;
  double mean, spread;
};

std::vector<Candidate> candidates_of(const std::vector<std::vector<double>>& figures) {
  std::vector<Candidate> candidates;
  for (std::size_t image = 0; !figures.empty() && image < figures.front().size(); ++image) {
    double sum = 0, low = figures.front()[image], high = low;
    for (const auto& of_result : figures) {
      sum += of_result[image];
      low = std::min(low, of_result[image]);
      high = std::max(high, of_result[image]);
    }
    if (!std::isnan(sum))
      candidates.push_back({image, sum / static_cast<double>(figures.size()), high - low});
  }
  return candidates;
}

/// The first `count` by `before` that are not among those taken already.
template <class Before>
std::vector<std::size_t> first_of(std::vector<Candidate> candidates, std::size_t count, Before before,
                                  const std::vector<std::size_t>& taken = {}) {
  std::stable_sort(candidates.begin(), candidates.end(), before);
  std::vector<std::size_t> images;
  for (const Candidate& candidate : candidates) {
    const bool free = std::find(taken.begin(), taken.end(), candidate.image) == taken.end();
    if (free && images.size() < count) images.push_back(candidate.image);
  }
  return images;
}

}  // namespace

ChosenImages choose_images(const std::vector<std::vector<double>>& figures, std::size_t count) {
  const std::vector<Candidate> all = candidates_of(figures);
  std::vector<Candidate> apart;
  std::copy_if(all.begin(), all.end(), std::back_inserter(apart),
               [](const Candidate& c) { return c.spread > 0; });
  ChosenImages chosen;
  chosen.worst = first_of(all, count, [](const Candidate& a, const Candidate& b) { return a.mean < b.mean; });
  chosen.differing =
      first_of(apart, count, [](const Candidate& a, const Candidate& b) { return a.spread > b.spread; });
  std::vector<std::size_t> taken = chosen.worst;
  taken.insert(taken.end(), chosen.differing.begin(), chosen.differing.end());
  chosen.best = first_of(
      all, count, [](const Candidate& a, const Candidate& b) { return a.mean > b.mean; }, taken);
  return chosen;
}

}  // namespace portraitseg
