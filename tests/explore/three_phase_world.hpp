#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "search.hpp"

namespace assent::explore {

/// One transaction in three phases: its branches, its acceptors, the coordinator, and rivals who try to finish it.
///
/// What was sent stays on the way for ever: it can arrive late, again, or never, and so can its answer. A process that
/// crashes is one that does nothing more; one that comes back without its memory is a rival; one that was thought dead
/// acts again whenever it likes. So every crash, loss, delay and repetition is among the ways that are searched.

/// A rule that keeps the protocol right, and can be taken away to see that it does.
enum class Safeguard : std::uint8_t {
  none,
  promise_test,    ///< An acceptor refuses what is below its promise.
  binding_value,   ///< A recoverer takes the value that was accepted at the highest ballot.
  no_votes,        ///< A recoverer never infers commit from "all are prepared".
  no_way_back,     ///< The coordinator does not roll back by itself once the first pre-commit was sent.
  quorum_first,    ///< A recoverer rolls nothing back before a majority has accepted that.
  no_presumption,  ///< A recoverer with an empty log presumes nothing.
  majority,        ///< Not whoever is reached first, as after the textbook's time-outs, but a majority decides.
  rows_kept,       ///< No row goes before every branch is settled.
  closing,         ///< A row that goes leaves word that it is not a new one's.
  epoch_closed,    ///< No row goes while the coordinator, of an earlier epoch by then, could still write one.
  own_ballots,     ///< No two recoverers share a ballot.
  all_prepared,    ///< No pre-commit before every branch is prepared.
};

struct SafeguardName {
  Safeguard safeguard;
  std::string_view name;
};
std::span<const SafeguardName> safeguard_names();

struct ThreePhaseSize {
  std::size_t branches = 3;
  std::size_t acceptors = 3;
  std::size_t rivals = 2;
};

/// Bounds: 4 branches, 4 acceptors, 3 rivals.
std::unique_ptr<World> three_phase_world(ThreePhaseSize size, Safeguard without = Safeguard::none);

}  // namespace assent::explore
