#pragma once

#include <string>

#include "bench/bench_results.hpp"

namespace assent::bench {

/// For people, in UTF-8, as lines: what was run where, throughput and latency, cost, the open loop, the sums, and each
/// target with "held" or "MISSED". Brackets hold the lowest and highest round; "-" stands for what was not measured.
std::string table_of(const Comparison& comparison);

/// The same in short, a line per point and mode; of the points' sums and targets, those that are wrong or
/// missed; and each target of the sweep itself.
std::string table_of(const Sweep& sweep);

}  // namespace assent::bench
