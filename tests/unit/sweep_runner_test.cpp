#include <csignal>
#include <set>

#include <gmock/gmock.h>

#include "portraitseg/core/file.h"
#include "portraitseg/sweep/runner.h"

#include "support/temporary_folder.h"

namespace portraitseg {
namespace {

using ::testing::SizeIs;

/// Jobs that nobody trains: they run until a test ends them.
class FakeLauncher final : public Launcher {
 public:
  std::size_t capacity(std::size_t workers) const override { return closed ? 0 : workers; }

  std::vector<std::optional<JobId>> start(const std::vector<Job>& jobs) override {
    ++calls;
    std::vector<std::optional<JobId>> ids;
    for (const Job& job : jobs) {
      started.push_back(job);
      ids.emplace_back(id(job.name));
    }
    closed = refuses;
    if (refuses) return std::vector<std::optional<JobId>>(jobs.size());
    return ids;
  }

  std::optional<JobId> adopt(const std::string& name) override {
    if (left.count(name) == 0) return std::nullopt;
    return id(name);
  }

  std::optional<JobEnd> end(const JobId& job) override {
    if (stopped.count(job.job) > 0) return JobEnd{128 + SIGTERM, 0, {}};
    const auto found = ended.find(job.job);
    if (found == ended.end()) return std::nullopt;
    const JobEnd end = found->second;
    ended.erase(found);
    return end;
  }

  void stop(const JobId& job) override { stopped.insert(job.job); }

  bool refuses = false, closed = false;
  std::size_t calls = 0;
  std::set<std::string> left, stopped;
  std::vector<Job> started;
  std::map<std::string, JobEnd> ended;

 private:
  static JobId id(const std::string& name) { return {0, name}; }
};

class SweepRunner : public ::testing::Test {
 protected:
  SweepRunner() {
    const std::string base = std::string(PORTRAITSEG_SOURCE_DIR) + "/configs/sinet_quickstart.yaml";
    write_file(folder_.path() / "sweep.yaml", "base: " + base + "\naxes: {trainer.seed: [1, 2, 3, 4]}\n");
    plan_ = SweepPlan::load(folder_.path() / "sweep.yaml");
  }

  SweepFolder folder(std::int64_t workers) const {
    return SweepFolder::write(folder_.path() / "run", plan_, workers, 1);
  }

  /// So many looks at the jobs.
  void run(
      const SweepFolder& sweep, int looks, const std::function<void(int)>& at_look = [](int) {}) {
    SweepObserver nobody;
    int look = 0;
    run_sweep(sweep, launcher_, RunnerOptions(), nobody, [&] {
      at_look(look);
      return ++look > looks;
    });
  }

  TrialHistory history(std::size_t trial) const {
    return Journal(folder_.path() / "run/journal.jsonl").of(plan_.trials[trial].id);
  }

  const testing::TemporaryFolder folder_;
  SweepPlan plan_;
  FakeLauncher launcher_;
};

TEST_F(SweepRunner, AsksTheLauncherHowManyItTakesAlsoWhereTrialsAreStoppedEarly) {
  plan_.early_stopping = {{1, 3}, 3, "miou"};
  launcher_.refuses = true;
  run(folder(2), 20);
  EXPECT_EQ(launcher_.calls, 1U) << "a launcher that has no room is not asked again and again";
  EXPECT_EQ(history(0).state, TrialHistory::State::kNew);
}

TEST_F(SweepRunner, CountsAdoptedJobsAmongItsWorkers) {
  const SweepFolder sweep = folder(2);
  for (std::size_t i = 0; i < 3; ++i) launcher_.left.insert(left_job(sweep.sweep().trials[i], {}));
  run(sweep, 20, [&](int look) {
    if (look == 5) launcher_.ended[left_job(sweep.sweep().trials[0], {})] = {1, 0, {}};
  });
  EXPECT_THAT(launcher_.started, SizeIs(0)) << "two of three still run, and there are two workers";
  EXPECT_EQ(history(0).state, TrialHistory::State::kFailed);
}

TEST_F(SweepRunner, StartsTheNextTrialWhereOneHasEnded) {
  run(folder(2), 20, [&](int look) {
    if (look == 5) launcher_.ended[launcher_.started.front().name] = {1, 0, {}};
  });
  EXPECT_THAT(launcher_.started, SizeIs(3));
}

TEST_F(SweepRunner, AJobThatEndsWellWithoutItsTrainingBeingDoneIsNoFinishedTrial) {
  run(folder(1), 20, [&](int look) {
    if (look == 5) launcher_.ended[launcher_.started.front().name] = {0, 0, {}};
  });
  EXPECT_EQ(history(0).state, TrialHistory::State::kFailed) << "it left no checkpoint";
}

}  // namespace
}  // namespace portraitseg
