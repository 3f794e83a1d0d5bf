#include "bench/bench_round.hpp"

#include <algorithm>

#include "bench/bench_process.hpp"
#include "bench/bench_statistics.hpp"

namespace assent::bench {
namespace {

std::unique_ptr<Driver> make_driver(const RoundPlan& plan, EventLoop& loop, const Testbed& testbed,
                                    const CoordinatorPlace* coordinator, Finisher& finisher) {
  if (is_assent(plan.mode)) {
    const auto protocol = plan.mode == "assent-3pc" ? std::optional(Protocol::three_phase) : std::nullopt;
    return std::make_unique<AssentDriver>(loop, coordinator->address, coordinator->participants, plan.connections,
                                          std::chrono::seconds(kLockWaitS), protocol, finisher);
  }
  const auto style = plan.mode == "local"           ? RawDriver::Style::local
                     : plan.mode == "raw-statement" ? RawDriver::Style::statement
                                                    : RawDriver::Style::packet;
  return std::make_unique<RawDriver>(loop, testbed.places(),
                                     RawDriver::Options{.style = style,
                                                        .transport = testbed.transport(),
                                                        .clients = plan.load.clients,
                                                        .tag = testbed.tag() + "-",
                                                        .settings = plan.raw_settings},
                                     finisher);
}

/// What a measurement costs whom, in microseconds of CPU so far.
struct Meters {
  double coordinator = 0;
  double client = 0;
  double servers = 0;
};

Meters read_meters(const Testbed& testbed, const CoordinatorPlace* coordinator) {
  return {coordinator == nullptr ? 0 : cpu_us(coordinator->pid), own_cpu_us(), testbed.cpu_us()};
}

std::uint64_t log_syncs(const CoordinatorPlace* coordinator) {
  if (coordinator == nullptr) return 0;
  const auto counters = counters_of(coordinator->address);
  const auto found = counters.find("log_syncs");
  return found == counters.end() ? 0 : found->second;
}

}  // namespace

const std::vector<std::string>& mode_names() {
  static const std::vector<std::string> names = {"raw-packet",      "raw-statement", "local",
                                                 "assent-no-proof", "assent",        "assent-3pc"};
  return names;
}

bool is_assent(const std::string& mode) {
  return mode.starts_with("assent");
}

RoundOutcome run_round(const RoundPlan& plan, Testbed& testbed, Workload& workload,
                       const CoordinatorPlace* coordinator) {
  if (!is_assent(plan.mode)) coordinator = nullptr;
  Meters before;
  Meters after;
  EventLoop loop;
  Load load(loop, workload, plan.load,
            {.begin = [&] { before = read_meters(testbed, coordinator); },
             .end = [&] { after = read_meters(testbed, coordinator); },
             .progress = plan.progress});
  const auto driver = make_driver(plan, loop, testbed, coordinator, load);
  // What takes a query to learn is asked for around the whole run, so as not to disturb it.
  const auto server_syncs = testbed.syncs();
  const auto coordinator_syncs = log_syncs(coordinator);
  RoundOutcome outcome;
  outcome.load = load.run(*driver);
  const auto all = static_cast<double>(std::max<std::uint64_t>(1, outcome.load.committed_in_all));
  auto& result = outcome.result;
  result.server_syncs_per_tx = static_cast<double>(testbed.syncs() - server_syncs) / all;
  result.log_syncs_per_tx = static_cast<double>(log_syncs(coordinator) - coordinator_syncs) / all;
  const auto committed = static_cast<double>(outcome.load.committed);
  result.tx_per_s = committed / outcome.load.seconds;
  result.latency = latency_of(outcome.load.latency);
  result.coordinator_cpu_us_per_tx = ratio(after.coordinator - before.coordinator, committed);
  result.client_cpu_us_per_tx = ratio(after.client - before.client, committed);
  result.server_cpu_us_per_tx = ratio(after.servers - before.servers, committed);
  if (coordinator != nullptr) result.coordinator_rss_mib = memory_of(coordinator->pid).rss_mib;
  result.committed = outcome.load.committed;
  result.rolled_back = outcome.load.rolled_back;
  result.refused = outcome.load.refused;
  result.unknown = outcome.load.unknown;
  result.torn = outcome.load.torn;
  outcome.first_trouble = driver->first_trouble();
  return outcome;
}

}  // namespace assent::bench
