#pragma once

#include "coordinator/knowledge.hpp"
#include "coordinator/seen.hpp"

namespace assent::coordinator {

// Applies the rule of protocol/ruling.hpp to what was seen of a transaction. Pure.

/// Null `knowledge`: the log is lost. With `others_are_lost`, a transaction of an epoch that this log has not seen is
/// judged as if the log were lost; so is one in three phases, which needs no log.
protocol::Evidence evidence_of(const SeenTransaction& one, const Knowledge* knowledge, bool others_are_lost);

/// Sets its ruling and why, and the verdicts of its branches and their reasons.
void rule_on(SeenTransaction& one, const Knowledge* knowledge, bool others_are_lost);

}  // namespace assent::coordinator
