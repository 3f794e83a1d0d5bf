#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "assent/result.hpp"
#include "ports/decision_log.hpp"
#include "ports/participant.hpp"

namespace assent::coordinator {

/// What the participants that could be reached know of this coordinator, by their names.
using Inspections = std::map<std::string, ports::Inspection>;

/// Whether this log may settle what the participants hold. Presumed abort takes a decision that is not in the log for a
/// rollback, so a log that is new, restored, copied or another's would roll committed transactions back. Pure.
/// Errc::conflict says at which participant it shows, and what to do.
Status check_log_fits(const ports::LogState& log, const std::string& coordinator_id, const Inspections& seen);

/// Above every epoch that the log or a participant has seen.
std::uint32_t next_epoch(const ports::LogState& log, const Inspections& seen);

}  // namespace assent::coordinator
