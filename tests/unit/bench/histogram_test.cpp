#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include "bench/bench_histogram.hpp"

namespace assent::bench {
namespace {

double exact(std::vector<std::uint64_t> values, double percent) {
  std::sort(values.begin(), values.end());
  const auto rank = static_cast<std::size_t>(std::ceil(percent / 100 * static_cast<double>(values.size())));
  return static_cast<double>(values[std::max<std::size_t>(rank, 1) - 1]);
}

TEST(HistogramTest, NothingRecordedIsZero) {
  const Histogram empty;
  EXPECT_EQ(empty.count(), 0U);
  EXPECT_EQ(empty.max_ns(), 0U);
  EXPECT_EQ(empty.percentile_ns(50), 0);
  EXPECT_EQ(empty.mean_ns(), 0);
}

TEST(HistogramTest, ASingleValueIsEveryPercentile) {
  for (const std::uint64_t value : {0ULL, 1ULL, 63ULL, 64ULL, 65ULL, 127ULL, 128ULL, 1'000ULL, 123'456'789ULL}) {
    Histogram one;
    one.record(value);
    for (const double percent : {0.0, 1.0, 50.0, 99.9, 100.0}) {
      EXPECT_NEAR(one.percentile_ns(percent), static_cast<double>(value),
                  Histogram::kErrorMax * static_cast<double>(value))
          << value << " at " << percent;
    }
  }
}

TEST(HistogramTest, EveryMagnitudeIsWithinTheError) {
  for (double value = 1; value < 4e12; value *= 1.003) {
    Histogram one;
    one.record(static_cast<std::uint64_t>(value));
    // A longer one, so that the middle of the bucket is not cut to the longest.
    one.record(1ULL << 41);
    const auto recorded = std::floor(value);
    EXPECT_NEAR(one.percentile_ns(50), std::min(recorded, std::ldexp(1, 41)), Histogram::kErrorMax * recorded);
  }
}

TEST(HistogramTest, PercentilesAgreeWithSortedValues) {
  std::mt19937_64 random(7);
  std::lognormal_distribution<double> latency(14, 1.5);
  std::vector<std::uint64_t> values;
  Histogram histogram;
  for (int i = 0; i < 20'000; ++i) {
    values.push_back(static_cast<std::uint64_t>(latency(random)));
    histogram.record(values.back());
  }
  for (const double percent : {1.0, 50.0, 90.0, 95.0, 99.0, 99.9, 99.99}) {
    const auto wanted = exact(values, percent);
    EXPECT_NEAR(histogram.percentile_ns(percent), wanted, Histogram::kErrorMax * wanted) << percent;
  }
  EXPECT_EQ(histogram.max_ns(), *std::max_element(values.begin(), values.end()));
}

TEST(HistogramTest, OverTheLongestIsCountedAndTheMaximumKept) {
  Histogram histogram;
  histogram.record(Histogram::kNanosecondsMax + 5);
  histogram.record(~0ULL);
  EXPECT_EQ(histogram.count(), 2U);
  EXPECT_EQ(histogram.max_ns(), ~0ULL);
  EXPECT_NEAR(histogram.percentile_ns(100), static_cast<double>(Histogram::kNanosecondsMax),
              Histogram::kErrorMax * static_cast<double>(Histogram::kNanosecondsMax));
}

TEST(HistogramTest, AddedIsAsIfRecordedInOne) {
  Histogram one;
  Histogram other;
  Histogram both;
  for (std::uint64_t i = 1; i < 1000; ++i) {
    (i % 3 == 0 ? one : other).record(i * i);
    both.record(i * i);
  }
  one.add(other);
  EXPECT_EQ(one.count(), both.count());
  EXPECT_EQ(one.max_ns(), both.max_ns());
  EXPECT_DOUBLE_EQ(one.mean_ns(), both.mean_ns());
  for (const double percent : {10.0, 50.0, 99.0}) EXPECT_EQ(one.percentile_ns(percent), both.percentile_ns(percent));
}

}  // namespace
}  // namespace assent::bench
