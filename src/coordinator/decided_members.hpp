#pragma once

#include "ports/decision_log.hpp"
#include "protocol/members.hpp"

namespace assent::coordinator {

/// Who takes part, as the log's record keeps it.
protocol::Members members_of(const ports::CommitDecision& decision);
void set_members(ports::CommitDecision& decision, const protocol::Members& members);

}  // namespace assent::coordinator
