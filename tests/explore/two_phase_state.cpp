#include "two_phase_state.hpp"

#include <algorithm>

namespace assent::explore {
namespace {

constexpr unsigned kMaskBits = kTwoPhaseBranchesMax;

void put_tampering(Packer& packer, const TwoPhaseState& state) {
  packer.put(state.hands, 2);
  packer.put(state.comebacks, 2);
  packer.put(state.planned, kMaskBits);
  packer.put(state.was_prepared, kMaskBits);
  packer.put(state.hazards, kMaskBits);
  packer.put(state.acknowledged, kMaskBits);
  packer.put(state.chosen, 2);
  packer.put(state.closed, 1);
  packer.put(state.purged, kMaskBits);
  packer.put(state.overruled, 1);
  packer.put(state.hazard_told_committed, 1);
}

void take_tampering(Unpacker& from, TwoPhaseState& state) {
  using Mask = TwoPhaseState::Mask;
  state.hands = from.take<std::uint8_t>(2);
  state.comebacks = from.take<std::uint8_t>(2);
  state.planned = from.take<Mask>(kMaskBits);
  state.was_prepared = from.take<Mask>(kMaskBits);
  state.hazards = from.take<Mask>(kMaskBits);
  state.acknowledged = from.take<Mask>(kMaskBits);
  state.chosen = from.take<protocol::Chosen>(2);
  state.closed = from.take<bool>(1);
  state.purged = from.take<Mask>(kMaskBits);
  state.overruled = from.take<bool>(1);
  state.hazard_told_committed = from.take<bool>(1);
}

}  // namespace

std::size_t TwoPhaseFrame::count(const TwoPhaseState& state, TwoPhaseState::Branch what) const {
  const auto end = state.branches.begin() + static_cast<std::ptrdiff_t>(size.branches);
  return static_cast<std::size_t>(std::count(state.branches.begin(), end, what));
}

Packed TwoPhaseFrame::pack(const TwoPhaseState& state) const {
  Packer packer;
  packer.put(state.alive, 1);
  packer.put(state.crashes, 2);
  packer.put(state.log, 2);
  packer.put(state.told, 2);
  packer.put(state.has_rules, 1);
  for (std::size_t i = 0; i < size.branches; ++i) {
    packer.put(state.branches[i], 2);
    packer.put(state.owner_lives[i], 1);
    packer.put(state.owner_lives[i] ? state.sent[i] : TwoPhaseState::Sent::nothing, 2);
  }
  packer.put(state.plan, 2);
  if (is_tampered()) put_tampering(packer, state);
  if (!state.has_rules) return packer.packed();
  packer.put(state.rules.phase, 4);
  packer.put(state.rules.deadline_passed, 1);
  packer.put(state.rules.answered, 1);
  packer.put(state.rules.troubled, 1);
  for (const auto& branch : state.rules.branches) {
    packer.put(branch.state, 3);
    packer.put(branch.known_prepared, 1);
    packer.put(branch.settling, 1);
  }
  return packer.packed();
}

TwoPhaseState TwoPhaseFrame::unpack(const Packed& packed) const {
  Unpacker from(packed);
  TwoPhaseState state;
  state.alive = from.take<bool>(1);
  state.crashes = from.take<std::uint8_t>(2);
  state.log = from.take<TwoPhaseState::Log>(2);
  state.told = from.take<TwoPhaseState::Told>(2);
  state.has_rules = from.take<bool>(1);
  for (std::size_t i = 0; i < size.branches; ++i) {
    state.branches[i] = from.take<TwoPhaseState::Branch>(2);
    state.owner_lives[i] = from.take<bool>(1);
    state.sent[i] = from.take<TwoPhaseState::Sent>(2);
  }
  state.rules.branches.resize(size.branches);
  state.plan = from.take<TwoPhaseState::Plan>(2);
  if (is_tampered()) take_tampering(from, state);
  if (!state.has_rules) return state;
  state.rules.phase = from.take<protocol::Phase>(4);
  state.rules.deadline_passed = from.take<bool>(1);
  state.rules.answered = from.take<bool>(1);
  state.rules.troubled = from.take<bool>(1);
  for (auto& branch : state.rules.branches) {
    branch.state = from.take<protocol::BranchRules::State>(3);
    branch.known_prepared = from.take<bool>(1);
    branch.settling = from.take<bool>(1);
  }
  return state;
}

}  // namespace assent::explore
