#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "assent/result.hpp"
#include "ports/decision_log.hpp"
#include "ports/participant.hpp"
#include "protocol/log_fence.hpp"

namespace assent::coordinator {

// Decides whether a coordinator may start on its log, before anything is changed anywhere. All participants that can be
// reached are looked at, at the same time, and the rule of protocol/log_fence.hpp is applied to what they show.

/// What a start goes on with.
struct StartPlan {
  std::uint32_t epoch = 0;  ///< Above every one that the log or a participant has seen.
  bool log_lost = false;    ///< It took the operator's word that the log before this one is lost.
  std::string gives_up;     ///< What that word was needed for; for people.
  std::uint64_t place = 0;
  /// What was ruled on, by participant. One that could not be reached is ruled on when it can be.
  std::map<std::string, ports::Judged> judged;
  std::string closed_below;  ///< The highest that a participant has.
};

struct StartQuestion {
  std::string coordinator_id;
  std::uint64_t place = 0;  ///< Where the log lies.
  bool log_lost = false;    ///< The operator says so.
  std::string directory{};  ///< Of the log, for messages.
};

/// What the rule is asked with, of a log as it was read.
protocol::FenceLog fence_log_of(const ports::LogState& log, std::uint64_t place);

/// Looks, and where an owner may live, watches for as long as that takes: protocol::kOwnerSilence at most, and the
/// participants' connect timeouts.
///
/// Errors: conflict (the log lacks what was decided, or is another coordinator's: an operator must act), unavailable
/// (another process of this coordinator lives).
Result<StartPlan> plan_start(const StartQuestion& question, const ports::LogState& log,
                             const std::vector<ports::Participant*>& participants);

}  // namespace assent::coordinator
