#include "bench/bench_statistics.hpp"

#include <algorithm>

namespace assent::bench {
namespace {

template <typename Read>
double median_of(const std::vector<RoundResult>& rounds, Read read) {
  std::vector<double> values;
  for (const auto& round : rounds) values.push_back(read(round));
  return median(std::move(values));
}

std::vector<double> ratios(const ModeResult& mode, const ModeResult& raw) {
  std::vector<double> found;
  for (std::size_t i = 0; i < mode.rounds.size() && i < raw.rounds.size(); ++i) {
    found.push_back(ratio(mode.rounds[i].tx_per_s, raw.rounds[i].tx_per_s));
  }
  return found;
}

}  // namespace

double median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const auto half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}

Spread spread(const std::vector<double>& values) {
  if (values.empty()) return {};
  const auto [least, most] = std::minmax_element(values.begin(), values.end());
  return {median(values), *least, *most};
}

double ratio(double value, double by) {
  return by == 0 ? 0 : value / by;
}

Latency latency_of(const Histogram& histogram) {
  constexpr double kNsPerMs = 1e6;
  return {histogram.percentile_ns(50) / kNsPerMs, histogram.percentile_ns(95) / kNsPerMs,
          histogram.percentile_ns(99) / kNsPerMs, histogram.percentile_ns(99.9) / kNsPerMs,
          static_cast<double>(histogram.max_ns()) / kNsPerMs};
}

void summarize(ModeResult& result) {
  const auto& rounds = result.rounds;
  std::vector<double> throughputs;
  result.committed = result.rolled_back = result.refused = result.unknown = result.torn = 0;
  for (const auto& round : rounds) {
    throughputs.push_back(round.tx_per_s);
    result.committed += round.committed;
    result.rolled_back += round.rolled_back;
    result.refused += round.refused;
    result.unknown += round.unknown;
    result.torn += round.torn;
  }
  result.tx_per_s = spread(throughputs);
  const auto of = [&](double RoundResult::*member) {
    return median_of(rounds, [member](const RoundResult& round) { return round.*member; });
  };
  const auto latency = [&](double Latency::*member) {
    return median_of(rounds, [member](const RoundResult& round) { return round.latency.*member; });
  };
  result.latency = {latency(&Latency::p50_ms), latency(&Latency::p95_ms), latency(&Latency::p99_ms),
                    latency(&Latency::p999_ms), latency(&Latency::max_ms)};
  result.coordinator_cpu_us_per_tx = of(&RoundResult::coordinator_cpu_us_per_tx);
  result.client_cpu_us_per_tx = of(&RoundResult::client_cpu_us_per_tx);
  result.server_cpu_us_per_tx = of(&RoundResult::server_cpu_us_per_tx);
  result.log_syncs_per_tx = of(&RoundResult::log_syncs_per_tx);
  result.server_syncs_per_tx = of(&RoundResult::server_syncs_per_tx);
  result.coordinator_rss_mib = of(&RoundResult::coordinator_rss_mib);
}

void compare_to_raw(Comparison& comparison) {
  const ModeResult* raw = nullptr;
  for (const auto& mode : comparison.modes) {
    if (!mode.mode.starts_with("raw")) continue;
    if (raw == nullptr || mode.tx_per_s.median > raw->tx_per_s.median) raw = &mode;
  }
  if (raw == nullptr) return;
  comparison.raw_mode = raw->mode;
  for (auto& mode : comparison.modes) {
    const auto found = ratios(mode, *raw);
    for (std::size_t i = 0; i < found.size(); ++i) mode.rounds[i].ratio_to_raw = found[i];
    mode.ratio_to_raw = spread(found);
  }
}

}  // namespace assent::bench
