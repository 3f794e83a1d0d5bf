#pragma once

#include <array>
#include <cstdint>

#include "packer.hpp"
#include "protocol/ruling.hpp"
#include "protocol/transaction_rules.hpp"
#include "two_phase_world.hpp"

namespace assent::explore {

inline constexpr std::size_t kTwoPhaseBranchesMax = 4;
inline constexpr std::size_t kTwoPhaseCrashesMax = 3;

struct TwoPhaseState {
  enum class Branch : std::uint8_t { running, prepared, committed, rolled_back };
  enum class Sent : std::uint8_t { nothing, commit, rollback };
  enum class Log : std::uint8_t { nothing, asked, durable, ended };
  enum class Told : std::uint8_t { nothing, committed, rolled_back, unknown };
  /// What whoever found the transaction left behind is about to do.
  enum class Plan : std::uint8_t { nothing, commit, roll_back };
  using Mask = std::uint8_t;  ///< A bit for each branch.

  std::array<Branch, kTwoPhaseBranchesMax> branches{};
  std::array<bool, kTwoPhaseBranchesMax> owner_lives{};  ///< The session that the branch ran on.
  /// On that session; it may still arrive when the coordinator is dead.
  std::array<Sent, kTwoPhaseBranchesMax> sent{};
  Log log = Log::nothing;
  Told told = Told::nothing;
  std::uint8_t crashes = 0;
  bool alive = true;
  bool has_rules = true;  ///< Otherwise the transaction is nobody's, and swept.
  protocol::TransactionRules rules;
  Plan plan = Plan::nothing;

  // Where somebody lends a hand.
  std::uint8_t hands = 0;      ///< So often somebody did.
  std::uint8_t comebacks = 0;  ///< So often a server has brought back what was rolled back.
  Mask planned = 0;            ///< What the plan is about: listed when it was made.
  Mask was_prepared = 0;       ///< So that its server may bring it back.
  Mask hazards = 0;            ///< In the log.
  Mask acknowledged = 0;       ///< The same.
  protocol::Chosen chosen{};   ///< What an operator has said is to become of it.
  bool closed = false;         ///< A participant says, durably, that every branch was settled.
  Mask purged = 0;             ///< Whose proof rows are deleted.
  bool overruled = false;      ///< Branches are rolled back although a proof stood there, and nobody was asked.
  bool hazard_told_committed = false;
};

/// What is alike in all states of one world.
struct TwoPhaseFrame {
  TwoPhaseSize size;
  Safeguard without;

  bool is_without(Safeguard safeguard) const { return without == safeguard; }
  /// Somebody lends a hand in this world.
  bool is_tampered() const { return size.hands > 0 || size.comebacks > 0; }
  std::size_t count(const TwoPhaseState& state, TwoPhaseState::Branch what) const;
  /// Without what makes no difference any more.
  Packed pack(const TwoPhaseState& state) const;
  TwoPhaseState unpack(const Packed& packed) const;
};

constexpr bool has(TwoPhaseState::Mask mask, std::size_t branch) {
  return (mask >> branch & 1U) != 0;
}
constexpr void set(TwoPhaseState::Mask& mask, std::size_t branch) {
  mask = static_cast<TwoPhaseState::Mask>(mask | 1U << branch);
}
constexpr bool runs_first(const TwoPhaseState& state) {
  return state.alive && state.crashes == 0;
}
/// Its own rules are at it.
constexpr bool is_live(const TwoPhaseState& state) {
  return state.alive && state.has_rules && state.rules.phase != protocol::Phase::ended;
}

}  // namespace assent::explore
