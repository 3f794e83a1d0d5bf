#include <algorithm>
#include <vector>

#include "protocol/ruling.hpp"
#include "three_phase_state.hpp"

namespace assent::explore {

using Branch = ThreePhaseBranch;
using Phase = protocol::Proposal::Phase;
using protocol::Ballot;
using protocol::Value;

bool is_settled(ThreePhaseBranch branch) {
  return branch == Branch::committed || branch == Branch::rolled_back || branch == Branch::failed;
}

bool ThreePhaseFrame::all_settled(const ThreePhaseState& state) const {
  const auto decided = any(state, Branch::committed) ? protocol::Decided::commit : protocol::Decided::rollback;
  return std::all_of(state.branches.begin(), state.branches.begin() + static_cast<std::ptrdiff_t>(size.branches),
                     [&](ThreePhaseBranch branch) { return seems_settled(branch, decided); });
}

bool ThreePhaseFrame::seems_settled(Branch branch, protocol::Decided decided) const {
  protocol::Observation seen;
  seen.decided = decided;
  seen.listed = branch == Branch::prepared ? protocol::Listed::yes : protocol::Listed::no;
  seen.owner = protocol::Owner::gone;
  seen.proof = branch == Branch::committed ? protocol::Proof::present
               : is_settled(branch)        ? protocol::Proof::absent
                                           : protocol::Proof::locked;
  if (is_without(Safeguard::closed_on_proof) && branch != Branch::running) {
    return seen.listed == protocol::Listed::no;
  }
  const auto finding = protocol::judge(seen);
  return finding == protocol::Finding::committed || finding == protocol::Finding::rolled_back;
}

bool is_replaced(const ThreePhaseState& state, std::size_t acceptor) {
  return (state.replaced >> acceptor & 1U) != 0;
}

bool ThreePhaseFrame::has_no_voice(const ThreePhaseState& state, std::size_t acceptor) const {
  return is_replaced(state, acceptor) && !is_without(Safeguard::acceptor_identity) &&
         !is_without(Safeguard::acceptor_remembers);
}

bool is_closed(const ThreePhaseState& state, std::size_t acceptor) {
  return (state.closed >> acceptor & 1U) != 0;
}

bool ThreePhaseFrame::any(const ThreePhaseState& state, Branch what) const {
  return std::count(state.branches.begin(), state.branches.begin() + size.branches, what) > 0;
}

bool ThreePhaseFrame::all(const ThreePhaseState& state, Branch what) const {
  return std::count(state.branches.begin(), state.branches.begin() + size.branches, what) ==
         static_cast<std::ptrdiff_t>(size.branches);
}

bool ThreePhaseFrame::is_over(const ThreePhaseState& state) const {
  std::vector<protocol::AcceptorSeen> seen;
  for (std::size_t i = 0; i < size.acceptors; ++i) {
    if (!has_no_voice(state, i)) seen.push_back({i, is_closed(state, i), state.rows[i].accepted});
  }
  return protocol::quorum_of(size.acceptors, seen) == protocol::Quorum::over;
}

std::optional<std::string> ThreePhaseFrame::what_the_last_recoverer_leaves(ThreePhaseState state, bool says_commit,
                                                                           bool says_rollback) const {
  // Nobody recovers what is over.
  if (state.closed != 0) return std::nullopt;
  auto last = protocol::terminate(size.acceptors, static_cast<Ballot>(kRivalsMax + 1));
  for (std::size_t i = 0; i < size.acceptors; ++i) {
    if (has_no_voice(state, i)) continue;
    if (!protocol::promise(state.rows[i], last.ballot)) return "the last recoverer is refused a promise";
    last = protocol::step(last, protocol::Promised{i, state.rows[i].accepted});
  }
  for (std::size_t i = 0; i < size.acceptors; ++i) {
    if (has_no_voice(state, i)) continue;
    if (!protocol::accept(state.rows[i], last.ballot, last.value)) return "the last recoverer is refused";
    last = protocol::step(last, protocol::AcceptedBy{i});
  }
  if (last.phase != Phase::decided) {
    // Of two acceptors both are needed.
    if (state.replaced != 0 && size.acceptors < 3) return std::nullopt;
    return "the last recoverer comes to no decision";
  }
  if (last.value == Value::rollback && (says_commit || any(state, Branch::committed))) {
    return "whoever recovers now rolls back what was committed";
  }
  if (last.value == Value::commit && (says_rollback || any(state, Branch::rolled_back) || any(state, Branch::failed))) {
    return "whoever recovers now commits what was rolled back";
  }
  if (last.value == Value::commit && any(state, Branch::running)) {
    return "whoever recovers now commits while a branch is not prepared";
  }
  return std::nullopt;
}

}  // namespace assent::explore
