#pragma once

#include <cstddef>
#include <memory>

#include "safeguards.hpp"
#include "search.hpp"

namespace assent::explore {

/// One transaction in two phases: its branches at servers as they were measured to behave, the log, and the
/// coordinator, which runs the real rules (step, judge, rule), dies at any moment, and comes back with what its
/// log has.
///
/// A server answers an XA COMMIT that does not come from the branch's own session, while that one lives, with OK
/// (MariaDB) or with "unknown XID" (MySQL), and does nothing. Packets of a dead coordinator still arrive.

struct TwoPhaseSize {
  std::size_t branches = 2;
  std::size_t crashes = 2;
  std::size_t hands = 0;      ///< How often somebody settles a prepared branch by hand.
  std::size_t comebacks = 0;  ///< How often a server brings a branch back that was rolled back.
};

/// Bounds: 4 branches, 3 crashes, 3 hands, 3 comebacks.
std::unique_ptr<World> two_phase_world(TwoPhaseSize size, Safeguard without = Safeguard::none);

}  // namespace assent::explore
