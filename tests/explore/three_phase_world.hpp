#pragma once

#include <cstddef>
#include <memory>

#include "safeguards.hpp"
#include "search.hpp"

namespace assent::explore {

/// One transaction in three phases: its branches, its acceptors, the coordinator, and rivals who try to finish it.
///
/// What was sent stays on the way for ever: it can arrive late, again, or never, and so can its answer. A process that
/// crashes is one that does nothing more; one that comes back without its memory is a rival; one that was thought dead
/// acts again whenever it likes. So every crash, loss, delay and repetition is among the ways that are searched.

struct ThreePhaseSize {
  std::size_t branches = 3;
  std::size_t acceptors = 3;
  std::size_t rivals = 2;
  bool forgets = false;  ///< One acceptor may become another server, or lose its rows.
  /// An XA COMMIT from another session may say OK and do nothing; a branch that it hides, or that was rolled back, is
  /// listed as prepared once its server is started again.
  bool hides = false;
  bool late = false;  ///< The coordinator's sessions may live on unseen when its acceptors are closed.
};

/// Bounds: 4 branches, 4 acceptors, 3 rivals.
std::unique_ptr<World> three_phase_world(ThreePhaseSize size, Safeguard without = Safeguard::none);

}  // namespace assent::explore
