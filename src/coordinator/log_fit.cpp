#include "coordinator/log_fit.hpp"

#include <algorithm>

namespace assent::coordinator {
namespace {

Error conflict(std::string what) {
  return {Errc::conflict, std::move(what), false};
}

constexpr const char* kRestore =
    "It does not know their outcome and would roll them back. Put the old log back into log.directory; if it is lost, "
    "run: assentctl recover --config FILE --log-lost";

}  // namespace

Status check_log_fits(const ports::LogState& log, const std::string& coordinator_id, const Inspections& seen) {
  if (!log.coordinator.empty() && log.coordinator != coordinator_id) {
    return conflict("the log belongs to the coordinator '" + log.coordinator + "', the configuration says '" +
                    coordinator_id + "': set coordinator.id back, or give this one a log.directory of its own");
  }
  for (const auto& [name, inspection] : seen) {
    const auto branches =
        std::to_string(inspection.in_doubt.size()) + " branches in doubt of coordinator '" + coordinator_id + "'";
    if (!inspection.owner) {
      if (inspection.in_doubt.empty() || log.epoch > 0) continue;
      return conflict("participant '" + name + "' holds " + branches + ", and this log is new. " + kRestore);
    }
    const auto& owner = *inspection.owner;
    if (owner.log_id != log.log_id && !inspection.in_doubt.empty()) {
      return conflict("participant '" + name + "' holds " + branches +
                      ", and this log is not the one that decided them (" + "it was last used on host '" + owner.host +
                      "'). " + kRestore);
    }
    const auto unfinished = std::count_if(log.live.begin(), log.live.end(), [](const auto& one) {
      return one.second.decision.protocol == Protocol::three_phase;
    });
    if (owner.log_id != log.log_id && owner.epoch >= log.epoch && unfinished > 0) {
      return conflict("this log has " + std::to_string(unfinished) +
                      " unfinished transactions in three phases, and participant '" + name +
                      "' was used with another log of coordinator '" + coordinator_id + "' since (on host '" +
                      owner.host + "'), which has finished them: start with that log instead");
    }
    if (owner.log_id == log.log_id && owner.epoch > log.epoch) {
      return conflict("participant '" + name + "' has seen epoch " + std::to_string(owner.epoch) + " of coordinator '" +
                      coordinator_id + "' on host '" + owner.host + "', this log knows only " +
                      std::to_string(log.epoch) +
                      ": it is a copy or was restored, and lacks decisions. Start with the newest log instead");
    }
  }
  return Ok{};
}

std::uint32_t next_epoch(const ports::LogState& log, const Inspections& seen) {
  auto epoch = log.epoch;
  for (const auto& [name, inspection] : seen) {
    if (inspection.owner) epoch = std::max(epoch, inspection.owner->epoch);
  }
  return epoch + 1;
}

}  // namespace assent::coordinator
