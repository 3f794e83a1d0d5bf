#pragma once

#include "ports/decision_log.hpp"
#include "protocol/members.hpp"

namespace assent::coordinator {

/// Who takes part, as the log's record keeps it.
protocol::Members members_of(const ports::CommitDecision& decision);
void set_members(ports::CommitDecision& decision, const protocol::Members& members);

/// Whether the decision that a log brings back is the outcome. In three phases it is an intention, and the acceptors
/// decide. In two it is the outcome, unless it is of an epoch below `given_up_below`, at which the log that was used
/// last was called lost: whoever had that one may have been told that this log is lost, and have rolled branches back.
bool is_outcome(const ports::CommitDecision& decision, std::uint32_t given_up_below);

}  // namespace assent::coordinator
