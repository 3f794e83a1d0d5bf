#include "two_phase_world.hpp"

#include <string>

#include "base/check.hpp"
#include "two_phase_steps.hpp"

namespace assent::explore {
namespace {

using Branch = TwoPhaseState::Branch;
using Kind = TwoPhaseKind;
using Log = TwoPhaseState::Log;
using Plan = TwoPhaseState::Plan;
using Sent = TwoPhaseState::Sent;
using State = TwoPhaseState;
using Step = TwoPhaseStep;
using Told = TwoPhaseState::Told;
using Way = TwoPhaseWay;
using protocol::BranchRules;
using protocol::Phase;

Action code(const Step& step) {
  return static_cast<Action>(static_cast<unsigned>(step.kind) << 8 | step.place << 4 | static_cast<unsigned>(step.way));
}

Step step_of(Action action) {
  return {static_cast<Kind>(action >> 8), (action >> 4) & 0xFU, static_cast<Way>(action & 0xFU)};
}

std::string word_of(Plan plan) {
  return plan == Plan::commit ? ", and is to commit" : plan == Plan::roll_back ? ", and is to roll back" : "";
}

class TwoPhaseWorld final : public World {
 public:
  TwoPhaseWorld(TwoPhaseSize size, Safeguard without) : frame_{size, without} {
    ASSENT_CHECK(size.branches >= 1 && size.branches <= kTwoPhaseBranchesMax && size.crashes <= kTwoPhaseCrashesMax);
    ASSENT_CHECK(size.hands <= 3 && size.comebacks <= 3);
  }

  std::string name() const override {
    return "2pc, " + std::to_string(size_.branches) + " branches, " + std::to_string(size_.crashes) + " crashes" +
           (size_.hands > 0 ? ", " + std::to_string(size_.hands) + " hands" : "") +
           (size_.comebacks > 0 ? ", " + std::to_string(size_.comebacks) + " comebacks" : "");
  }

  Packed start() const override {
    State state;
    state.owner_lives.fill(true);
    state.rules = protocol::begin(size_.branches, false);
    return frame_.pack(state);
  }

  void each_next(const Packed& packed, const std::function<void(Action, const Packed&)>& visit) const override {
    const State state = frame_.unpack(packed);
    const auto go = [&](const Step& step) {
      State next = state;
      steps_.take(next, step);
      const Packed after = frame_.pack(next);
      if (!(after == packed)) visit(code(step), after);
    };
    for (std::size_t i = 0; i < size_.branches; ++i) each_of(state, i, go);
    if (runs_first(state) && !state.rules.deadline_passed) go({Kind::deadline});
    if (state.alive && state.log == Log::asked) {
      go({Kind::durable});
      if (state.rules.phase == Phase::deciding) go({Kind::not_written});
    }
    if (state.alive && state.crashes < size_.crashes) {
      // What the log was about to have, it may have or not.
      go({Kind::crash, 0, Way::heard});
      go({Kind::crash, 0, Way::lost});
    }
    if (!state.alive) go({Kind::restart});
  }

  std::optional<std::string> violation(const Packed& packed) const override {
    State state = frame_.unpack(packed);
    if (frame_.is_tampered()) {
      if (auto wrong = mishandled(state)) return wrong;
    } else if (auto wrong = contradiction(state)) {
      return wrong;
    }
    if (state.hands == 0 && state.log == Log::ended && frame_.count(state, Branch::committed) < size_.branches) {
      return "the log has forgotten a decision that is not carried out";
    }
    if (is_without(Safeguard::sweeping) && state.alive) return std::nullopt;
    // The last start: nobody dies any more, and what was on its way arrives.
    if (state.log == Log::asked) state.log = Log::nothing;
    if (is_without(Safeguard::sweeping)) steps_.settle_rest(state);
    for (std::size_t i = 0; i < size_.branches; ++i) {
      if (state.branches[i] == Branch::running) {
        state.branches[i] = state.owner_lives[i] ? Branch::prepared : Branch::rolled_back;
      }
      state.owner_lives[i] = false;
    }
    if (!is_without(Safeguard::sweeping)) steps_.settle_rest(state);
    const bool waits = frame_.is_tampered() && (state.hazards & ~state.acknowledged) != 0;
    if (frame_.count(state, Branch::prepared) > 0 && !waits)
      return "a prepare that arrives after the next start has looked is left behind for ever";
    // A hazard tells of it.
    if (frame_.is_tampered() && state.hazards != 0) return std::nullopt;
    if (auto wrong = contradiction(state)) {
      return "after the next start " + *wrong + (state.hands > 0 ? ", and no hazard tells of it" : "");
    }
    return std::nullopt;
  }

  std::string tell(const Packed& before, Action action) const override {
    const State state = frame_.unpack(before);
    const Step step = step_of(action);
    State after = state;
    steps_.take(after, step);
    const std::string branch = "branch " + std::to_string(step.place + 1);
    std::string said;
    switch (step.kind) {
      case Kind::prepare: said = branch + " prepares"; break;
      case Kind::refuse: said = branch + " fails, and is rolled back"; break;
      case Kind::lose_vote: said = "the vote of " + branch + " counts as lost"; break;
      case Kind::deadline: said = "the deadline passes"; break;
      case Kind::durable: said = "the decision is durable"; break;
      case Kind::not_written: said = "the decision could not be written"; break;
      case Kind::settle: said = "the coordinator settles " + branch; break;
      case Kind::retry: said = "the coordinator tries " + branch + " again"; break;
      case Kind::crash:
        said =
            "the coordinator dies; its log has " + std::string(after.log == Log::durable ? "the decision" : "nothing");
        break;
      case Kind::restart: said = "the coordinator starts again"; break;
      case Kind::session_ends: said = "the session that ran " + branch + " ends at the server"; break;
      case Kind::late: said = "what was sent for " + branch + " arrives late"; break;
      case Kind::sweep: said = "the sweeper meets " + branch; break;
      case Kind::look:
        said = "the resolver reads the rows of " + (step.way == Way::lost ? branch + " alone" : "all branches") +
               word_of(after.plan) + (state.hazards != after.hazards ? ", and logs a hazard" : "");
        break;
      case Kind::hand_commits: said = "somebody sends XA COMMIT for " + branch + " by hand"; break;
      case Kind::hand_rolls_back: said = "somebody sends XA ROLLBACK for " + branch + " by hand"; break;
      case Kind::come_back: said = "the server of " + branch + " is started again, and lists it as prepared"; break;
      case Kind::acknowledge: said = "an operator acknowledges the hazard of " + branch; break;
      case Kind::choose_commit: said = "an operator says that the rest is to be committed"; break;
      case Kind::choose_rollback: said = "an operator says that the rest is to be rolled back"; break;
      case Kind::close: said = "the transaction is closed, with no hazard left to see to"; break;
      case Kind::purge: said = "the proof row of " + branch + " is deleted"; break;
    }
    if (step.way == Way::lost && step.kind != Kind::crash && step.kind != Kind::look)
      said += ", and the answer is lost";
    for (std::size_t i = 0; i < size_.branches; ++i) {
      if (state.branches[i] == after.branches[i] || step.kind == Kind::prepare || step.kind == Kind::refuse) continue;
      if (after.branches[i] == Branch::prepared) continue;
      said += after.branches[i] == Branch::committed ? ": it is committed" : ": it is rolled back";
    }
    if (state.told != after.told && after.told == Told::committed) said += "; the client is told committed";
    if (state.told != after.told && after.told == Told::rolled_back) said += "; the client is told rolled_back";
    if (state.log != after.log && after.log == Log::ended) said += "; the log forgets the transaction";
    return said;
  }

 private:
  bool is_without(Safeguard safeguard) const { return frame_.is_without(safeguard); }
  /// Its own rules are at it, or were and forgot it.
  bool is_at_it(const State& state) const {
    return frame_.is_tampered() ? is_live(state) : state.alive && state.has_rules;
  }

  template <typename Go>
  void each_of(const State& state, std::size_t i, const Go& go) const {
    const auto& branch = state.branches[i];
    const auto& rules = state.rules.branches[i];
    if (branch == Branch::running && state.owner_lives[i]) {
      for (const auto kind : {Kind::prepare, Kind::refuse}) {
        go(Step{kind, i, Way::heard});
        go(Step{kind, i, Way::lost});
      }
    }
    if (state.owner_lives[i]) {
      go(Step{Kind::session_ends, i});
      if (state.sent[i] != Sent::nothing) go(Step{Kind::late, i});
    }
    if (is_at_it(state)) {
      if (runs_first(state) && rules.state == BranchRules::State::running) go(Step{Kind::lose_vote, i});
      if (rules.settling) {
        for (const auto way : {Way::heard, Way::heard_from_mysql, Way::lost}) go(Step{Kind::settle, i, way});
      } else if ((state.rules.phase == Phase::committing || state.rules.phase == Phase::rolling_back) &&
                 !protocol::is_settled(rules.state)) {
        go(Step{Kind::retry, i});
      }
    } else if (state.alive && !frame_.is_tampered() && branch == Branch::prepared) {
      go(Step{Kind::sweep, i});
    }
    if (frame_.is_tampered()) each_tampering(state, i, go);
  }

  /// Two hands leave no trace, and are not lent in this world. A branch that comes back after the closing and is then
  /// committed looks like one whose sibling's row has gone already; a transaction of which every branch is committed by
  /// hand looks like one that has ended.
  bool shows_by_hand(const State& state) const {
    const bool decided = state.log == Log::durable;
    return !state.closed && (decided || frame_.count(state, Branch::committed) + 1 < size_.branches);
  }

  template <typename Go>
  void each_tampering(const State& state, std::size_t i, const Go& go) const {
    const auto& branch = state.branches[i];
    if (branch == Branch::prepared && state.hands < size_.hands) {
      if (shows_by_hand(state)) go(Step{Kind::hand_commits, i});
      go(Step{Kind::hand_rolls_back, i});
    }
    if (branch == Branch::rolled_back && has(state.was_prepared, i) && state.comebacks < size_.comebacks) {
      go(Step{Kind::come_back, i});
    }
    if (!state.alive) return;
    if (has(state.hazards, i) && !has(state.acknowledged, i)) go(Step{Kind::acknowledge, i});
    if (is_live(state)) return;
    const bool is_open = state.log == Log::nothing || state.log == Log::ended;
    if (is_open) {
      go(Step{Kind::look, i, Way::lost});
      if (i == 0) go(Step{Kind::look, i});
    }
    if (has(state.planned, i)) go(Step{Kind::sweep, i});
    if (i == 0 && is_open && steps_.ruled(state).ruling == protocol::Ruling::contradicted && state.hazards != 0 &&
        state.chosen == protocol::Chosen::nothing) {
      go(Step{Kind::choose_commit});
      go(Step{Kind::choose_rollback});
    }
    if (i == 0 && !state.closed && steps_.may_close(state)) go(Step{Kind::close});
    const bool may_purge = state.closed || (is_without(Safeguard::closed_first) && steps_.may_close(state));
    if (may_purge && branch == Branch::committed) go(Step{Kind::purge, i});
  }

  /// What must not happen at any time, whatever was done by hand.
  std::optional<std::string> mishandled(const State& state) const {
    if (state.hands == 0 && state.hazards != 0) return "a hazard is logged, and nobody has lent a hand";
    if (state.overruled) return "a branch is rolled back although a sibling has committed, and no operator was asked";
    if (state.hazard_told_committed) return "the client is told committed, and a hazard is in the log";
    return state.hands == 0 ? contradiction(state) : std::nullopt;
  }

  std::optional<std::string> contradiction(const State& state) const {
    const bool committed = frame_.count(state, Branch::committed) > 0;
    const bool rolled_back = frame_.count(state, Branch::rolled_back) > 0;
    if (committed && rolled_back) return "one branch is committed and another one rolled back";
    if (committed && frame_.count(state, Branch::running) > 0)
      return "a branch is committed while another one is not prepared";
    if (state.told == Told::committed && rolled_back)
      return "the client was told committed, and a branch is rolled back";
    if (state.told == Told::rolled_back && committed)
      return "the client was told rolled_back, and a branch is committed";
    return std::nullopt;
  }

  const TwoPhaseFrame frame_;
  const TwoPhaseSize& size_ = frame_.size;
  const TwoPhaseSteps steps_{frame_};
};

}  // namespace

std::unique_ptr<World> two_phase_world(TwoPhaseSize size, Safeguard without) {
  return std::make_unique<TwoPhaseWorld>(size, without);
}

}  // namespace assent::explore
