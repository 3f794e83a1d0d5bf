#pragma once

#include <string>

#include "bench/bench_lab.hpp"
#include "bench/bench_options.hpp"
#include "bench/bench_results.hpp"

namespace assent::bench {

/// Memory of a coordinator whose clients do nothing.
struct Idle {
  unsigned connections = 0;
  double without_mib = 0;  ///< Resident before the first of them.
  double with_mib = 0;     ///< Resident with all of them, each of which has had one answer.
  Target target;
};

/// Throws std::runtime_error when something cannot be had.
Idle measure_idle(const Options& options, const Site& site);

nlohmann::ordered_json to_json(const Idle& idle);
std::string text_of(const Idle& idle);

}  // namespace assent::bench
