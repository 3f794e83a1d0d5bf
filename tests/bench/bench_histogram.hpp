#pragma once

#include <array>
#include <cstdint>

namespace assent::bench {

/// Counts of durations in buckets whose width grows with them: log-linear, as HdrHistogram has it. What comes out is
/// the middle of a bucket, less than kErrorMax beside what went in. Not thread safe.
class Histogram {
 public:
  static constexpr double kErrorMax = 0.01;
  /// Longer ones count as this long. About 73 minutes.
  static constexpr std::uint64_t kNanosecondsMax = (1ULL << 42) - 1;

  void record(std::uint64_t nanoseconds);
  void add(const Histogram& other);

  std::uint64_t count() const { return count_; }
  /// Exact. 0 when nothing was recorded.
  std::uint64_t max_ns() const { return max_ns_; }
  double mean_ns() const { return count_ == 0 ? 0 : sum_ns_ / static_cast<double>(count_); }
  /// The smallest duration that at least `percent` of what was recorded do not exceed. 0 when nothing was recorded.
  double percentile_ns(double percent) const;

 private:
  // A power of two is cut into 64 buckets: each at most 1/64 of what it holds wide, its middle at most 1/128 away.
  static constexpr unsigned kCutBits = 6;
  static constexpr unsigned kCuts = 1U << kCutBits;
  static constexpr unsigned kBitsMax = 42;
  static constexpr std::size_t kBuckets = kCuts * (kBitsMax - kCutBits + 1);
  static_assert(0.5 / kCuts < kErrorMax);

  static std::size_t bucket_of(std::uint64_t nanoseconds);
  static double middle_of(std::size_t bucket);

  std::array<std::uint64_t, kBuckets> counts_{};
  std::uint64_t count_ = 0;
  std::uint64_t max_ns_ = 0;
  double sum_ns_ = 0;
};

}  // namespace assent::bench
