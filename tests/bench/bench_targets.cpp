#include "bench/bench_targets.hpp"

#include <algorithm>

#include "bench/bench_statistics.hpp"

namespace assent::bench {
namespace {

constexpr unsigned kManyClients = 64;
constexpr unsigned kCrowdClients = 256;
constexpr double kCoordinatorCpuUs = 80;
constexpr double kLogSyncsPerTx = 0.5;
constexpr double kP99Ratio = 1.4;
constexpr double kCrowdRatio = 0.85;
constexpr double kManyParticipantsRatio = 0.95;
constexpr unsigned kManyParticipants = 8;

/// Of the bare client's throughput, for two branches.
struct RatioTarget {
  const char* servers;
  unsigned clients;
  const char* mode;
  double ratio;
};
constexpr RatioTarget kRatios[] = {
    {"mariadb", kManyClients, "assent-no-proof", 0.85},
    {"mariadb", kManyClients, "assent", 0.75},
    {"mariadb", kManyClients, "assent-3pc", 0.55},
    {"mysql", kManyClients, "assent-no-proof", 0.90},
    {"mysql", kManyClients, "assent", 0.85},
    {"mysql", kManyClients, "assent-3pc", 0.65},
    {"mariadb", 1, "assent-no-proof", 0.70},
    {"mysql", 1, "assent-no-proof", 0.85},
};

/// "mariadb" or "mysql" when all servers are of that kind.
std::string kind_of(const Comparison& comparison) {
  std::string kind;
  for (const auto& server : comparison.servers) {
    if (!kind.empty() && server.kind != kind) return "";
    kind = server.kind;
  }
  return kind;
}

const ModeResult* best_assent(const Comparison& comparison) {
  for (const auto* name : {"assent", "assent-no-proof", "assent-3pc"}) {
    if (const auto* mode = comparison.mode(name)) return mode;
  }
  return nullptr;
}

}  // namespace

Target at_least(std::string name, double target, double measured) {
  return {std::move(name), target, measured, false, measured >= target};
}
Target at_most(std::string name, double target, double measured) {
  return {std::move(name), target, measured, true, measured <= target};
}

std::vector<Target> targets_of(const Comparison& comparison) {
  std::vector<Target> targets;
  const auto& run = comparison.options;
  if (run.workload != "transfer" || run.touched != 2 || run.statements != 1) return targets;
  const auto kind = kind_of(comparison);
  const auto clients = std::to_string(run.clients) + (run.clients == 1 ? " client" : " clients");
  for (const auto& one : kRatios) {
    const auto* mode = comparison.mode(one.mode);
    if (one.servers != kind || one.clients != run.clients || mode == nullptr || comparison.raw_mode.empty()) continue;
    targets.push_back(at_least(std::string(one.mode) + ": throughput by the bare client's, " + clients, one.ratio,
                               mode->ratio_to_raw.median));
  }
  for (const auto& mode : comparison.open_loop.modes) {
    if (mode.mode.starts_with("raw") || mode.p99_ratio_to_raw == 0) continue;
    targets.push_back(
        at_most(mode.mode + ": p99 by the bare client's at the same rate", kP99Ratio, mode.p99_ratio_to_raw));
  }
  for (const auto& mode : comparison.modes) {
    if (!mode.mode.starts_with("assent") || mode.coordinator_cpu_us_per_tx == 0) continue;
    targets.push_back(at_most(mode.mode + ": microseconds of assentd's CPU a transaction", kCoordinatorCpuUs,
                              mode.coordinator_cpu_us_per_tx));
    if (run.clients < kManyClients) continue;
    targets.push_back(at_most(mode.mode + ": log syncs a transaction", kLogSyncsPerTx, mode.log_syncs_per_tx));
  }
  return targets;
}

std::vector<Target> targets_of(const Sweep& sweep) {
  const auto find = [&](double value) -> const ModeResult* {
    const auto found = std::find_if(sweep.points.begin(), sweep.points.end(),
                                    [&](const auto& point) { return axis_value(sweep, point) == value; });
    return found == sweep.points.end() ? nullptr : best_assent(*found);
  };
  if (sweep.axis == "clients") {
    const auto* crowd = find(kCrowdClients);
    const auto* many = find(kManyClients);
    if (crowd == nullptr || many == nullptr) return {};
    return {at_least(crowd->mode + ": throughput with 256 clients by that with 64", kCrowdRatio,
                     ratio(crowd->tx_per_s.median, many->tx_per_s.median))};
  }
  if (sweep.axis != "participants") return {};
  const auto* eight = find(kManyParticipants);
  const auto* two = find(2);
  if (eight == nullptr || two == nullptr || two->ratio_to_raw.median == 0) return {};
  // What the servers themselves lose with more databases, the bare client loses as well.
  return {at_least(eight->mode + ": share of the bare client's throughput with 8 participants by that with 2",
                   kManyParticipantsRatio, ratio(eight->ratio_to_raw.median, two->ratio_to_raw.median))};
}

}  // namespace assent::bench
