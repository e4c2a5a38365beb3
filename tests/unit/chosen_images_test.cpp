#include "portraitseg/report/chosen_images.h"

#include <limits>

#include <gmock/gmock.h>

namespace portraitseg {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

TEST(ChosenImages, TheWorstHaveTheLowestMeanTheBestTheHighest) {
  const ChosenImages chosen = choose_images({{90, 50, 70, 95, 80}, {92, 54, 66, 93, 80}}, 2);
  EXPECT_THAT(chosen.worst, ElementsAre(1, 2));
  EXPECT_THAT(chosen.differing, ElementsAre(1, 2));
  EXPECT_THAT(chosen.best, ElementsAre(3, 0));
}

TEST(ChosenImages, ThoseThatDifferHaveTheWidestSpreadOfAllResults) {
  const ChosenImages chosen = choose_images({{90, 90, 90, 90}, {90, 80, 91, 90}, {90, 85, 99, 90}}, 3);
  EXPECT_THAT(chosen.differing, ElementsAre(1, 2));  // of the others all are equal
  EXPECT_THAT(choose_images({{90, 80}}, 3).differing, IsEmpty());
}

TEST(ChosenImages, NoneIsBestThatWasShownBeforeAndEqualOnesKeepTheirOrder) {
  const ChosenImages chosen = choose_images({{80, 80, 80, 80}}, 3);
  EXPECT_THAT(chosen.worst, ElementsAre(0, 1, 2));
  EXPECT_THAT(chosen.best, ElementsAre(3));
}

TEST(ChosenImages, AnImageWithoutAFigureIsLeftOut) {
  const ChosenImages chosen = choose_images({{kNone, 50, 70}, {10, 50, kNone}}, 2);
  EXPECT_THAT(chosen.worst, ElementsAre(1));
  EXPECT_THAT(chosen.best, IsEmpty());
  EXPECT_THAT(choose_images({}, 2).worst, IsEmpty());
}

}  // namespace
}  // namespace portraitseg
