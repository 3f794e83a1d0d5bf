#pragma once

#include "coordinator/knowledge.hpp"
#include "coordinator/seen.hpp"

namespace assent::coordinator {

// From what was seen of a transaction to what it comes to, by the one rule of protocol/ruling.hpp. Pure.

/// Null `knowledge`: the log is lost. With `others_are_lost`, what is of an epoch that this log has not seen is judged
/// as with a lost one, and so is what is in three phases, which needs none.
protocol::Evidence evidence_of(const SeenTransaction& one, const Knowledge* knowledge, bool others_are_lost);

/// Sets its ruling and why, and the verdicts of its branches and their reasons.
void rule_on(SeenTransaction& one, const Knowledge* knowledge, bool others_are_lost);

}  // namespace assent::coordinator
