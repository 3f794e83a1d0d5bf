#include "bench/bench_compare.hpp"

#include <algorithm>
#include <cstdio>

#include "base/version.hpp"
#include "bench/bench_process.hpp"
#include "bench/bench_statistics.hpp"
#include "bench/bench_targets.hpp"

namespace assent::bench {
namespace {

/// From a mode's second round on only its sessions are new.
constexpr double kShortWarmupS = 0.5;

std::string words(const RoundResult& result) {
  char text[160];
  std::snprintf(text, sizeof text, "%.0f tx/s, p99 %.1f ms, CPU us/tx: assentd %.0f, client %.0f, servers %.0f",
                result.tx_per_s, result.latency.p99_ms, result.coordinator_cpu_us_per_tx, result.client_cpu_us_per_tx,
                result.server_cpu_us_per_tx);
  std::string told = text;
  const auto add = [&](std::uint64_t count, const char* what) {
    if (count > 0) told += ", " + std::to_string(count) + " " + what;
  };
  add(result.rolled_back, "rolled back");
  add(result.refused, "refused");
  add(result.unknown, "unknown");
  add(result.torn, "half committed");
  return told;
}

/// Rounds of the open loop, of one mode.
struct OpenRounds {
  std::vector<double> tx_per_s;
  std::vector<double> p50_ms;
  std::vector<double> p99_ms;
  std::vector<double> p999_ms;
  bool rate_held = true;
};

class Comparer {
 public:
  Comparer(const Options& options, const Site& site, Progress& progress)
      : options_(options), progress_(progress), lab_(options, site) {
    comparison_.version = base::kVersion;
    comparison_.machine = site.machine();
    comparison_.servers = lab_.testbed().infos();
    comparison_.server_syncs_from = lab_.testbed().syncs_from();
    comparison_.options = options.run;
    for (const auto& mode : options.modes) comparison_.modes.emplace_back().mode = mode;
  }

  Comparison run() {
    for (unsigned pair = 0; pair < options_.run.pairs; ++pair) {
      // Whoever is first in one pair is last in another.
      for (std::size_t i = 0; i < options_.modes.size(); ++i) closed_round(pair, (i + pair) % options_.modes.size());
      open_rounds(pair);
    }
    for (auto& mode : comparison_.modes) {
      summarize(mode);
      if (const auto* at = lab_.coordinator(mode.mode)) mode.coordinator_rss_peak_mib = memory_of(at->pid).peak_mib;
    }
    compare_to_raw(comparison_);
    finish_open_loop();
    if (options_.spoil_sums) lab_.testbed().run_at(0, lab_.workload().spoil());
    progress_.step("checking the sums");
    comparison_.sums = lab_.testbed().check(lab_.workload());
    comparison_.targets = targets_of(comparison_);
    return std::move(comparison_);
  }

 private:
  RoundOutcome round(const std::string& label, const std::string& mode, double rate, bool first) {
    progress_.step(label);
    lab_.testbed().settle([] { return StopSignals::come() != 0; });
    RoundPlan plan;
    plan.mode = mode;
    plan.connections = options_.run.connections;
    plan.raw_settings = options_.raw_settings;
    plan.load.clients = options_.run.clients;
    plan.load.rate_per_s = rate;
    plan.load.seconds = options_.run.seconds;
    plan.load.warmup_s = first ? options_.run.warmup_seconds : std::min(kShortWarmupS, options_.run.warmup_seconds);
    plan.progress = [this](std::uint64_t committed) {
      progress_.counted(committed);
      return StopSignals::come() == 0;
    };
    auto outcome = run_round(plan, lab_.testbed(), lab_.workload(), lab_.coordinator(mode));
    progress_.done(words(outcome.result) + (outcome.load.rate_held ? "" : ", the rate was not held"));
    if (!outcome.first_trouble.empty() && !told_trouble_) {
      told_trouble_ = true;
      progress_.note("  the first transaction that did not commit was told: " + outcome.first_trouble);
    }
    if (StopSignals::come() != 0) throw BrokenOff();
    return outcome;
  }

  std::string label(unsigned pair, const std::string& mode) const {
    return "pair " + std::to_string(pair + 1) + " of " + std::to_string(options_.run.pairs) + ", " + mode;
  }

  void closed_round(unsigned pair, std::size_t index) {
    auto& mode = comparison_.modes[index];
    mode.rounds.push_back(round(label(pair, mode.mode), mode.mode, options_.rate, pair == 0).result);
  }

  /// The bare client and the coordinator at one rate, the better bare client's of this pair.
  void open_rounds(unsigned pair) {
    double best = 0;
    std::string raw;
    std::string assent;
    for (const auto& mode : comparison_.modes) {
      // As it is by default, where that is among them.
      if (is_assent(mode.mode) && assent != "assent") assent = mode.mode;
      if (!mode.mode.starts_with("raw") || mode.rounds.back().tx_per_s <= best) continue;
      best = mode.rounds.back().tx_per_s;
      raw = mode.mode;
    }
    if (raw.empty() || assent.empty() || options_.run.open_loop_percent == 0) return;
    const auto rate = best * options_.run.open_loop_percent / 100;
    open_rates_.push_back(rate);
    std::vector<std::string> order = {raw, assent};
    if (pair % 2 == 1) std::swap(order[0], order[1]);
    for (const auto& mode : order) {
      const auto outcome = round(label(pair, mode) + " at a fixed rate", mode, rate, false);
      // Whichever of the bare clients it was.
      auto& rounds = mode == raw ? open_raw_ : open_assent_;
      rounds.tx_per_s.push_back(outcome.result.tx_per_s);
      rounds.p50_ms.push_back(outcome.result.latency.p50_ms);
      rounds.p99_ms.push_back(outcome.result.latency.p99_ms);
      rounds.p999_ms.push_back(outcome.result.latency.p999_ms);
      rounds.rate_held = rounds.rate_held && outcome.load.rate_held;
    }
    open_assent_mode_ = assent;
  }

  void finish_open_loop() {
    if (open_rates_.empty()) return;
    auto& open = comparison_.open_loop;
    open.rate_tx_per_s = median(open_rates_);
    open.percent = options_.run.open_loop_percent;
    std::vector<double> ratios;
    for (std::size_t i = 0; i < open_raw_.p99_ms.size(); ++i) {
      ratios.push_back(ratio(open_assent_.p99_ms[i], open_raw_.p99_ms[i]));
    }
    open.modes.push_back(open_mode(comparison_.raw_mode, open_raw_, 1));
    open.modes.push_back(open_mode(open_assent_mode_, open_assent_, median(ratios)));
  }

  static OpenLoopMode open_mode(const std::string& mode, const OpenRounds& rounds, double p99_ratio) {
    return {mode,
            median(rounds.tx_per_s),
            rounds.rate_held,
            median(rounds.p50_ms),
            median(rounds.p99_ms),
            median(rounds.p999_ms),
            p99_ratio};
  }

  const Options& options_;
  Progress& progress_;
  Lab lab_;
  Comparison comparison_;
  bool told_trouble_ = false;
  std::vector<double> open_rates_;
  OpenRounds open_raw_;
  OpenRounds open_assent_;
  std::string open_assent_mode_;
};

}  // namespace

Comparison compare(const Options& options, const Site& site, Progress& progress) {
  return Comparer(options, site, progress).run();
}

}  // namespace assent::bench
