#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "search.hpp"

namespace assent::explore {

/// One transaction in two phases: its branches at servers as they were measured to behave, the log, and the
/// coordinator, which runs the real rules (step, judge, recovery_act), dies at any moment, and comes back with what its
/// log has.
///
/// A server answers an XA COMMIT that does not come from the branch's own session, while that one lives, with OK
/// (MariaDB) or with "unknown XID" (MySQL), and does nothing. Packets of a dead coordinator still arrive.

enum class TwoPhaseSafeguard : std::uint8_t {
  none,
  decision_first,   ///< Nothing is committed before the decision is durable.
  proof_of_commit,  ///< "Unknown XID" is not taken for committed.
  owners_word,      ///< Nor is the OK that another session gets.
  end_at_the_end,   ///< The log forgets a decision only when every branch is settled.
  presumed_abort,   ///< A branch without a decision is rolled back, though all of them may be prepared.
  sweeping,         ///< Prepared branches are looked for again and again.
};

struct TwoPhaseSafeguardName {
  TwoPhaseSafeguard safeguard;
  std::string_view name;
};
std::span<const TwoPhaseSafeguardName> two_phase_safeguard_names();

struct TwoPhaseSize {
  std::size_t branches = 2;
  std::size_t crashes = 2;
};

/// Bounds: 4 branches, 3 crashes.
std::unique_ptr<World> two_phase_world(TwoPhaseSize size, TwoPhaseSafeguard without = TwoPhaseSafeguard::none);

}  // namespace assent::explore
