#pragma once

#include <vector>

#include "bench/bench_results.hpp"

namespace assent::bench {

/// The targets that this run can show: those for its kind of servers and its clients, with what it measured.
std::vector<Target> targets_of(const Comparison& comparison);
/// Throughput with many clients against that with fewer; empty unless both points are there.
std::vector<Target> targets_of(const Sweep& sweep);

Target at_least(std::string name, double target, double measured);
Target at_most(std::string name, double target, double measured);

}  // namespace assent::bench
