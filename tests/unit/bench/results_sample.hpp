#pragma once

#include <string>
#include <vector>

#include "bench/bench_results.hpp"

namespace assent::bench {

/// A mode as a run could have shown it, with `tx_per_s` within a tenth of its median.
inline ModeResult sample_mode(const std::string& name, double tx_per_s, double coordinator_cpu_us) {
  ModeResult mode;
  mode.mode = name;
  mode.tx_per_s = {tx_per_s, tx_per_s * 0.95, tx_per_s * 1.05};
  mode.ratio_to_raw = {tx_per_s / 5000, tx_per_s / 5200, tx_per_s / 4800};
  mode.latency = {10, 20, 30, 40, 50};
  for (const double p99_ms : {27.0, 33.0}) {
    RoundResult round;
    round.tx_per_s = tx_per_s;
    round.latency = {10, 20, p99_ms, 40, 50};
    mode.rounds.push_back(round);
  }
  mode.coordinator_cpu_us_per_tx = coordinator_cpu_us;
  mode.client_cpu_us_per_tx = 68;
  mode.server_cpu_us_per_tx = 263;
  mode.committed = 123'456;
  return mode;
}

/// At `clients`, with the modes "raw-packet", "local" and "assent".
inline Comparison sample_comparison(unsigned clients) {
  Comparison comparison;
  comparison.version = "1.2.3";
  comparison.machine = {"A Processor", 2, 8000, "Linux 6.1", 850, "ext4"};
  comparison.servers = {{"a", "mariadb", "10.11.6"}, {"b", "mariadb", "10.11.6"}, {"c", "mysql", "9.7.0"}};
  comparison.raw_mode = "raw-packet";
  comparison.options.clients = clients;
  comparison.modes = {sample_mode("raw-packet", 5000, 0), sample_mode("local", 8000, 0),
                      sample_mode("assent", 4000, 75.5)};
  comparison.sums = {true, {{"total of all accounts", true, "20000000"}}};
  return comparison;
}

inline Sweep sweep_along(const std::string& axis) {
  Sweep sweep;
  sweep.axis = axis;
  return sweep;
}

inline Sweep sample_sweep(const std::vector<unsigned>& clients) {
  auto sweep = sweep_along("clients");
  for (const unsigned each : clients) sweep.points.push_back(sample_comparison(each));
  return sweep;
}

}  // namespace assent::bench
