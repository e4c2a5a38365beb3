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

/// Waits until the number is reached, ten seconds at most, and a little longer: does it stay there?
int settled(const std::atomic<int>& number, int expected) {
  for (int i = 0; i < 10000 && number < expected; ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  std::this_thread::sleep_for(std::chrono::milliseconds(30));
  return number;
}

/// How many items could be put in before the first was done; two workers have one each.
int puts_without_taking(std::int64_t ahead, int expected, WeightLimit<int> limit = {}) {
  std::atomic<bool> open{false};
  std::atomic<int> put{0};
  OrderedStage<int, int> stage(
      2, ahead,
      [&](int item) {
        while (!open) std::this_thread::yield();
        return item;
      },
      [](int) {}, std::move(limit));
  std::thread source([&] {
    for (int i = 0; i < 20; ++i) {
      stage.put(i);
      ++put;
    }
  });
  const int before = settled(put, expected);
  open = true;
  source.join();
  stage.finish();
  EXPECT_EQ(put, 20);
  return before;
}

TEST(OrderedStage, HoldsNoMoreThanItIsToldTo) {
  EXPECT_EQ(puts_without_taking(3, 3), 3);
  EXPECT_EQ(puts_without_taking(10, 5, {[](const int&) { return 5; }, 12}), 5) << "two that wait weigh 10";
  EXPECT_EQ(puts_without_taking(10, 3, {[](const int&) { return 50; }, 12}), 3)
      << "a single one may be heavier";
}

TEST(OrderedMap, BeginsNothingWhereTheOthersWeighTooMuch) {
  std::atomic<int> made{0};
  const auto make = [&](std::int64_t i) {
    ++made;
    return static_cast<int>(i);
  };
  OrderedMap<int> map(10, 1, 8, make, {[](const int&) { return 5; }, 12});
  EXPECT_EQ(settled(made, 3), 3);
  for (int i = 0; i < 10; ++i) EXPECT_EQ(map.next(), i);
  EXPECT_EQ(map.next(), std::nullopt);
  OrderedMap<int> heavy(10, 3, 8, make, {[](const int&) { return 50; }, 12});
  for (int i = 0; i < 10; ++i) EXPECT_EQ(heavy.next(), i) << "a single one may be heavier";
}

TEST(OrderedStage, PassesErrorsOnAndStops) {
  const auto fail_at_three = [](int item) {
    if (item == 3) throw std::runtime_error("three");
    return item;
  };
  for (const bool in_work : {true, false}) {
    std::vector<int> seen;
    {
      OrderedStage<int, int> stage(
          1, 2, [&](int item) { return in_work ? fail_at_three(item) : item; },
          [&](int result) { seen.push_back(in_work ? result : fail_at_three(result)); });
      EXPECT_THROW(
          {
            for (int i = 0; i < 1000; ++i) stage.put(i);
            stage.finish();
          },
          std::runtime_error);
    }  // only then no thread writes to it
    EXPECT_LE(seen.size(), 3U);
  }
}

}  // namespace
}  // namespace portraitseg
