#include "three_phase_world.hpp"

#include <algorithm>

#include "base/check.hpp"
#include "protocol/ruling.hpp"
#include "three_phase_state.hpp"

namespace assent::explore {
namespace {

using protocol::Accepted;
using protocol::Ballot;
using protocol::Proposal;
using protocol::Value;
using Phase = Proposal::Phase;

using Branch = ThreePhaseBranch;
using State = ThreePhaseState;

enum class Kind : std::uint8_t {
  prepare,
  fail,
  give_up,
  begin,
  promise,
  accept,
  settle,
  purge,
  close,
  forget,
  hide,
  restart,
  sweep
};

struct Step {
  Kind kind;
  std::size_t process = 0;
  std::size_t place = 0;
  bool heard = false;
};

Action code(const Step& step) {
  return static_cast<Action>(static_cast<unsigned>(step.kind) << 12 | step.process << 8 | step.place << 4 |
                             (step.heard ? 1U : 0U));
}

Step step_of(Action action) {
  return {static_cast<Kind>(action >> 12), (action >> 8) & 0xFU, (action >> 4) & 0xFU, (action & 1U) != 0};
}

class ThreePhaseWorld final : public World {
 public:
  ThreePhaseWorld(ThreePhaseSize size, Safeguard without) : frame_{size, without} {
    ASSENT_CHECK(size.branches >= 1 && size.branches <= kThreePhaseBranchesMax);
    ASSENT_CHECK(size.acceptors >= 1 && size.acceptors <= kThreePhaseAcceptorsMax && size.rivals <= kRivalsMax);
  }

  std::string name() const override {
    return "3pc, " + std::to_string(size_.branches) + " branches, " + std::to_string(size_.acceptors) + " acceptors, " +
           std::to_string(size_.rivals) + " rivals" + (size_.forgets ? ", one acceptor forgets" : "") +
           (size_.hides ? ", branches hide" : "") + (size_.late ? ", late packets" : "");
  }

  Packed start() const override { return frame_.pack(State{}); }

  void each_next(const Packed& packed, const std::function<void(Action, const Packed&)>& visit) const override {
    const State state = frame_.unpack(packed);
    const auto go = [&](const Step& step) {
      State next = state;
      take(next, step);
      const Packed after = frame_.pack(next);
      if (!(after == packed)) visit(code(step), after);
    };
    for (std::size_t branch = 0; branch < size_.branches; ++branch) {
      if (state.branches[branch] == Branch::running) {
        go({Kind::prepare, 0, branch, true});
        go({Kind::prepare, 0, branch, false});
        go({Kind::fail, 0, branch});
      }
    }
    if (may_give_up(state)) go({Kind::give_up});
    if (may_pre_commit(state)) go({Kind::begin, 0});
    for (std::size_t rival = 1; rival <= size_.rivals; ++rival) {
      if (!state.processes[rival].proposes) go({Kind::begin, rival});
    }
    for (std::size_t process = 0; process <= size_.rivals; ++process) each_of(state, process, go);
    if (is_without(Safeguard::rows_kept)) {
      for (std::size_t i = 0; i < std::min(size_.branches, size_.acceptors); ++i) {
        if (is_settled(state.branches[i])) go({Kind::purge, 0, i});
      }
    }
    if (frame_.all_settled(state)) {
      for (std::size_t i = 0; i < size_.acceptors; ++i) {
        if (!is_replaced(state, i)) go({Kind::close, 0, i});
      }
    }
    if (size_.forgets && state.replaced == 0) {
      for (std::size_t i = 0; i < size_.acceptors; ++i) {
        go({Kind::forget, 0, i});
        go({Kind::forget, 0, i, true});
      }
    }
    for (std::size_t branch = 0; size_.hides && branch < size_.branches; ++branch) {
      go({Kind::restart, 0, branch});
      if (frame_.is_over(state)) go({Kind::sweep, 0, branch});
    }
  }

  std::optional<std::string> violation(const Packed& packed) const override {
    const State state = frame_.unpack(packed);
    const bool committed = frame_.any(state, Branch::committed);
    const bool rolled_back = frame_.any(state, Branch::rolled_back) || frame_.any(state, Branch::failed);
    if (committed && rolled_back) return "one branch is committed and another one rolled back";
    if (committed && frame_.any(state, Branch::running))
      return "a branch is committed while another one is not prepared";
    bool says_commit = false;
    bool says_rollback = state.gave_up;
    for (std::size_t process = 0; process <= size_.rivals; ++process) {
      const auto& proposal = state.processes[process].proposal;
      if (!state.processes[process].proposes || proposal.phase != Phase::decided) continue;
      (proposal.value == Value::commit ? says_commit : says_rollback) = true;
    }
    if (says_commit && says_rollback) return "one process has decided commit and another one rollback";
    if (says_commit && rolled_back) return "commit was decided, and a client told so, and a branch is rolled back";
    return frame_.what_the_last_recoverer_leaves(state, says_commit, says_rollback);
  }

  std::string tell(const Packed& before, Action action) const override {
    const State state = frame_.unpack(before);
    const Step step = step_of(action);
    const std::string who = step.process == 0 ? "the coordinator" : "rival " + std::to_string(step.process);
    const std::string place = std::to_string(step.place + 1);
    const std::string lost = step.heard ? "" : ", and the answer is lost";
    State after = state;
    take(after, step);
    switch (step.kind) {
      case Kind::prepare: return "branch " + place + " prepares" + lost;
      case Kind::fail: return "branch " + place + " fails before it is prepared, and is rolled back";
      case Kind::give_up: return "the coordinator decides to roll back by itself";
      case Kind::begin:
        return step.process == 0
                   ? "the coordinator asks the acceptors to accept commit, at ballot 0"
                   : who + " asks for promises, at ballot " + std::to_string(frame_.ballot_of(step.process));
      case Kind::promise:
        return "acceptor " + place + (can_promise(state, step) ? " promises " : " refuses a promise to ") + who +
               (state.rows[step.place].accepted && can_promise(state, step)
                    ? ", having accepted " + word(state.rows[step.place].accepted->value)
                    : "") +
               lost + decides(state, after, step.process);
      case Kind::accept: {
        const auto value = word(state.processes[step.process].proposal.value);
        const bool accepts = after.rows[step.place].accepted == Accepted{state.processes[step.process].proposal.ballot,
                                                                         state.processes[step.process].proposal.value};
        return "acceptor " + place + (accepts ? " accepts " : " refuses ") + value + " of " + who + lost +
               decides(state, after, step.process);
      }
      case Kind::settle: return "branch " + place + ": " + who + " sends " + word(*decision_of(state, step.process));
      case Kind::close:
        return std::string(frame_.any(state, Branch::hidden) ? "no branch being listed"
                                                             : "every branch being settled") +
               ", acceptor " + place + " closes the transaction and deletes its row";
      case Kind::forget:
        return "acceptor " + place + (step.heard ? " loses its rows by hand" : " is replaced by an empty server");
      case Kind::hide:
        return "branch " + place + ": " + who + " sends commit, is told OK, and the server hides the branch instead";
      case Kind::restart: return "the server of branch " + place + " is started again, and lists it as prepared";
      case Kind::sweep:
        return "branch " + place + " is rolled back, since a majority of acceptors has closed the transaction";
      case Kind::purge: return "the row of acceptor " + place + " is deleted, its branch being settled";
    }
    return "";
  }

 private:
  bool is_without(Safeguard safeguard) const { return frame_.is_without(safeguard); }
  static std::string word(Value value) { return value == Value::commit ? "commit" : "rollback"; }
  static bool can_promise(const State& state, const Step& step) {
    return state.rows[step.place].promised <= state.processes[step.process].proposal.ballot;
  }
  static std::string decides(const State& before, const State& after, std::size_t process) {
    const auto& now = after.processes[process].proposal;
    if (now.phase == before.processes[process].proposal.phase) return "";
    if (now.phase == Phase::decided) return "; that decides " + word(now.value);
    if (now.phase == Phase::accepting) return "; it asks to accept " + word(now.value);
    if (now.phase == Phase::over) return "; it learns that all is over";
    return "; that one is outbid";
  }

  bool may_give_up(const State& state) const {
    if (state.gave_up) return false;
    return !state.processes[0].proposes || is_without(Safeguard::no_way_back);
  }
  bool may_pre_commit(const State& state) const {
    if (state.processes[0].proposes || state.gave_up) return false;
    const auto every = static_cast<std::uint8_t>((1U << size_.branches) - 1);
    return state.votes == every || (is_without(Safeguard::all_prepared) && state.votes != 0);
  }

  /// What one process has on the way.
  template <typename Go>
  void each_of(const State& state, std::size_t number, const Go& go) const {
    const auto& process = state.processes[number];
    if (number == 0 && state.gave_up) each_settle(state, number, go);
    if (!process.proposes) return;
    // Its connections are ended before any acceptor closes anything.
    const bool is_cut_off = number == 0 && state.closed != 0 && !size_.late && !is_without(Safeguard::epoch_closed);
    if (is_cut_off) return;
    for (std::size_t acceptor = 0; acceptor < size_.acceptors; ++acceptor) {
      for (const bool heard : {true, false}) {
        if (number > 0) go(Step{Kind::promise, number, acceptor, heard});
        if (process.asked_accept) go(Step{Kind::accept, number, acceptor, heard});
      }
    }
    if (decision_of(state, number)) each_settle(state, number, go);
  }
  template <typename Go>
  void each_settle(const State& state, std::size_t number, const Go& go) const {
    for (std::size_t branch = 0; branch < size_.branches; ++branch) {
      if (is_settled(state.branches[branch])) continue;
      go(Step{Kind::settle, number, branch});
      if (size_.hides && number > 0) go(Step{Kind::hide, number, branch});
    }
  }

  std::optional<Value> decision_of(const State& state, std::size_t number) const {
    const auto& process = state.processes[number];
    if (number == 0 && state.gave_up) return Value::rollback;
    if (!process.proposes) return std::nullopt;
    const auto& proposal = process.proposal;
    if (proposal.phase == Phase::decided) return proposal.value;
    if (number > 0 && is_without(Safeguard::no_presumption)) return Value::rollback;
    const bool hasty = is_without(Safeguard::quorum_first) && number > 0;
    if (hasty && proposal.phase == Phase::accepting && proposal.value == Value::rollback) return Value::rollback;
    return std::nullopt;
  }

  void take(State& state, const Step& step) const {
    auto& process = state.processes[step.process];
    switch (step.kind) {
      case Kind::prepare:
        state.branches[step.place] = Branch::prepared;
        if (step.heard && !state.processes[0].proposes && !state.gave_up) {
          state.votes = static_cast<std::uint8_t>(state.votes | 1U << step.place);
        }
        return;
      case Kind::fail:
        // Only where one that was prepared may come back does it make a difference.
        state.branches[step.place] = size_.hides ? Branch::failed : Branch::rolled_back;
        return;
      case Kind::give_up: state.gave_up = true; return;
      case Kind::begin:
        process.proposes = true;
        process.proposal = step.process == 0 ? protocol::pre_commit(size_.acceptors)
                                             : protocol::terminate(size_.acceptors, frame_.ballot_of(step.process));
        process.asked_accept = step.process == 0;
        return;
      case Kind::promise: return promise(state, step);
      case Kind::accept: return accept(state, step);
      case Kind::settle: {
        auto& branch = state.branches[step.place];
        // To anybody but its owner an unprepared branch is unknown; it may still get prepared, and is met again.
        if (branch != Branch::prepared) return;
        branch = *decision_of(state, step.process) == Value::commit ? Branch::committed : Branch::rolled_back;
        return;
      }
      case Kind::purge: state.rows[step.place] = {}; return;
      case Kind::forget:
        // One that is the same server, and has lost its rows, has lost the row that says for which epochs it may
        // answer.
        if (step.heard ? is_without(Safeguard::acceptor_identity) : is_without(Safeguard::acceptor_remembers)) return;
        state.rows[step.place] = {};
        state.closed = static_cast<std::uint8_t>(state.closed & ~(1U << step.place));
        state.replaced = static_cast<std::uint8_t>(1U << step.place);
        return;
      case Kind::hide:
        if (state.branches[step.place] == Branch::prepared && *decision_of(state, step.process) == Value::commit) {
          state.branches[step.place] = Branch::hidden;
        }
        return;
      case Kind::restart: {
        auto& branch = state.branches[step.place];
        if (branch == Branch::hidden || branch == Branch::rolled_back) branch = Branch::prepared;
        return;
      }
      case Kind::sweep: {
        protocol::Evidence evidence;
        evidence.protocol = Protocol::three_phase;
        evidence.quorum = protocol::Quorum::over;
        evidence.prepared = protocol::Some::yes;
        const auto verdict = protocol::verdict_of(protocol::rule(evidence).ruling, protocol::Sight::prepared);
        auto& branch = state.branches[step.place];
        if (branch == Branch::prepared && verdict == Verdict::will_roll_back) branch = Branch::rolled_back;
        return;
      }
      case Kind::close:
        state.rows[step.place] = {};
        if (!is_without(Safeguard::closing)) state.closed = static_cast<std::uint8_t>(state.closed | 1U << step.place);
        return;
    }
  }

  void promise(State& state, const Step& step) const {
    auto& process = state.processes[step.process];
    auto& row = state.rows[step.place];
    if (frame_.has_no_voice(state, step.place)) return;
    if (is_closed(state, step.place)) {
      if (step.heard) process.proposal = protocol::step(process.proposal, protocol::Closed{step.place});
      return;
    }
    const bool granted = protocol::promise(row, process.proposal.ballot);
    if (!step.heard) return;
    if (!granted) {
      process.proposal = protocol::step(process.proposal, protocol::Refused{step.place, row.promised});
      return;
    }
    const bool was_promising = process.proposal.phase == Phase::promising;
    process.proposal = protocol::step(process.proposal, protocol::Promised{step.place, row.accepted});
    auto& proposal = process.proposal;
    if (was_promising && is_without(Safeguard::majority)) {
      // The textbook's way out: commit if the one that could be reached was pre-committed, else roll back.
      proposal.value = row.accepted ? row.accepted->value : Value::rollback;
      proposal.phase = Phase::decided;
    }
    if (!was_promising || proposal.phase != Phase::accepting) return;
    process.asked_accept = true;
    if (is_without(Safeguard::binding_value)) proposal.value = Value::rollback;
    if (is_without(Safeguard::no_votes) && !proposal.binding && frame_.all(state, Branch::prepared)) {
      proposal.value = Value::commit;
    }
  }

  void accept(State& state, const Step& step) const {
    auto& process = state.processes[step.process];
    auto& row = state.rows[step.place];
    if (frame_.has_no_voice(state, step.place)) return;
    // An older version does not hold the coordinator's own question against the closing.
    const bool tests = step.process > 0 || (size_.late && !is_without(Safeguard::pre_commit_fence));
    if (is_closed(state, step.place) && tests) {
      if (step.heard) process.proposal = protocol::step(process.proposal, protocol::Closed{step.place});
      return;
    }
    if (is_without(Safeguard::promise_test)) row.promised = protocol::kCoordinatorsBallot;
    const bool accepted = protocol::accept(row, process.proposal.ballot, process.proposal.value);
    if (!step.heard) return;
    process.proposal = accepted ? protocol::step(process.proposal, protocol::AcceptedBy{step.place})
                                : protocol::step(process.proposal, protocol::Refused{step.place, row.promised});
  }

  const ThreePhaseFrame frame_;
  const ThreePhaseSize& size_ = frame_.size;
};

}  // namespace

std::unique_ptr<World> three_phase_world(ThreePhaseSize size, Safeguard without) {
  return std::make_unique<ThreePhaseWorld>(size, without);
}

}  // namespace assent::explore
