#pragma once

#include <functional>
#include <memory>
#include <string>

#include "bench/bench_coordinator.hpp"
#include "bench/bench_load.hpp"
#include "bench/bench_testbed.hpp"

namespace assent::bench {

/// "raw-packet", "raw-statement", "local", "assent-no-proof", "assent" and "assent-3pc", in the order in which they are
/// shown.
const std::vector<std::string>& mode_names();
bool is_assent(const std::string& mode);

/// A coordinator that requests go to: one of our own, or one that somebody else runs.
struct CoordinatorPlace {
  Address address;
  std::vector<std::string> participants;  ///< Its names for them.
  pid_t pid = 0;                          ///< 0: not known.
};

/// One measurement of one mode.
struct RoundPlan {
  std::string mode;
  LoadOptions load;
  unsigned connections = 1;                               ///< To the coordinator.
  std::string raw_settings;                               ///< As in RawDriver::Options.
  std::function<bool(std::uint64_t committed)> progress;  ///< As in Load::Hooks.
};

struct RoundOutcome {
  RoundResult result;
  LoadResult load;
  std::string first_trouble;
};

/// Runs it with a driver of its own, which is gone afterwards. `coordinator` is needed by modes that is_assent().
/// Throws std::runtime_error when what is measured fails, BrokenOff as Load::run() does.
RoundOutcome run_round(const RoundPlan& plan, Testbed& testbed, Workload& workload,
                       const CoordinatorPlace* coordinator);

}  // namespace assent::bench
