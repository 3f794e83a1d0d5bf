#include "three_phase_world.hpp"

#include <algorithm>

#include "base/check.hpp"
#include "packer.hpp"
#include "protocol/quorum.hpp"

namespace assent::explore {
namespace {

using protocol::Accepted;
using protocol::AcceptorRow;
using protocol::Ballot;
using protocol::Proposal;
using protocol::Value;
using Phase = Proposal::Phase;

constexpr std::size_t kBranchesMax = 4;
constexpr std::size_t kAcceptorsMax = 4;
constexpr std::size_t kRivalsMax = 3;

enum class Branch : std::uint8_t { running, prepared, committed, rolled_back };

/// Whoever proposes: number 0 is the coordinator, the others are rivals.
struct Process {
  bool proposes = false;      ///< It has begun, and what it asked for first is on the way for ever.
  bool asked_accept = false;  ///< As is what it asked for then.
  Proposal proposal;
};

struct State {
  std::array<Branch, kBranchesMax> branches{};
  std::array<AcceptorRow, kAcceptorsMax> rows{};
  std::array<Process, kRivalsMax + 1> processes{};
  std::uint8_t closed = 0;  ///< By which acceptors, a bit each.
  std::uint8_t votes = 0;   ///< That the coordinator has heard.
  bool gave_up = false;     ///< The coordinator rolls back, and may: nothing was asked of the acceptors.
};

/// What a process has heard of an acceptor in the phase that it is in.
enum class Said : std::uint8_t { nothing, granted, granted_empty, refused, closed };

enum class Kind : std::uint8_t { prepare, fail, give_up, begin, promise, accept, settle, purge, close };

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
  ThreePhaseWorld(ThreePhaseSize size, Safeguard without) : size_(size), without_(without) {
    ASSENT_CHECK(size.branches >= 1 && size.branches <= kBranchesMax);
    ASSENT_CHECK(size.acceptors >= 1 && size.acceptors <= kAcceptorsMax && size.rivals <= kRivalsMax);
  }

  std::string name() const override {
    return "3pc, " + std::to_string(size_.branches) + " branches, " + std::to_string(size_.acceptors) + " acceptors, " +
           std::to_string(size_.rivals) + " rivals";
  }

  Packed start() const override { return pack(State{}); }

  void each_next(const Packed& packed, const std::function<void(Action, const Packed&)>& visit) const override {
    const State state = unpack(packed);
    const auto go = [&](const Step& step) {
      State next = state;
      take(next, step);
      const Packed after = pack(next);
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
    if (without_ == Safeguard::rows_kept) {
      for (std::size_t i = 0; i < std::min(size_.branches, size_.acceptors); ++i) {
        if (is_settled(state.branches[i])) go({Kind::purge, 0, i});
      }
    }
    if (all_settled(state)) {
      for (std::size_t i = 0; i < size_.acceptors; ++i) go({Kind::close, 0, i});
    }
  }

  std::optional<std::string> violation(const Packed& packed) const override {
    const State state = unpack(packed);
    const bool committed = any(state, Branch::committed);
    const bool rolled_back = any(state, Branch::rolled_back);
    if (committed && rolled_back) return "one branch is committed and another one rolled back";
    if (committed && any(state, Branch::running)) return "a branch is committed while another one is not prepared";
    bool says_commit = false;
    bool says_rollback = state.gave_up;
    for (std::size_t process = 0; process <= size_.rivals; ++process) {
      const auto& proposal = state.processes[process].proposal;
      if (!state.processes[process].proposes || proposal.phase != Phase::decided) continue;
      (proposal.value == Value::commit ? says_commit : says_rollback) = true;
    }
    if (says_commit && says_rollback) return "one process has decided commit and another one rollback";
    if (says_commit && rolled_back) return "commit was decided, and a client told so, and a branch is rolled back";
    return what_the_last_recoverer_leaves(state, says_commit, says_rollback);
  }

  std::string tell(const Packed& before, Action action) const override {
    const State state = unpack(before);
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
        return step.process == 0 ? "the coordinator asks the acceptors to accept commit, at ballot 0"
                                 : who + " asks for promises, at ballot " + std::to_string(ballot_of(step.process));
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
        return "every branch being settled, acceptor " + place + " closes the transaction and deletes its row";
      case Kind::purge: return "the row of acceptor " + place + " is deleted, its branch being settled";
    }
    return "";
  }

 private:
  bool is_without(Safeguard safeguard) const { return without_ == safeguard; }
  static bool is_settled(Branch branch) { return branch == Branch::committed || branch == Branch::rolled_back; }
  bool all_settled(const State& state) const {
    return std::all_of(state.branches.begin(), state.branches.begin() + static_cast<std::ptrdiff_t>(size_.branches),
                       is_settled);
  }
  static bool is_closed(const State& state, std::size_t acceptor) { return (state.closed >> acceptor & 1U) != 0; }
  bool any(const State& state, Branch what) const {
    return std::count(state.branches.begin(), state.branches.begin() + size_.branches, what) > 0;
  }
  bool all(const State& state, Branch what) const {
    return std::count(state.branches.begin(), state.branches.begin() + size_.branches, what) ==
           static_cast<std::ptrdiff_t>(size_.branches);
  }

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
    const bool is_cut_off = number == 0 && state.closed != 0 && !is_without(Safeguard::epoch_closed);
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
      if (!is_settled(state.branches[branch])) go(Step{Kind::settle, number, branch});
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
      case Kind::fail: state.branches[step.place] = Branch::rolled_back; return;
      case Kind::give_up: state.gave_up = true; return;
      case Kind::begin:
        process.proposes = true;
        process.proposal = step.process == 0 ? protocol::pre_commit(size_.acceptors)
                                             : protocol::terminate(size_.acceptors, ballot_of(step.process));
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
      case Kind::close:
        state.rows[step.place] = {};
        if (!is_without(Safeguard::closing)) state.closed = static_cast<std::uint8_t>(state.closed | 1U << step.place);
        return;
    }
  }

  Ballot ballot_of(std::size_t process) const {
    return is_without(Safeguard::own_ballots) && process > 0 ? 1 : static_cast<Ballot>(process);
  }

  void promise(State& state, const Step& step) const {
    auto& process = state.processes[step.process];
    auto& row = state.rows[step.place];
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
    if (is_without(Safeguard::no_votes) && !proposal.binding && all(state, Branch::prepared)) {
      proposal.value = Value::commit;
    }
  }

  void accept(State& state, const Step& step) const {
    auto& process = state.processes[step.process];
    auto& row = state.rows[step.place];
    // The coordinator's own questions are not held against the closing.
    if (is_closed(state, step.place) && step.process > 0) {
      if (step.heard) process.proposal = protocol::step(process.proposal, protocol::Closed{step.place});
      return;
    }
    if (is_without(Safeguard::promise_test)) row.promised = protocol::kCoordinatorsBallot;
    const bool accepted = protocol::accept(row, process.proposal.ballot, process.proposal.value);
    if (!step.heard) return;
    process.proposal = accepted ? protocol::step(process.proposal, protocol::AcceptedBy{step.place})
                                : protocol::step(process.proposal, protocol::Refused{step.place, row.promised});
  }

  /// Once all can be reached and one more recoverer runs alone, nothing is left, and nothing that was decided changes.
  std::optional<std::string> what_the_last_recoverer_leaves(State state, bool says_commit, bool says_rollback) const {
    // Nobody recovers what is over.
    if (state.closed != 0) return std::nullopt;
    auto last = protocol::terminate(size_.acceptors, static_cast<Ballot>(kRivalsMax + 1));
    for (std::size_t i = 0; i < size_.acceptors; ++i) {
      if (!protocol::promise(state.rows[i], last.ballot)) return "the last recoverer is refused a promise";
      last = protocol::step(last, protocol::Promised{i, state.rows[i].accepted});
    }
    for (std::size_t i = 0; i < size_.acceptors; ++i) {
      if (!protocol::accept(state.rows[i], last.ballot, last.value)) return "the last recoverer is refused";
      last = protocol::step(last, protocol::AcceptedBy{i});
    }
    if (last.phase != Phase::decided) return "the last recoverer comes to no decision";
    if (last.value == Value::rollback && (says_commit || any(state, Branch::committed))) {
      return "whoever recovers now rolls back what was committed";
    }
    if (last.value == Value::commit && (says_rollback || any(state, Branch::rolled_back))) {
      return "whoever recovers now commits what was rolled back";
    }
    if (last.value == Value::commit && any(state, Branch::running)) {
      return "whoever recovers now commits while a branch is not prepared";
    }
    return std::nullopt;
  }

  void put(Packer& packer, const std::optional<Accepted>& accepted) const {
    packer.put(accepted ? 1 + accepted->ballot : 0, 3);
    packer.put(accepted ? accepted->value : Value::commit, 1);
  }
  static std::optional<Accepted> take_accepted(Unpacker& from) {
    const auto ballot = from.take<Ballot>(3);
    const auto value = from.take<Value>(1);
    if (ballot == 0) return std::nullopt;
    return Accepted{ballot - 1, value};
  }

  /// Without what makes no difference any more.
  Packed pack(const State& state) const {
    Packer packer;
    for (std::size_t i = 0; i < size_.branches; ++i) packer.put(state.branches[i], 2);
    for (std::size_t i = 0; i < size_.acceptors; ++i) {
      packer.put(is_closed(state, i), 1);
      packer.put(state.rows[i].promised, 3);
      put(packer, state.rows[i].accepted);
    }
    packer.put(state.processes[0].proposes || state.gave_up ? 0 : state.votes, kBranchesMax);
    packer.put(state.gave_up, 1);
    for (std::size_t i = 0; i <= size_.rivals; ++i) {
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
      for (std::size_t acceptor = 0; acceptor < size_.acceptors; ++acceptor) {
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

  State unpack(const Packed& packed) const {
    Unpacker from(packed);
    State state;
    for (std::size_t i = 0; i < size_.branches; ++i) state.branches[i] = from.take<Branch>(2);
    for (std::size_t i = 0; i < size_.acceptors; ++i) {
      if (from.take<std::uint8_t>(1) != 0) state.closed = static_cast<std::uint8_t>(state.closed | 1U << i);
      state.rows[i].promised = from.take<Ballot>(3);
      state.rows[i].accepted = take_accepted(from);
    }
    state.votes = from.take<std::uint8_t>(kBranchesMax);
    state.gave_up = from.take<std::uint8_t>(1) != 0;
    for (std::size_t i = 0; i <= size_.rivals; ++i) {
      auto& process = state.processes[i];
      process.proposes = from.take<std::uint8_t>(1) != 0;
      if (!process.proposes) continue;
      process.proposal =
          i == 0 ? protocol::pre_commit(size_.acceptors) : protocol::terminate(size_.acceptors, ballot_of(i));
      auto& proposal = process.proposal;
      process.asked_accept = from.take<std::uint8_t>(1) != 0;
      proposal.phase = from.take<Phase>(2);
      proposal.value = from.take<Value>(1);
      proposal.chosen = process.asked_accept;
      if (proposal.phase != Phase::promising && proposal.phase != Phase::accepting) continue;
      for (std::size_t acceptor = 0; acceptor < size_.acceptors; ++acceptor) {
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

  ThreePhaseSize size_;
  Safeguard without_;
};

}  // namespace

std::unique_ptr<World> three_phase_world(ThreePhaseSize size, Safeguard without) {
  return std::make_unique<ThreePhaseWorld>(size, without);
}

}  // namespace assent::explore
