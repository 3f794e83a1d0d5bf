#pragma once

#include <string>

#include "bench/bench_results.hpp"

namespace assent::bench {

/// A self-contained SVG page in UTF-8. Of several points: throughput, ratio to the bare client, p50, p99 and CPU per
/// transaction against the sweep's axis (clients to the base 2). Of one point: the same as bars, by mode. Error bars
/// are the lowest and highest round. What was not measured is left out. The caption has the day on which it is drawn
/// (UTC).
std::string svg_of(const Sweep& sweep);

}  // namespace assent::bench
