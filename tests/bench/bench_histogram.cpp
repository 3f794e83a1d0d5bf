#include "bench/bench_histogram.hpp"

#include <algorithm>
#include <bit>
#include <cmath>

namespace assent::bench {

std::size_t Histogram::bucket_of(std::uint64_t nanoseconds) {
  if (nanoseconds < kCuts) return nanoseconds;
  const auto shift = static_cast<unsigned>(std::bit_width(nanoseconds)) - 1 - kCutBits;
  // The leading bit says which row of kCuts buckets, the kCutBits behind it which bucket there.
  return (shift + 1) * kCuts + ((nanoseconds >> shift) - kCuts);
}

double Histogram::middle_of(std::size_t bucket) {
  if (bucket < kCuts) return static_cast<double>(bucket);
  const auto shift = bucket / kCuts - 1;
  const auto first = (kCuts + bucket % kCuts) << shift;
  return static_cast<double>(first) + static_cast<double>((1ULL << shift) - 1) / 2;
}

void Histogram::record(std::uint64_t nanoseconds) {
  const auto held = std::min(nanoseconds, kNanosecondsMax);
  ++counts_[bucket_of(held)];
  ++count_;
  max_ns_ = std::max(max_ns_, nanoseconds);
  sum_ns_ += static_cast<double>(nanoseconds);
}

void Histogram::add(const Histogram& other) {
  for (std::size_t i = 0; i < kBuckets; ++i) counts_[i] += other.counts_[i];
  count_ += other.count_;
  max_ns_ = std::max(max_ns_, other.max_ns_);
  sum_ns_ += other.sum_ns_;
}

double Histogram::percentile_ns(double percent) const {
  if (count_ == 0) return 0;
  const auto wanted =
      std::max<std::uint64_t>(1, static_cast<std::uint64_t>(std::ceil(percent / 100 * static_cast<double>(count_))));
  std::uint64_t seen = 0;
  for (std::size_t i = 0; i < kBuckets; ++i) {
    seen += counts_[i];
    if (seen >= wanted) return std::min(middle_of(i), static_cast<double>(max_ns_));
  }
  return static_cast<double>(max_ns_);
}

}  // namespace assent::bench
