#pragma once

#include <string>

#include "coordinator/surveyor.hpp"

namespace assent::coordinator {

// What a transaction comes to, from all that was seen of it. Pure; each sets its ruling, and why. In two phases by the
// rules of protocol/recovery.hpp and protocol/verdict.hpp, in three by those of protocol/quorum.hpp.

void rule_by_quorum(SeenTransaction& one);
void rule_without_log(SeenTransaction& one);
void rule_by_log(SeenTransaction& one, const Knowledge& knowledge);

/// Whether it is of an epoch that this log has not seen, so that another log knew.
bool is_of_another_log(const SeenTransaction& one, const Knowledge& knowledge);

/// The reason of a branch's verdict: a sentence.
std::string reason_of(const SeenTransaction& one, const SeenBranch& branch);

}  // namespace assent::coordinator
