#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "app/config.hpp"
#include "base/event_loop.hpp"
#include "coordinator/coordinator.hpp"
#include "ports/participant.hpp"
#include "wal/log.hpp"

namespace assent::app {

/// A coordinator on its log, with its participants: what assentd serves, and what the recovery tool lets finish.
/// Destroyed from the last to the first, each before what it uses.
struct Engine {
  base::EventLoop loop;
  std::optional<wal::Candidate> candidate;  ///< Between look() and start().
  std::unique_ptr<wal::WriterLog> log;
  std::vector<std::unique_ptr<ports::Participant>> participants;
  std::unique_ptr<coordinator::Coordinator> coordinator;

  /// Locks the log, reads and judges it. Changes nothing. Errors as wal::look().
  Status look(const Config& config);
  /// After look(): asks the participants whether it may be acted on, and only then begins it and starts. The
  /// configuration has its passwords. `log_lost`: an operator says that the log before this one is. Errors as
  /// coordinator::plan_start(), wal::begin() and Coordinator::start().
  Status start(const Config& config, bool log_lost = false);
  /// The coordinator's part of a stop; gives how many transactions were left.
  std::size_t stop_coordinator();
  /// The last part. False when the log had failed.
  bool close_log();
};

/// Fills in the passwords. Gives what is wrong, one line for each participant.
std::vector<std::string> read_passwords(Config& config);

/// What a program exits with when the coordinator could not be started.
int exit_code_of_start(const Error& error);

}  // namespace assent::app
