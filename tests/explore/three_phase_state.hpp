#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "packer.hpp"
#include "protocol/quorum.hpp"
#include "protocol/settle.hpp"
#include "safeguards.hpp"
#include "three_phase_world.hpp"

namespace assent::explore {

inline constexpr std::size_t kThreePhaseBranchesMax = 4;
inline constexpr std::size_t kThreePhaseAcceptorsMax = 4;
inline constexpr std::size_t kRivalsMax = 3;

enum class ThreePhaseBranch : std::uint8_t {
  running,
  prepared,
  committed,
  rolled_back,  ///< It was prepared.
  failed,       ///< It was not.
  hidden,       ///< Prepared, and not listed before its server is started again: a commit said OK and did nothing.
};

/// Whoever proposes: number 0 is the coordinator, the others are rivals.
struct Proposer {
  bool proposes = false;      ///< It has begun, and what it asked for first is on the way for ever.
  bool asked_accept = false;  ///< As is what it asked for then.
  protocol::Proposal proposal;
};

struct ThreePhaseState {
  std::array<ThreePhaseBranch, kThreePhaseBranchesMax> branches{};
  std::array<protocol::AcceptorRow, kThreePhaseAcceptorsMax> rows{};
  std::array<Proposer, kRivalsMax + 1> processes{};
  std::uint8_t closed = 0;    ///< By which acceptors, a bit each.
  std::uint8_t replaced = 0;  ///< Which acceptors are another one than they were, a bit each.
  std::uint8_t votes = 0;     ///< That the coordinator has heard.
  bool gave_up = false;       ///< The coordinator rolls back, and may: nothing was asked of the acceptors.
};

/// What is alike in all states of one world.
struct ThreePhaseFrame {
  ThreePhaseSize size;
  Safeguard without;

  bool is_without(Safeguard safeguard) const { return without == safeguard; }
  protocol::Ballot ballot_of(std::size_t process) const {
    return is_without(Safeguard::own_ballots) && process > 0 ? 1 : static_cast<protocol::Ballot>(process);
  }
  /// Without what makes no difference any more.
  Packed pack(const ThreePhaseState& state) const;
  ThreePhaseState unpack(const Packed& packed) const;

  bool any(const ThreePhaseState& state, ThreePhaseBranch what) const;
  bool all(const ThreePhaseState& state, ThreePhaseBranch what) const;
  /// As whoever closes the acceptors sees it.
  bool all_settled(const ThreePhaseState& state) const;
  /// It is not the one that the transaction began with, and that is seen.
  bool has_no_voice(const ThreePhaseState& state, std::size_t acceptor) const;
  /// A majority of acceptors says that it has closed the transaction, or never had it.
  bool is_over(const ThreePhaseState& state) const;
  /// Once all can be reached and one more recoverer runs alone, nothing is left, and nothing that was decided changes.
  std::optional<std::string> what_the_last_recoverer_leaves(ThreePhaseState state, bool says_commit,
                                                            bool says_rollback) const;

 private:
  bool seems_settled(ThreePhaseBranch branch, protocol::Decided decided) const;
};

bool is_settled(ThreePhaseBranch branch);
bool is_closed(const ThreePhaseState& state, std::size_t acceptor);
bool is_replaced(const ThreePhaseState& state, std::size_t acceptor);

}  // namespace assent::explore
