#include "micro_targets.hpp"

#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "micro_log.hpp"
#include "micro_options.hpp"
#include "micro_recovery.hpp"

namespace assent::bench {
namespace {

constexpr double kOneWaiterRatioMin = 0.9;
constexpr double kManyWaitersRatio = 50;
constexpr double kManyWaitersPerSecond = 300'000;
constexpr std::uint32_t kManyWaiters = 256;
constexpr double kRecoverySecondsMax = 1;
constexpr double kRecoveryMiBMax = 100;
constexpr std::uint64_t kLiveTransactions = 100;
constexpr int kOpenings = 3;

enum class Bound { at_least, below, none };  // none: measured for comparison, and nobody asks for more

struct Target {
  std::string name;
  double measured = 0;
  Bound bound = Bound::at_least;
  double limit = 0;
  std::string unit;
  std::string note;
  bool held() const {
    switch (bound) {
      case Bound::at_least: return measured >= limit;
      case Bound::below: return measured < limit;
      case Bound::none: return true;
    }
    return false;
  }
};

std::string in_words(const PairedRuns& runs) {
  char text[160];
  std::snprintf(text, sizeof text, "%.0f decisions/s, bare loop %.0f/s, %.4f syncs a decision, pairs %.2f to %.2f",
                runs.median_group_per_s(), runs.median_bare_per_s(), runs.syncs_per_decision(),
                *std::min_element(runs.ratios.begin(), runs.ratios.end()),
                *std::max_element(runs.ratios.begin(), runs.ratios.end()));
  return text;
}

/// The harder variant: a thread for each waiter, which pays for its waking as well.
void threads(std::uint32_t waiters, const std::string& name, std::vector<Target>& out) {
  const auto runs = run_pairs(Waiting::threads, waiters, micro_options().pairs, micro_options().window);
  out.push_back({name, runs.median_ratio(), Bound::none, 0, "x bare", in_words(runs)});
}

void one_waiter(const std::string& name, std::vector<Target>& out) {
  const auto runs = run_pairs(Waiting::callbacks, 1, micro_options().pairs, micro_options().window);
  out.push_back({name, runs.median_ratio(), Bound::at_least, kOneWaiterRatioMin, "x bare", in_words(runs)});
}

void many_waiters(const std::string& name, std::vector<Target>& out) {
  const auto runs = run_pairs(Waiting::callbacks, kManyWaiters, micro_options().pairs, micro_options().window);
  // The lower of the two: the one that is easier to reach on this disk.
  const bool by_rate = kManyWaitersPerSecond < kManyWaitersRatio * runs.median_bare_per_s();
  out.push_back(by_rate
                    ? Target{name, runs.median_group_per_s(), Bound::at_least, kManyWaitersPerSecond, "decisions/s",
                             in_words(runs)}
                    : Target{name, runs.median_ratio(), Bound::at_least, kManyWaitersRatio, "x bare", in_words(runs)});
}

void recovery(const std::string& name, const LogContents& contents, bool cold, std::vector<Target>& out) {
  const Scratch scratch;
  const std::string directory = scratch.path() + "/log";
  build_log(directory, contents);
  std::vector<double> seconds;
  double peak_mib = 0;
  Opening last;
  for (int i = 0; i < kOpenings; ++i) {
    last = open_in_child(directory, cold);
    seconds.push_back(last.seconds);
    peak_mib = std::max(peak_mib, last.peak_mib);
  }
  char text[160];
  std::snprintf(text, sizeof text, "%llu MiB on the disk, %llu live, %llu keys",
                static_cast<unsigned long long>(last.log_mib), static_cast<unsigned long long>(last.live),
                static_cast<unsigned long long>(last.kept_keys));
  const bool whole = last.live == contents.live;
  // A log that came back short was not recovered, however fast.
  out.push_back({name + ", time", whole ? median(seconds) : 1e9, Bound::below, kRecoverySecondsMax, "s", text});
  std::snprintf(text, sizeof text, "%.1f MiB of it the program itself; with a checkpoint after it %.1f MiB",
                last.program_mib, last.peak_with_checkpoint_mib);
  out.push_back({name + ", memory", peak_mib, Bound::below, kRecoveryMiBMax, "MiB", text});
}

std::vector<Target> measure() {
  std::vector<Target> targets;
  one_waiter("one waiter", targets);
  many_waiters("256 waiters", targets);
  threads(1, "one waiter, a thread", targets);
  threads(kManyWaiters, "256 waiters, threads", targets);
  const std::uint64_t ended = micro_options().ended;
  recovery("recovery", {ended, kLiveTransactions, false, History::as_it_comes}, false, targets);
  recovery("recovery, worst crash", {ended, kLiveTransactions, false, History::worst_crash}, false, targets);
  recovery("recovery, worst crash, with keys", {ended, kLiveTransactions, true, History::worst_crash}, false, targets);
  recovery("recovery, no checkpoint", {ended, kLiveTransactions, false, History::no_checkpoint}, false, targets);
  return targets;
}

const char* verdict(const Target& target) {
  if (target.bound == Bound::none) return "-";
  return target.held() ? "held" : "MISSED";
}

void print_table(const std::vector<Target>& targets) {
  for (const auto& target : targets) {
    char limit[48] = "(no target)";
    if (target.bound != Bound::none) {
      std::snprintf(limit, sizeof limit, "(%s %g)", target.bound == Bound::at_least ? "at least" : "below",
                    target.limit);
    }
    std::printf("%-6s  %-40s %12.3f %-11s %-19s  %s\n", verdict(target), target.name.c_str(), target.measured,
                target.unit.c_str(), limit, target.note.c_str());
  }
}

void print_json(const std::vector<Target>& targets, bool all_held) {
  nlohmann::json json = {{"held", all_held}, {"targets", nlohmann::json::array()}};
  for (const auto& target : targets) {
    nlohmann::json one = {
        {"name", target.name}, {"measured", target.measured}, {"unit", target.unit}, {"note", target.note}};
    if (target.bound != Bound::none) {
      one["bound"] = target.bound == Bound::at_least ? "at_least" : "below";
      one["limit"] = target.limit;
      one["held"] = target.held();
    }
    json["targets"].push_back(std::move(one));
  }
  std::printf("%s\n", json.dump(2).c_str());
}

}  // namespace

bool run_targets(bool as_json) {
  const auto targets = measure();
  const bool all_held = std::all_of(targets.begin(), targets.end(), [](const auto& target) { return target.held(); });
  if (as_json) {
    print_json(targets, all_held);
  } else {
    print_table(targets);
  }
  return all_held;
}

}  // namespace assent::bench
