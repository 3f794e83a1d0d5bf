#pragma once

#include "bench/bench_lab.hpp"
#include "bench/bench_options.hpp"
#include "bench/bench_progress.hpp"
#include "bench/bench_results.hpp"

namespace assent::bench {

/// Runs the modes of `options` in turn on databases of their own, which are gone afterwards, and holds them against
/// each other. Throws std::runtime_error when something cannot be had or fails, BrokenOff when a signal has come.
Comparison compare(const Options& options, const Site& site, Progress& progress);

}  // namespace assent::bench
