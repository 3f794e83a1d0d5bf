#pragma once

#include <cstddef>
#include <memory>

#include "safeguards.hpp"
#include "search.hpp"

namespace assent::explore {

/// A coordinator's log among people who copy it, put a copy back, or start on an empty directory: one key, sent at most
/// twice, two participants with their owner rows, two directories, and processes that start in either, blind or not,
/// each judged by the real rule (log_fence.hpp) and settling what it finds by the real one (ruling.hpp). The first
/// process runs in the first directory from the start.
///
/// A process that does nothing for a while is one that is paused; one that gives no sign of life at a participant may
/// also be cut off from it. What it has sent is run as long as its session there lives. Times are those of the rule: an
/// owner is silent once it has given no sign of life for kOwnerSilence, and by then its own clock has said so as well.
struct LogSize {
  std::size_t processes = 2;
  std::size_t hands = 1;  ///< How often somebody copies a log over the other one, or empties one.
  bool log_lost = true;   ///< Processes may be started with --log-lost.
};

/// Bounds: 4 processes, 3 hands.
std::unique_ptr<World> log_world(LogSize size, Safeguard without = Safeguard::none);

}  // namespace assent::explore
