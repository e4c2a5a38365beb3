#include "portraitseg/engine/grad_scaler.h"

#include <vector>

#include <gmock/gmock.h>
#include <torch/types.h>

#include "portraitseg/core/error.h"

namespace portraitseg {
namespace {

void repeat(GradScaler& scaler, int updates) {
  for (int i = 0; i < updates; ++i) scaler.update(true);
}

TEST(GradScaler, DoublesAfter2000FiniteUpdatesInARow) {
  GradScaler scaler;
  EXPECT_EQ(scaler.scale(), 65536);
  repeat(scaler, 1999);
  EXPECT_EQ(scaler.scale(), 65536);
  repeat(scaler, 1);
  EXPECT_EQ(scaler.scale(), 131072);
  repeat(scaler, 2000);
  EXPECT_EQ(scaler.scale(), 262144);
}

TEST(GradScaler, AnOverflowHalvesItAndStartsTheCountAnew) {
  GradScaler scaler;
  repeat(scaler, 1999);
  scaler.update(false);
  EXPECT_EQ(scaler.scale(), 32768);
  repeat(scaler, 1999);
  EXPECT_EQ(scaler.scale(), 32768);
  repeat(scaler, 1);
  EXPECT_EQ(scaler.scale(), 65536);
}

TEST(GradScaler, OverflowsInARowHalveItEachTimeUntilSomethingElseMustBeWrong) {
  GradScaler scaler;
  for (int i = 0; i < 32; ++i) {
    EXPECT_TRUE(scaler.may_overflow()) << i;
    scaler.update(false);
  }
  EXPECT_EQ(scaler.scale(), 1.0 / 65536);
  EXPECT_FALSE(scaler.may_overflow());
}

TEST(GradScaler, GoesOnAfterLoadingAsIfNothingHadBeen) {
  GradScaler scaler, resumed;
  scaler.update(false);
  repeat(scaler, 1500);
  TensorFile file;
  scaler.save(file);
  resumed.load(file, "memory");
  for (const int updates : {499, 1, 1999, 1}) {
    repeat(scaler, updates);
    repeat(resumed, updates);
    EXPECT_EQ(resumed.scale(), scaler.scale()) << updates;
  }
  EXPECT_EQ(resumed.scale(), 131072);
}

TEST(GradScaler, AnIncompleteStateIsRefusedByName) {
  TensorFile file;
  GradScaler().save(file);
  for (const auto& missing : file.tensors) {
    TensorFile rest;
    for (const auto& item : file.tensors) {
      if (item.first != missing.first) rest.tensors.push_back(item);
    }
    GradScaler scaler;
    try {
      scaler.load(rest, "last.safetensors");
      ADD_FAILURE() << missing.first;
    } catch (const DataError& error) {
      EXPECT_THAT(error.what(), ::testing::HasSubstr(missing.first + " is missing"));
    }
  }
}

}  // namespace
}  // namespace portraitseg
