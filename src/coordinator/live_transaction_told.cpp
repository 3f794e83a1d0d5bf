// What the coordinator's own log output says about a transaction.

#include <spdlog/spdlog.h>

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

const char* words(const std::optional<Outcome>& outcome, bool is_told_once_proven) {
  if (is_told_once_proven) return "decided for commit by this log, while another one counted";
  if (outcome == Outcome::committed) return "decided for commit";
  if (outcome == Outcome::rolled_back) return "to be rolled back";
  return "not decided as far as is known here";
}

}  // namespace

void LiveTransaction::say_in_doubt() {
  TransactionStatus status;
  bool is_told_once_proven = false;
  {
    const std::lock_guard lock(mutex_);
    if (std::exchange(said_in_doubt_, true)) return;
    status = status_locked();
    is_told_once_proven = rules_.told_once_proven;
  }
  std::string names;
  for (const auto& branch : status.branches) {
    if (!is_over(branch.state)) names += (names.empty() ? "'" : ", '") + branch.participant + "'";
  }
  spdlog::warn("{}: in doubt: {}, and not settled yet at {}; it is tried until it is", gtrid_,
               words(status.outcome, is_told_once_proven), names.empty() ? "its acceptors" : names);
}

void LiveTransaction::say_finished(const TransactionStatus& last) const {
  const char* how = "every branch is settled; its outcome is not known here";
  if (last.outcome == Outcome::committed) how = "committed everywhere";
  if (last.outcome == Outcome::rolled_back) how = "rolled back everywhere";
  spdlog::info("{}: in doubt no more: {}", gtrid_, how);
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
