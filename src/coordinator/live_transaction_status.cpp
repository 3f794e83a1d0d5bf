// How a transaction is reported.

#include <algorithm>

#include "coordinator/decided_members.hpp"
#include "coordinator/live_transaction.hpp"

namespace assent::coordinator {

BranchState LiveTransaction::state_of(protocol::BranchIndex branch) const {
  using State = protocol::BranchRules::State;
  switch (rules_.branches[branch].state) {
    case State::running: return BranchState::active;
    case State::prepared: return BranchState::prepared;
    case State::in_doubt: return BranchState::in_doubt;
    case State::committed: return BranchState::committed;
    case State::unproven: return BranchState::unproven;
    case State::rolled_back: return BranchState::rolled_back;
    case State::hazard: return BranchState::hazard;
    case State::acknowledged: return BranchState::acknowledged;
  }
  return BranchState::in_doubt;
}

TransactionResult LiveTransaction::result() const {
  const std::lock_guard lock(mutex_);
  return result_locked();
}

TransactionResult LiveTransaction::result_locked() const {
  TransactionResult result;
  result.gtrid = gtrid_;
  const auto status = status_locked();
  result.outcome = status.outcome.value_or(Outcome::unknown);
  result.settled = status.settled;
  for (std::size_t i = 0; i < runs_.size(); ++i) {
    result.branches.push_back({runs_[i].place.participant->name(), status.branches[i].state, {}});
    if (result.outcome == Outcome::committed) result.branches.back().statements = runs_[i].statements;
  }
  if (result.outcome == Outcome::rolled_back) result.cause = cause_;
  return result;
}

TransactionStatus LiveTransaction::status() const {
  const std::lock_guard lock(mutex_);
  return status_locked();
}

TransactionStatus LiveTransaction::status_locked() const {
  TransactionStatus status;
  status.gtrid = gtrid_;
  switch (rules_.phase) {
    case protocol::Phase::committing:
      status.outcome = rules_.told_once_proven ? Outcome::unknown : Outcome::committed;
      break;
    case protocol::Phase::rolling_back: status.outcome = Outcome::rolled_back; break;
    default: status.outcome = decided_ ? decided_ : outcome_; break;
  }
  status.settled = rules_.phase == protocol::Phase::ended;
  status.protocol = protocol_;
  status.label = label_;
  status.idempotency_key = key_;
  status.age_ms =
      decided_at_ms_ != 0
          ? std::max<std::int64_t>(0, base::wall_clock_ms() - decided_at_ms_)
          : std::chrono::duration_cast<std::chrono::milliseconds>(base::SteadyClock::now() - arrived_).count();
  for (std::size_t i = 0; i < runs_.size(); ++i) {
    const auto state = state_of(static_cast<protocol::BranchIndex>(i));
    const bool troubled = state == BranchState::in_doubt || state == BranchState::hazard;
    // A transaction that was reported as committed is unknown from the moment at which one of its branches is found
    // lost.
    if (state == BranchState::hazard || state == BranchState::acknowledged) status.outcome = Outcome::unknown;
    status.branches.push_back({runs_[i].place.participant->name(), state, troubled ? runs_[i].detail : ""});
  }
  if (status.outcome == Outcome::rolled_back) status.cause = cause_;
  return status;
}

protocol::Known LiveTransaction::known() const {
  const std::lock_guard lock(mutex_);
  switch (rules_.phase) {
    case protocol::Phase::committing: {
      // One that goes its way is running.
      const auto& branches = rules_.branches;
      const bool troubled = std::any_of(branches.begin(), branches.end(), [](const auto& branch) {
        using State = protocol::BranchRules::State;
        return branch.state == State::in_doubt || branch.state == State::hazard;
      });
      return troubled ? protocol::Known::decided : protocol::Known::running;
    }
    case protocol::Phase::rolling_back: return protocol::Known::rolling_back;
    case protocol::Phase::terminating: return protocol::Known::nothing;
    case protocol::Phase::ended:
      if (decided_ == Outcome::committed || outcome_ == Outcome::committed) return protocol::Known::decided;
      return outcome_ == Outcome::rolled_back ? protocol::Known::rolling_back : protocol::Known::running;
    default: return protocol::Known::running;
  }
}

std::optional<ports::LiveDecision> LiveTransaction::decision() const {
  const std::lock_guard lock(mutex_);
  if (rules_.phase != protocol::Phase::committing && !waits_for_look_) return std::nullopt;
  const auto status = status_locked();
  ports::LiveDecision live;
  live.decision = {.gtrid = gtrid_,
                   .protocol = protocol_,
                   .participants = {},
                   .idempotency_key = key_,
                   .request_fingerprint = fingerprint_,
                   .label = label_,
                   .decided_at_ms = decided_at_ms_ != 0 ? decided_at_ms_ : base::wall_clock_ms() - status.age_ms};
  set_members(live.decision, members_);
  const auto kind_of_hazard =
      rules_.phase == protocol::Phase::committing ? ports::HazardKind::lost : ports::HazardKind::committed_against;
  for (std::size_t i = 0; i < runs_.size(); ++i) {
    const auto branch = static_cast<protocol::BranchIndex>(i);
    if (rules_.branches[i].state == protocol::BranchRules::State::acknowledged) {
      const auto kind = house_->hazards.kind_seen_to(gtrid_, number(branch));
      live.acknowledged.emplace(number(branch), kind.value_or(kind_of_hazard));
    } else if (is_settled(rules_.branches[i].state)) {
      live.settled.insert(number(branch));
    }
    if (rules_.branches[i].state != protocol::BranchRules::State::hazard) continue;
    live.hazards[number(branch)] = {gtrid_, number(branch), runs_[i].detail, 0, kind_of_hazard};
  }
  return live;
}

}  // namespace assent::coordinator
