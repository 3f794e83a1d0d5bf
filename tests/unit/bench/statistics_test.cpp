#include <gtest/gtest.h>

#include "bench/bench_statistics.hpp"

namespace assent::bench {
namespace {

RoundResult round(double tx_per_s) {
  RoundResult made;
  made.tx_per_s = tx_per_s;
  return made;
}

ModeResult mode(const std::string& name, const std::vector<double>& throughputs) {
  ModeResult made;
  made.mode = name;
  for (const double one : throughputs) made.rounds.push_back(round(one));
  summarize(made);
  return made;
}

TEST(StatisticsTest, MedianTakesTheMiddleOrTheMeanOfTheTwoInIt) {
  EXPECT_EQ(median({}), 0);
  EXPECT_EQ(median({7}), 7);
  EXPECT_EQ(median({9, 1, 5}), 5);
  EXPECT_EQ(median({9, 1, 5, 7}), 6);
}

TEST(StatisticsTest, SpreadHoldsTheExtremes) {
  const auto found = spread({3, 1, 2});
  EXPECT_EQ(found.median, 2);
  EXPECT_EQ(found.min, 1);
  EXPECT_EQ(found.max, 3);
  EXPECT_EQ(spread({}).max, 0);
}

TEST(StatisticsTest, NothingToDivideByIsZero) {
  EXPECT_EQ(ratio(4, 2), 2);
  EXPECT_EQ(ratio(4, 0), 0);
}

TEST(StatisticsTest, SummaryIsMediansOfNumbersAndSumsOfCounts) {
  ModeResult mode;
  for (const double value : {10.0, 30.0, 20.0}) {
    auto& one = mode.rounds.emplace_back(round(value));
    one.latency = {value, value + 1, value + 2, value + 3, value + 4};
    one.coordinator_cpu_us_per_tx = value + 5;
    one.client_cpu_us_per_tx = value + 6;
    one.server_cpu_us_per_tx = value + 7;
    one.log_syncs_per_tx = value + 8;
    one.server_syncs_per_tx = value + 9;
    one.coordinator_rss_mib = value + 10;
    one.committed = 100;
    one.rolled_back = 2;
    one.refused = 3;
    one.unknown = 4;
    one.torn = 5;
  }
  summarize(mode);
  EXPECT_EQ(mode.tx_per_s.median, 20);
  EXPECT_EQ(mode.tx_per_s.min, 10);
  EXPECT_EQ(mode.tx_per_s.max, 30);
  EXPECT_EQ(mode.latency.p50_ms, 20);
  EXPECT_EQ(mode.latency.p95_ms, 21);
  EXPECT_EQ(mode.latency.p99_ms, 22);
  EXPECT_EQ(mode.latency.p999_ms, 23);
  EXPECT_EQ(mode.latency.max_ms, 24);
  EXPECT_EQ(mode.coordinator_cpu_us_per_tx, 25);
  EXPECT_EQ(mode.client_cpu_us_per_tx, 26);
  EXPECT_EQ(mode.server_cpu_us_per_tx, 27);
  EXPECT_EQ(mode.log_syncs_per_tx, 28);
  EXPECT_EQ(mode.server_syncs_per_tx, 29);
  EXPECT_EQ(mode.coordinator_rss_mib, 30);
  EXPECT_EQ(mode.committed, 300U);
  EXPECT_EQ(mode.rolled_back, 6U);
  EXPECT_EQ(mode.refused, 9U);
  EXPECT_EQ(mode.unknown, 12U);
  EXPECT_EQ(mode.torn, 15U);
}

TEST(StatisticsTest, RatiosAreTakenWithinPairsAgainstTheBetterRawMode) {
  Comparison comparison;
  comparison.modes = {mode("raw-packet", {100, 200, 400}), mode("raw-statement", {90, 250, 100}),
                      mode("assent", {50, 180, 200})};
  compare_to_raw(comparison);
  EXPECT_EQ(comparison.raw_mode, "raw-packet");
  const auto* assent = comparison.mode("assent");
  ASSERT_NE(assent, nullptr);
  EXPECT_DOUBLE_EQ(assent->ratio_to_raw.median, 0.5);
  EXPECT_DOUBLE_EQ(assent->ratio_to_raw.min, 0.5);
  EXPECT_DOUBLE_EQ(assent->ratio_to_raw.max, 0.9);
  EXPECT_DOUBLE_EQ(assent->rounds[1].ratio_to_raw, 0.9);
  EXPECT_DOUBLE_EQ(comparison.mode("raw-packet")->ratio_to_raw.median, 1);
}

TEST(StatisticsTest, WithoutARawModeThereAreNoRatios) {
  Comparison comparison;
  comparison.modes = {mode("local", {100}), mode("assent", {50})};
  compare_to_raw(comparison);
  EXPECT_EQ(comparison.raw_mode, "");
  EXPECT_EQ(comparison.mode("assent")->ratio_to_raw.median, 0);
  EXPECT_EQ(comparison.mode("raw-packet"), nullptr);
}

}  // namespace
}  // namespace assent::bench
