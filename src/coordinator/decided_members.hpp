#pragma once

#include "ports/decision_log.hpp"
#include "protocol/members.hpp"

namespace assent::coordinator {

/// Who takes part, as the log's record keeps it.
protocol::Members members_of(const ports::CommitDecision& decision);
void set_members(ports::CommitDecision& decision, const protocol::Members& members);

/// Whether the decision that a log brings back is the outcome. In three phases it is only an intention: the acceptors
/// decide. In two phases it is the outcome, unless its epoch is below `given_up_below`. In that case another log was in
/// use after this one, and its owner may have been started with --log-lost and have rolled back branches of it.
bool is_outcome(const ports::CommitDecision& decision, std::uint32_t given_up_below);

}  // namespace assent::coordinator
