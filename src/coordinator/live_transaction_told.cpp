// What the coordinator's own log output says about a transaction.

#include <spdlog/spdlog.h>

#include <algorithm>

#include "coordinator/live_transaction.hpp"

namespace assent::coordinator {
namespace {

bool is_over(BranchState state) {
  switch (state) {
    case BranchState::committed:
    case BranchState::unproven:
    case BranchState::rolled_back:
    case BranchState::acknowledged: return true;
    default: return false;
  }
}

std::string names_of(const TransactionStatus& status, bool (*which)(BranchState)) {
  std::string names;
  for (const auto& branch : status.branches) {
    if (which(branch.state)) names += (names.empty() ? "'" : ", '") + branch.participant + "'";
  }
  return names;
}

}  // namespace

// What is decided, whatever came of it.
const char* LiveTransaction::decided_in_words_locked() const {
  if (rules_.told_once_proven) return "decided for commit by this log, while another one counted";
  if (rules_.phase == protocol::Phase::committing || decided_ == Outcome::committed) return "decided for commit";
  if (rules_.phase == protocol::Phase::rolling_back || decided_ == Outcome::rolled_back) return "to be rolled back";
  if (protocol_ == Protocol::two_phase) return "it is not known whether it was decided";
  return waits_for_look_ && has_hazard_locked() ? "its acceptors know of no decision"
                                                : "its acceptors have not said yet whether it was decided";
}

bool LiveTransaction::has_hazard_locked() const {
  return std::any_of(rules_.branches.begin(), rules_.branches.end(),
                     [](const auto& branch) { return branch.state == protocol::BranchRules::State::hazard; });
}

void LiveTransaction::say_in_doubt() {
  TransactionStatus status;
  std::string decided;
  bool has_hazard = false;
  bool waits_for_operator = false;
  {
    const std::lock_guard lock(mutex_);
    if (std::exchange(said_in_doubt_, true)) return;
    status = status_locked();
    decided = decided_in_words_locked();
    has_hazard = has_hazard_locked();
    waits_for_operator = has_hazard && waits_for_look_;
  }
  const auto unsettled = names_of(status, [](BranchState state) { return !is_over(state); });
  const auto to_try =
      names_of(status, [](BranchState state) { return !is_over(state) && state != BranchState::hazard; });
  const bool retried = !waits_for_operator && (!has_hazard || !to_try.empty());
  spdlog::warn("{}: in doubt: {}; not settled yet at {}{}{}", gtrid_, decided,
               unsettled.empty() ? "its acceptors" : unsettled, retried ? "; the coordinator keeps trying" : "",
               has_hazard ? "; a hazard waits for an operator (assentctl hazards)" : "");
}

void LiveTransaction::say_finished(const TransactionStatus& last) const {
  std::string how = "every branch is settled; it is not known here whether it was committed";
  const auto acknowledged = names_of(last, [](BranchState state) { return state == BranchState::acknowledged; });
  const bool committed = last.outcome == Outcome::committed || decided_ == Outcome::committed;
  const bool rolled_back = last.outcome == Outcome::rolled_back || decided_ == Outcome::rolled_back;
  if (committed || rolled_back) how = committed ? "committed" : "rolled back";
  if (committed || rolled_back)
    how += acknowledged.empty() ? " everywhere" : ", but for the hazard that was acknowledged at " + acknowledged;
  spdlog::info("{}: settled: {}", gtrid_, how);
}

// A server's text may quote the application's data.
void LiveTransaction::say_rolled_back(const TransactionResult& result) const {
  if (!result.cause) return spdlog::info("{}: rolled back", gtrid_);
  const auto& cause = *result.cause;
  spdlog::info("{}: rolled back{}{}: {}{}", gtrid_, cause.participant.empty() ? "" : " at '" + cause.participant + "'",
               cause.statement ? ", statement " + std::to_string(*cause.statement) : "",
               cause.server_errno != 0 ? "error " + std::to_string(cause.server_errno) + " (" + cause.sqlstate + ")"
                                       : cause.message,
               cause.retryable ? "; it may succeed if submitted again" : "");
}

}  // namespace assent::coordinator
