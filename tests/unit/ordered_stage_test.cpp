#include "portraitseg/data/ordered_stage.h"

#include <atomic>
#include <stdexcept>

#include <gtest/gtest.h>

namespace portraitseg {
namespace {

TEST(OrderedStage, HandsResultsOverInTheOrderOfTheItems) {
  for (const int workers : {0, 1, 4}) {
    std::vector<int> seen;
    OrderedStage<int, int> stage(
        workers, 5,
        [](int item) {
          std::this_thread::sleep_for(std::chrono::microseconds(item % 3 * 300));
          return 10 * item;
        },
        [&](int result) { seen.push_back(result); });
    for (int i = 0; i < 40; ++i) stage.put(i);
    stage.finish();
    ASSERT_EQ(seen.size(), 40U);
    for (int i = 0; i < 40; ++i) EXPECT_EQ(seen[static_cast<std::size_t>(i)], 10 * i);
  }
}

TEST(OrderedStage, HoldsNoMoreThanItIsToldTo) {
  std::atomic<int> inside{0}, most{0};
  OrderedStage<int, int> stage(
      2, 3, [](int item) { return item; }, [&](int) { --inside; });
  for (int i = 0; i < 100; ++i) {
    stage.put(i);
    most = std::max<int>(most, ++inside);
  }
  stage.finish();
  EXPECT_LE(most, 4);  // the three and the one just counted
}

TEST(OrderedStage, PassesErrorsOnAndStops) {
  const auto fail_at_three = [](int item) {
    if (item == 3) throw std::runtime_error("three");
    return item;
  };
  for (const bool in_work : {true, false}) {
    std::vector<int> seen;
    OrderedStage<int, int> stage(
        1, 2, [&](int item) { return in_work ? fail_at_three(item) : item; },
        [&](int result) { seen.push_back(in_work ? result : fail_at_three(result)); });
    EXPECT_THROW(
        {
          for (int i = 0; i < 1000; ++i) stage.put(i);
          stage.finish();
        },
        std::runtime_error);
    EXPECT_LE(seen.size(), 3U);
  }
}

}  // namespace
}  // namespace portraitseg
