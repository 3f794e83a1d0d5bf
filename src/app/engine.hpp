#pragma once

#include <memory>
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
  std::unique_ptr<wal::WriterLog> log;
  std::vector<std::unique_ptr<ports::Participant>> participants;
  std::unique_ptr<coordinator::Coordinator> coordinator;

  /// Takes the log, and starts. The configuration has its passwords. Errors as wal::open() and Coordinator::start().
  Status start(const Config& config);
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
