#include "three_phase_state.hpp"

namespace assent::explore {
namespace {

using protocol::Accepted;
using protocol::Ballot;
using protocol::Value;
using Phase = protocol::Proposal::Phase;

/// What a process has heard of an acceptor in the phase that it is in.
enum class Said : std::uint8_t { nothing, granted, granted_empty, refused, closed };

void put(Packer& packer, const std::optional<Accepted>& accepted) {
  packer.put(accepted ? 1 + accepted->ballot : 0, 3);
  packer.put(accepted ? accepted->value : Value::commit, 1);
}
std::optional<Accepted> take_accepted(Unpacker& from) {
  const auto ballot = from.take<Ballot>(3);
  const auto value = from.take<Value>(1);
  if (ballot == 0) return std::nullopt;
  return Accepted{ballot - 1, value};
}

}  // namespace

Packed ThreePhaseFrame::pack(const ThreePhaseState& state) const {
  Packer packer;
  for (std::size_t i = 0; i < size.branches; ++i) packer.put(state.branches[i], 3);
  for (std::size_t i = 0; i < size.acceptors; ++i) {
    packer.put((state.closed >> i & 1U) != 0, 1);
    packer.put(state.replaced >> i & 1U, 1);
    packer.put(state.rows[i].promised, 3);
    put(packer, state.rows[i].accepted);
  }
  packer.put(state.processes[0].proposes || state.gave_up ? 0 : state.votes, kThreePhaseBranchesMax);
  packer.put(state.gave_up, 1);
  for (std::size_t i = 0; i <= size.rivals; ++i) {
    const auto& process = state.processes[i];
    packer.put(process.proposes, 1);
    if (!process.proposes) continue;
    const auto& proposal = process.proposal;
    const bool open = proposal.phase == Phase::promising || proposal.phase == Phase::accepting;
    packer.put(process.asked_accept, 1);
    // Neither decides anything any more.
    packer.put(proposal.phase == Phase::over ? Phase::outbid : proposal.phase, 2);
    packer.put(process.asked_accept || proposal.phase == Phase::decided ? proposal.value : Value::commit, 1);
    if (!open) continue;
    for (std::size_t acceptor = 0; acceptor < size.acceptors; ++acceptor) {
      const auto said = [&](std::uint64_t mask) { return (mask >> acceptor & 1U) != 0; };
      packer.put(said(proposal.closed)                            ? Said::closed
                 : said(proposal.refused)                         ? Said::refused
                 : said(proposal.granted) && said(proposal.empty) ? Said::granted_empty
                 : said(proposal.granted)                         ? Said::granted
                                                                  : Said::nothing,
                 3);
    }
    if (proposal.phase == Phase::promising) put(packer, proposal.binding);
  }
  return packer.packed();
}

ThreePhaseState ThreePhaseFrame::unpack(const Packed& packed) const {
  Unpacker from(packed);
  ThreePhaseState state;
  for (std::size_t i = 0; i < size.branches; ++i) state.branches[i] = from.take<ThreePhaseBranch>(3);
  for (std::size_t i = 0; i < size.acceptors; ++i) {
    if (from.take<std::uint8_t>(1) != 0) state.closed = static_cast<std::uint8_t>(state.closed | 1U << i);
    if (from.take<std::uint8_t>(1) != 0) state.replaced = static_cast<std::uint8_t>(state.replaced | 1U << i);
    state.rows[i].promised = from.take<Ballot>(3);
    state.rows[i].accepted = take_accepted(from);
  }
  state.votes = from.take<std::uint8_t>(kThreePhaseBranchesMax);
  state.gave_up = from.take<std::uint8_t>(1) != 0;
  for (std::size_t i = 0; i <= size.rivals; ++i) {
    auto& process = state.processes[i];
    process.proposes = from.take<std::uint8_t>(1) != 0;
    if (!process.proposes) continue;
    process.proposal =
        i == 0 ? protocol::pre_commit(size.acceptors) : protocol::terminate(size.acceptors, ballot_of(i));
    auto& proposal = process.proposal;
    process.asked_accept = from.take<std::uint8_t>(1) != 0;
    proposal.phase = from.take<Phase>(2);
    proposal.value = from.take<Value>(1);
    proposal.chosen = process.asked_accept;
    if (proposal.phase != Phase::promising && proposal.phase != Phase::accepting) continue;
    for (std::size_t acceptor = 0; acceptor < size.acceptors; ++acceptor) {
      const auto said = from.take<Said>(3);
      const auto bit = std::uint64_t{1} << acceptor;
      if (said == Said::closed) proposal.closed |= bit;
      if (said == Said::closed || said == Said::refused) proposal.refused |= bit;
      if (said == Said::granted_empty) proposal.empty |= bit;
      if (said == Said::granted || said == Said::granted_empty) proposal.granted |= bit;
    }
    if (proposal.phase == Phase::promising) proposal.binding = take_accepted(from);
  }
  return state;
}

}  // namespace assent::explore
