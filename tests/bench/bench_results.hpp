#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "assent/result.hpp"

/// What assent-bench has measured, as plain values: for its table, its JSON and its plots. Nothing here is thread safe
/// by itself, and nothing owns more than its strings and vectors.
namespace assent::bench {

/// Over the rounds of one mode.
struct Spread {
  double median = 0;
  double min = 0;
  double max = 0;
};

/// Of committed transactions, from their start (in an open loop from the time at which they were to start).
struct Latency {
  double p50_ms = 0;
  double p95_ms = 0;
  double p99_ms = 0;
  double p999_ms = 0;
  double max_ms = 0;
};

/// One mode, run once for RunOptions::seconds.
struct RoundResult {
  double tx_per_s = 0;      ///< Committed.
  double ratio_to_raw = 0;  ///< Its tx_per_s by that of the best raw mode in the same pair; 0 where none ran.
  Latency latency;
  double coordinator_cpu_us_per_tx = 0;  ///< Of assentd; 0 for modes without it.
  double client_cpu_us_per_tx = 0;       ///< Of assent-bench itself.
  double server_cpu_us_per_tx = 0;       ///< Of all servers together.
  double log_syncs_per_tx = 0;           ///< Of the coordinator's log.
  double server_syncs_per_tx = 0;  ///< Of all servers together, as they count them: Comparison::server_syncs_from.
  double coordinator_rss_mib = 0;  ///< Resident at the round's end.
  std::uint64_t committed = 0;
  std::uint64_t rolled_back = 0;  ///< Deadlocks, lock waits and failed expectations. Not in tx_per_s and latency.
  std::uint64_t refused = 0;      ///< Never run: the coordinator was over one of its bounds.
  std::uint64_t unknown = 0;      ///< The coordinator could not tell in time.
  std::uint64_t torn = 0;         ///< Half committed, which only "local" may.
};

/// All rounds of one mode. Numbers that are no Spread are medians over the rounds, counts are sums.
struct ModeResult {
  std::string mode;  ///< "raw-packet", "raw-statement", "local", "assent-no-proof", "assent", "assent-3pc".
  Spread tx_per_s;
  Spread ratio_to_raw;
  Latency latency;
  double coordinator_cpu_us_per_tx = 0;
  double client_cpu_us_per_tx = 0;
  double server_cpu_us_per_tx = 0;
  double log_syncs_per_tx = 0;
  double server_syncs_per_tx = 0;
  double coordinator_rss_mib = 0;
  double coordinator_rss_peak_mib = 0;  ///< The highest of its whole life.
  std::uint64_t committed = 0;
  std::uint64_t rolled_back = 0;
  std::uint64_t refused = 0;
  std::uint64_t unknown = 0;
  std::uint64_t torn = 0;
  std::vector<RoundResult> rounds;
};

struct OpenLoopMode {
  std::string mode;
  double tx_per_s = 0;  ///< Committed; below the rate where it could not be held.
  bool rate_held = true;
  double p50_ms = 0;
  double p99_ms = 0;
  double p999_ms = 0;
  double p99_ratio_to_raw = 0;  ///< Median of the ratios within each pair; 0 where no raw mode ran.
};

/// Every mode at the same fixed rate, each transaction's latency counted from when it was to start.
struct OpenLoopResult {
  double rate_tx_per_s = 0;  ///< Median over the pairs; 0: there was no open loop.
  double percent = 0;        ///< Of the pair's best raw throughput.
  std::vector<OpenLoopMode> modes;
};

struct Target {
  std::string name;
  double target = 0;
  double measured = 0;
  bool at_most = false;  ///< Otherwise `measured` has to be at least `target`.
  bool held = false;
};

struct Machine {
  std::string cpu;
  unsigned cores = 0;
  std::uint64_t memory_mib = 0;
  std::string kernel;
  double fdatasync_us = 0;  ///< Median of a write of one page and fdatasync, where the servers' data would be.
  std::string filesystem;   ///< "ext4".
};

struct ServerInfo {
  std::string name;
  std::string kind;  ///< "mariadb" or "mysql".
  std::string version;
};

/// What was run.
struct RunOptions {
  std::string servers = "mariadb";  ///< "mariadb", "mysql", "mixed" or "given".
  std::string workload = "transfer";
  unsigned clients = 64;
  unsigned connections = 0;   ///< TCP connections to the coordinator; 0: as many as clients, at most 8.
  unsigned participants = 2;  ///< Databases; server_count servers share them.
  unsigned server_count = 2;
  unsigned touched = 2;        ///< Participants of one transaction.
  unsigned statements = 1;     ///< Per branch.
  unsigned accounts = 10'000;  ///< Rows per participant.
  unsigned pairs = 5;          ///< Rounds of each mode.
  double seconds = 5;          ///< Of one round.
  double warmup_seconds = 2;
  double open_loop_percent = 70;  ///< 0: no open loop.
  std::string transport = "tcp";  ///< To the servers: "tcp" or "unix".
};

struct SumCheck {
  std::string name;  ///< "total of all accounts".
  bool right = false;
  std::string seen;  ///< What was expected and what was there.
};

struct Sums {
  bool right = false;
  std::vector<SumCheck> checks;
};

/// All that one run of modes in turn over the same databases has shown.
struct Comparison {
  std::string tool = "assent-bench";
  std::string version;
  Machine machine;
  std::vector<ServerInfo> servers;
  std::string server_syncs_from;  ///< The servers' counters that server_syncs_per_tx adds up.
  std::string raw_mode;           ///< The mode that ratio_to_raw is against: the raw one with the higher median.
  RunOptions options;
  std::vector<ModeResult> modes;
  OpenLoopResult open_loop;
  Sums sums;
  std::vector<Target> targets;

  /// Null when the mode did not run.
  const ModeResult* mode(const std::string& name) const;
};

/// The same comparison at several values of one option.
struct Sweep {
  std::string axis;  ///< "clients", "participants", "touched" or "statements".
  std::vector<Comparison> points;
  std::vector<Target> targets;  ///< Of points against each other; the points have their own.
};

/// The value that a point has on a sweep's axis.
double axis_value(const Sweep& sweep, const Comparison& point);

nlohmann::ordered_json to_json(const Comparison& comparison);
nlohmann::ordered_json to_json(const Sweep& sweep);
/// Fields that are not there keep their default, unknown ones are ignored; an Error says which has the wrong type.
Result<Comparison> comparison_from_json(const nlohmann::ordered_json& json);
Result<Sweep> sweep_from_json(const nlohmann::ordered_json& json);

}  // namespace assent::bench
