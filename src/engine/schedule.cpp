#include "portraitseg/engine/schedule.h"

#include <algorithm>
#include <cmath>

namespace portraitseg {
namespace {

const Names<ScheduleUnit> kUnits = {{"epoch", ScheduleUnit::kEpoch}, {"step", ScheduleUnit::kStep}};

constexpr double kPi = 3.14159265358979323846;

/// From 1 at 0 to 0 at 1.
double half_cosine(double share) {
  return (1 + std::cos(kPi * share)) / 2;
}

double ratio(std::int64_t a, std::int64_t b) {
  return static_cast<double>(a) / static_cast<double>(b);
}

}  // namespace

const ScheduleRegistry& schedules() {
  static const ScheduleRegistry registry = ScheduleRegistry("schedule")
                                               .add("multistep", std::make_shared<MultistepSchedule>)
                                               .add("step", std::make_shared<StepSchedule>)
                                               .add("exponential", std::make_shared<ExponentialSchedule>)
                                               .add("poly", std::make_shared<PolySchedule>)
                                               .add("warmup_poly", std::make_shared<WarmupPolySchedule>)
                                               .add("cosine", std::make_shared<CosineSchedule>)
                                               .add("one_cycle", std::make_shared<OneCycleSchedule>);
  return registry;
}

void MultistepSchedule::fields(Fields& f) {
  f("milestones", milestones, "epochs, from 0; empty: epochs / 2 and epochs - epochs / 6", {0, 1e9});
  f("gamma", gamma, "factor at each milestone", {0, 1});
}

double MultistepSchedule::factor(const SchedulePosition& position) const {
  const std::int64_t epochs = position.epochs;
  const std::vector<std::int64_t> reference = {epochs / 2, epochs - epochs / 6};
  double factor = 1;
  for (const std::int64_t milestone : milestones.empty() ? reference : milestones) {
    if (position.epoch >= milestone) factor *= gamma;
  }
  return factor;
}

void StepSchedule::fields(Fields& f) {
  f("every", every, "epochs from one factor to the next", {1, 1e9});
  f("gamma", gamma, "the factor", {0, 1});
}

double StepSchedule::factor(const SchedulePosition& position) const {
  return std::pow(gamma, static_cast<double>(position.epoch / every));
}

void ExponentialSchedule::fields(Fields& f) {
  f("gamma", gamma, "factor at each epoch", {0, 1});
}

double ExponentialSchedule::factor(const SchedulePosition& position) const {
  return std::pow(gamma, static_cast<double>(position.epoch));
}

void TimedSchedule::fields(Fields& f) {
  f.choice("by", by, kUnits, "whether it moves on with each");
}

double TimedSchedule::factor(const SchedulePosition& position) const {
  if (by == ScheduleUnit::kEpoch) return factor_at(position.epoch, position.epochs);
  return factor_at(position.epoch * position.batches + position.batch, position.epochs * position.batches);
}

void PolySchedule::fields(Fields& f) {
  TimedSchedule::fields(f);
  f("power", power, "of the share of the training that is left", {0, 100});
}

double PolySchedule::factor_at(std::int64_t t, std::int64_t total) const {
  return std::pow(1 - ratio(t, total), power);
}

WarmupPolySchedule::WarmupPolySchedule() {
  by = ScheduleUnit::kEpoch;
  power = 0.98;
}

void WarmupPolySchedule::fields(Fields& f) {
  PolySchedule::fields(f);
  f("warmup", warmup, "share of the training in which the learning rate rises", {0, 0.99});
}

double WarmupPolySchedule::factor_at(std::int64_t t, std::int64_t total) const {
  const auto rise = static_cast<std::int64_t>(warmup * static_cast<double>(total));
  if (t < rise) return std::pow(ratio(t + 1, rise), power);
  return PolySchedule::factor_at(t - rise, total - rise);
}

void CosineSchedule::fields(Fields& f) {
  TimedSchedule::fields(f);
  f("min_factor", min_factor, "what it comes down to", {0, 1});
}

double CosineSchedule::factor_at(std::int64_t t, std::int64_t total) const {
  return min_factor + (1 - min_factor) * half_cosine(ratio(t, total));
}

void OneCycleSchedule::fields(Fields& f) {
  TimedSchedule::fields(f);
  f("peak", peak, "share of the training after which the learning rate is the optimizer's", {0, 0.99});
  f("div_factor", div_factor, "that over the learning rate at the start", {1, 1e12});
  f("final_div_factor", final_div_factor, "the learning rate at the start over that at the end", {1, 1e12});
}

double OneCycleSchedule::factor_at(std::int64_t t, std::int64_t total) const {
  const double start = 1 / div_factor, end = start / final_div_factor;
  const double top = std::max(0.0, peak * static_cast<double>(total) - 1), now = static_cast<double>(t);
  if (now < top) return 1 + (start - 1) * half_cosine(now / top);
  const double fall = static_cast<double>(total) - 1 - top;
  return fall <= 0 ? 1 : end + (1 - end) * half_cosine((now - top) / fall);
}

}  // namespace portraitseg
