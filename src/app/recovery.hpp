#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <string>

#include "app/audit.hpp"
#include "app/config.hpp"
#include "app/databases.hpp"
#include "coordinator/surveyor.hpp"

namespace assent::app {

// What the recovery tool does to a coordinator that does not run. With its log: what assentd itself would do at its
// next start, by the same code, until nothing is left to do. Without: what the databases alone tell.

struct RecoveryBounds {
  std::chrono::milliseconds patience{60'000};  ///< For what cannot be settled at once.
  std::function<bool()> interrupted;           ///< Ctrl-C: what was begun is safe to leave, and to begin again.
  std::function<void(std::size_t settled, std::size_t total)> progress;  ///< About once a second.
};

/// The log of a stopped coordinator, read. Errc::log_locked when it runs; else as wal::read_state().
Result<ports::LogState> read_log_of_stopped(const Config& config);

/// Settles what has a ruling, on the log of `config`, whose passwords are read. Gives the participants at which it
/// could not be done, and why. Errors as Engine::start(), and what kept the audit from being written: then nothing was
/// begun.
Result<std::map<std::string, std::string>> recover_with_log(const Config& config, const Databases& databases,
                                                            const coordinator::Seen& seen, const Audit& audit,
                                                            const RecoveryBounds& bounds);

/// The same for `coordinator_id` without the log. `look` is asked again and again; what it did not rule on as without a
/// log is left alone.
Status recover_without_log(const Config& config, const std::string& coordinator_id,
                           const std::function<coordinator::Seen()>& look, const Audit& audit,
                           const RecoveryBounds& bounds);

/// Branches that are prepared and have a ruling, one that was made without the log or with it.
std::size_t count_to_settle(const coordinator::Seen& seen, bool without_log);

}  // namespace assent::app
