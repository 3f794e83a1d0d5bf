#pragma once

#include <vector>

#include "bench/bench_histogram.hpp"
#include "bench/bench_results.hpp"

namespace assent::bench {

/// Of an even number of values the mean of the two in the middle; 0 of none.
double median(std::vector<double> values);
Spread spread(const std::vector<double>& values);
/// 0 where there is nothing to divide by.
double ratio(double value, double by);

Latency latency_of(const Histogram& histogram);

/// Fills everything of `result` but its mode from its rounds.
void summarize(ModeResult& result);

/// Fills in ratio_to_raw of every round and mode, and raw_mode: of the modes that begin with "raw", the one with the
/// highest median throughput. Every mode must have as many rounds; the n-th of each are a pair.
void compare_to_raw(Comparison& comparison);

}  // namespace assent::bench
