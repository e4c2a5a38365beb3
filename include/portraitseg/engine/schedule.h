#pragma once

#include <cstdint>
#include <vector>

#include "portraitseg/core/config.h"
#include "portraitseg/core/registry.h"

namespace portraitseg {

/// Where a training stands.
struct SchedulePosition {
  std::int64_t epoch = 0;    ///< from 0
  std::int64_t batch = 0;    ///< of the epoch, from 0
  std::int64_t batches = 1;  ///< that an epoch has
  std::int64_t epochs = 1;   ///< that the training has
};

/// A course of the learning rate; the registry makes it with its defaults.
struct Schedule {
  virtual ~Schedule() = default;
  virtual void fields(Fields& f) = 0;

  /// The factor on optimizer.lr.
  virtual double factor(const SchedulePosition& position) const = 0;
};

using ScheduleRegistry = OptionsRegistry<Schedule>;

/// Every schedule.
const ScheduleRegistry& schedules();

/// The section `schedule: {name: poly, ...}`.
struct ScheduleOptions : Selection<Schedule> {
  ScheduleOptions() : Selection("multistep", schedules()) {}
  double factor(const SchedulePosition& position) const { return options->factor(position); }
};

/// gamma ^ (number of milestones reached). clova main.py; torch.optim.lr_scheduler.MultiStepLR.
struct MultistepSchedule : Schedule {
  std::vector<std::int64_t>
      milestones;  ///< epochs, from 0; empty: epochs / 2 and epochs - epochs / 6 (clova)
  double gamma = 0.5;

  void fields(Fields& f) override;
  double factor(const SchedulePosition& position) const override;
};

/// gamma ^ floor(epoch / every). PortraitNet, Zhang et al. 2019, Sec. 4.3, whose figures are the defaults; StepLR.
struct StepSchedule : Schedule {
  std::int64_t every = 20;  ///< epochs
  double gamma = 0.95;

  void fields(Fields& f) override;
  double factor(const SchedulePosition& position) const override;
};

/// gamma ^ epoch. torch.optim.lr_scheduler.ExponentialLR.
struct ExponentialSchedule : Schedule {
  double gamma = 0.95;

  void fields(Fields& f) override;
  double factor(const SchedulePosition& position) const override;
};

/// What a schedule counts: t runs from 0 to T - 1.
enum class ScheduleUnit {
  kEpoch,  ///< t = epoch, T = epochs
  kStep,   ///< t = epoch * batches + batch, T = epochs * batches
};

/// A schedule whose formula is of t and T.
struct TimedSchedule : Schedule {
  ScheduleUnit by = ScheduleUnit::kStep;

  void fields(Fields& f) override;
  double factor(const SchedulePosition& position) const override;

 protected:
  virtual double factor_at(std::int64_t t, std::int64_t total) const = 0;
};

/// (1 - t / T) ^ power. Liu et al. 2015 ("ParseNet"), Chen et al. 2017 ("DeepLab"), by step.
struct PolySchedule : TimedSchedule {
  double power = 0.9;

  void fields(Fields& f) override;

 protected:
  double factor_at(std::int64_t t, std::int64_t total) const override;
};

/// ((t + 1) / W) ^ power for t < W = floor(warmup * T), then (1 - (t - W) / (T - W)) ^ power.
/// SINet on Cityscapes, clovaai/c3_sinet etc/utils.py, by epoch; its figures are the defaults.
struct WarmupPolySchedule : PolySchedule {
  double warmup = 0.05;  ///< share of the training

  WarmupPolySchedule();
  void fields(Fields& f) override;

 protected:
  double factor_at(std::int64_t t, std::int64_t total) const override;
};

/// min + (1 - min) * (1 + cos(pi * t / T)) / 2. Loshchilov and Hutter 2017 ("SGDR"), Eq. 5 without restarts.
struct CosineSchedule : TimedSchedule {
  double min_factor = 0;

  void fields(Fields& f) override;

 protected:
  double factor_at(std::int64_t t, std::int64_t total) const override;
};

/// From 1 / div_factor to 1 at t = peak * T - 1, then to 1 / (div_factor * final_div_factor) at t = T - 1, each half a
/// cosine; optimizer.lr is the peak. Smith and Topin 2018; torch.optim.lr_scheduler.OneCycleLR without its cycle of the
/// momentum.
struct OneCycleSchedule : TimedSchedule {
  double peak = 0.3;  ///< share of the training
  double div_factor = 25;
  double final_div_factor = 1e4;

  void fields(Fields& f) override;

 protected:
  double factor_at(std::int64_t t, std::int64_t total) const override;
};

}  // namespace portraitseg
