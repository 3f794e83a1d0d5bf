#include "protocol/transaction_rules.hpp"

#include <algorithm>

#include "base/check.hpp"

namespace assent::protocol {
namespace {

using State = BranchRules::State;

/// One step in the making.
class Stepper {
 public:
  explicit Stepper(TransactionRules state) { step_.next = std::move(state); }

  Step finish() && { return std::move(step_); }

  void on(const Voted& event) {
    auto& branch = at(event.branch);
    // After a settle was sent ahead of its vote, the vote says nothing that the settling will not.
    if (branch.state != State::running) return;
    switch (event.kind) {
      case Voted::Kind::prepared:
        ASSENT_CHECK(txn().phase == Phase::voting || txn().phase == Phase::rolling_back);
        branch.state = State::prepared;
        branch.known_prepared = true;
        if (txn().phase == Phase::voting && all(State::prepared)) {
          txn().phase = Phase::deciding;
          command(ForceDecision{});
        }
        return;
      case Voted::Kind::committed:
        ASSENT_CHECK(txn().phase == Phase::one_phase);
        branch.state = State::committed;
        return close_one_phase();
      case Voted::Kind::refused:
        branch.state = State::rolled_back;
        if (txn().phase == Phase::one_phase) return close_one_phase();
        return roll_back();
      case Voted::Kind::lost:
        branch.state = State::in_doubt;
        if (txn().phase == Phase::one_phase) return settle(event.branch);
        return roll_back();
    }
  }

  void on(const DeadlinePassed&) {
    txn().deadline_passed = true;
    switch (txn().phase) {
      case Phase::voting:
        roll_back();
        // The outcome is certain; a server that hangs must not hold up the answer.
        return answer(Outcome::rolled_back, all_settled());
      case Phase::one_phase:
        // It may commit at any moment: find out, fencing it off if it has not.
        return settle(0);
      case Phase::committing: return answer_unsettled_commit();
      case Phase::rolling_back: return answer(is_contradicted() ? Outcome::unknown : Outcome::rolled_back, false);
      case Phase::pre_committing:
      case Phase::terminating: return answer(Outcome::unknown, false);
      case Phase::deciding:  // The decision is on its way to the disk: no way back.
      case Phase::ended:
      case Phase::frozen: return;
    }
  }

  void on(const Cancelled&) {
    if (txn().phase == Phase::voting) roll_back();
    if (txn().phase == Phase::one_phase) settle(0);
    if (is_undecided() || txn().told_once_proven) answer(Outcome::unknown, false);
    // Nobody has been asked yet, and there is still a way back.
    if (txn().phase == Phase::deciding && !txn().accepted) txn().deadline_passed |= is_three_phase();
  }

  /// The commit point of two phases. Before it every failure means rollback; from here there is only forward. In three
  /// phases that point is QuorumDecided, and the way back ends here.
  void on(const DecisionDurable&) {
    ASSENT_CHECK(txn().phase == Phase::deciding);
    if (is_three_phase()) {
      txn().in_log = true;
      if (!txn().accepted) return pre_commit();
    }
    commit();
  }

  void on(const DecisionNotWritten&) {
    ASSENT_CHECK(txn().phase == Phase::deciding);
    // What the acceptors have decided holds without the log.
    txn().accepted ? commit() : roll_back();
  }

  void on(const DecisionIndeterminate&) {
    ASSENT_CHECK(txn().phase == Phase::deciding);
    txn().phase = Phase::frozen;
    answer(Outcome::unknown, false);
  }

  void on(const Settled& event) {
    auto& branch = at(event.branch);
    branch.settling = false;
    if (is_settled(branch.state)) return;  // Its vote came after the settling began, and had already said so.
    ASSENT_CHECK(txn().phase == Phase::committing || txn().phase == Phase::rolling_back ||
                 txn().phase == Phase::one_phase);
    // A branch that cannot be proven committed must not be reported as such: an operator has to look at it.
    const bool must_be_proven = txn().told_once_proven && event.finding == Finding::unproven;
    switch (must_be_proven ? Finding::hazard : event.finding) {
      case Finding::committed: branch.state = State::committed; break;
      case Finding::unproven: branch.state = State::unproven; break;
      case Finding::rolled_back:
        // A branch that somebody has committed stays a hazard until it is acknowledged, even if its row is gone.
        if (branch.state != State::hazard) branch.state = State::rolled_back;
        break;
      case Finding::ambiguous:
        // A hazard stays one until it is proven otherwise.
        if (branch.state != State::hazard) branch.state = State::in_doubt;
        break;
      case Finding::hazard:
        if (branch.state != State::hazard) command(LogHazard{event.branch});
        branch.state = State::hazard;
        break;
    }
    switch (txn().phase) {
      case Phase::committing: return after_commit(event.branch);
      case Phase::rolling_back: return after_rollback(event.branch);
      default: return after_one_phase();
    }
  }

  void on(const RetryDue& event) {
    const auto& branch = at(event.branch);
    if (txn().phase == Phase::frozen || txn().phase == Phase::ended || is_settled(branch.state)) return;
    if (is_undecided()) return;
    settle(event.branch);
  }

  /// The commit point of three phases.
  void on(const QuorumDecided& event) {
    ASSENT_CHECK(txn().phase == Phase::pre_committing || txn().phase == Phase::terminating);
    if (event.value == Value::rollback) return roll_back();
    txn().accepted = true;
    // Nobody asks for acceptance before every branch is prepared.
    for (auto& branch : txn().branches) branch.known_prepared = true;
    if (txn().in_log) return commit();
    txn().phase = Phase::deciding;
    command(ForceDecision{});
  }

  void on(const OverElsewhere&) {
    ASSENT_CHECK(txn().phase == Phase::terminating);
    answer(Outcome::unknown, true);
    // If a log has it, the log keeps it: its outcome is not known here, so neither end may be written.
    txn().phase = Phase::ended;
    command(Forget{});
  }

  void on(const Outbid&) {
    ASSENT_CHECK(txn().phase == Phase::pre_committing);
    txn().phase = Phase::terminating;
    command(Terminate{});
  }

  void on(const Acknowledged& event) {
    auto& branch = at(event.branch);
    // It may have turned out to be none meanwhile.
    if (branch.state != State::hazard) return;
    branch.state = State::acknowledged;
    if (txn().phase == Phase::rolling_back) return close_rollback();
    if (txn().phase == Phase::committing && all_settled()) after_commit();
  }

 private:
  TransactionRules& txn() { return step_.next; }
  BranchRules& at(BranchIndex index) {
    ASSENT_CHECK(index < txn().branches.size());
    return txn().branches[index];
  }
  void command(Command what) { step_.commands.push_back(what); }

  bool is_three_phase() { return txn().protocol == Protocol::three_phase; }
  bool is_undecided() { return txn().phase == Phase::pre_committing || txn().phase == Phase::terminating; }

  bool all(State state) {
    return std::all_of(txn().branches.begin(), txn().branches.end(), [&](const auto& b) { return b.state == state; });
  }
  bool any(State state) {
    return std::any_of(txn().branches.begin(), txn().branches.end(), [&](const auto& b) { return b.state == state; });
  }
  bool is_contradicted() { return any(State::hazard) || any(State::acknowledged); }
  bool all_settled() {
    return std::all_of(txn().branches.begin(), txn().branches.end(), [](const auto& b) { return is_settled(b.state); });
  }

  void answer(Outcome outcome, bool settled) {
    if (txn().answered) return;
    txn().answered = true;
    command(Answer{outcome, settled});
  }

  void settle(BranchIndex index) {
    auto& branch = at(index);
    if (branch.settling) return;
    branch.settling = true;
    const auto decided = txn().phase == Phase::committing  ? Decided::commit
                         : txn().phase == Phase::one_phase ? Decided::one_phase
                                                           : Decided::rollback;
    command(Settle{index, decided, branch.known_prepared});
  }

  void settle_all() {
    for (std::size_t i = 0; i < txn().branches.size(); ++i) {
      if (!is_settled(txn().branches[i].state)) settle(static_cast<BranchIndex>(i));
    }
  }

  void pre_commit() {
    // Its client has given up, and no acceptor knows of it yet.
    if (txn().deadline_passed) return roll_back();
    txn().phase = Phase::pre_committing;
    command(PreCommit{});
  }

  void commit() {
    txn().phase = Phase::committing;
    if (all_settled()) return after_commit();
    settle_all();
    if (txn().deadline_passed) answer_unsettled_commit();
  }

  void answer_unsettled_commit() {
    answer(is_contradicted() || txn().told_once_proven ? Outcome::unknown : Outcome::committed, false);
  }

  void roll_back() {
    txn().phase = Phase::rolling_back;
    settle_all();
    close_rollback();
  }

  void after_commit(BranchIndex index) {
    const auto state = at(index).state;
    // Presumed abort has no rollback after a decision: judge() has no such row.
    ASSENT_CHECK(state != State::rolled_back);
    if (all_settled()) return after_commit();
    if (is_settled(state)) {
      if (txn().troubled) command(LogSettled{index});
      if (any(State::hazard)) answer_when_only_hazards_are_left();
      return;
    }
    if (!txn().troubled) {
      txn().troubled = true;
      for (std::size_t i = 0; i < txn().branches.size(); ++i) {
        if (is_settled(txn().branches[i].state)) command(LogSettled{static_cast<BranchIndex>(i)});
      }
    }
    command(RetryLater{index});
    if (any(State::hazard)) answer_when_only_hazards_are_left();
  }

  void after_commit() {
    answer(is_contradicted() ? Outcome::unknown : Outcome::committed, true);
    end();
  }

  /// A transaction that lost a branch is never reported as committed.
  void answer_when_only_hazards_are_left() {
    const bool waiting = std::any_of(txn().branches.begin(), txn().branches.end(),
                                     [](const auto& b) { return !is_settled(b.state) && b.state != State::hazard; });
    if (!waiting || txn().deadline_passed) answer(Outcome::unknown, false);
  }

  void after_rollback(BranchIndex index) {
    const auto state = at(index).state;
    if (state == State::in_doubt) command(RetryLater{index});
    close_rollback();
  }

  /// The outcome is certain from the start, so the answer waits only until each branch was tried once.
  void close_rollback() {
    const auto& branches = txn().branches;
    const bool untried = std::any_of(branches.begin(), branches.end(), [](const auto& b) {
      return !is_settled(b.state) && b.state != State::hazard && b.settling;
    });
    if (is_contradicted()) {
      // A branch was committed by hand although the decision was rollback: there is no single outcome any more.
      if (!untried) answer(Outcome::unknown, false);
    } else if (!untried) {
      answer(Outcome::rolled_back, all_settled());
    }
    // A hazard stays, to be seen.
    if (all_settled()) {
      txn().phase = Phase::ended;
      if (txn().in_log) return command(LogRolledBack{});
      command(Forget{});
    }
  }

  void after_one_phase() {
    const auto state = at(0).state;
    if (is_settled(state)) return close_one_phase();
    // The outcome is not known, and the client has waited long enough. It is answered with that; the look-up goes on.
    if (txn().deadline_passed) answer(Outcome::unknown, false);
    command(RetryLater{0});
  }

  void close_one_phase() {
    const auto state = at(0).state;
    answer(state == State::committed     ? Outcome::committed
           : state == State::rolled_back ? Outcome::rolled_back
                                         : Outcome::unknown,
           true);
    txn().phase = Phase::ended;
    command(Forget{});
  }

  void end() {
    txn().phase = Phase::ended;
    if (txn().protocol == Protocol::two_phase || txn().in_log) return command(LogEnd{});
    command(Forget{});
  }

  Step step_;
};

}  // namespace

TransactionRules begin(std::size_t branches, bool in_one_phase, Protocol protocol) {
  ASSENT_CHECK(branches >= 1 && (!in_one_phase || branches == 1));
  TransactionRules rules;
  rules.protocol = protocol;
  rules.phase = in_one_phase ? Phase::one_phase : Phase::voting;
  rules.branches.resize(branches);
  return rules;
}

TransactionRules resume_decided(const std::vector<bool>& settled, const std::vector<bool>& hazards,
                                const std::vector<bool>& acknowledged, bool told_once_proven) {
  ASSENT_CHECK(settled.size() == hazards.size());
  TransactionRules rules;
  rules.phase = Phase::committing;
  rules.told_once_proven = told_once_proven;
  rules.answered = !told_once_proven;
  rules.deadline_passed = !told_once_proven;
  rules.troubled = true;
  for (std::size_t i = 0; i < settled.size(); ++i) {
    BranchRules branch;
    branch.known_prepared = true;
    branch.state = settled[i] ? State::committed : hazards[i] ? State::hazard : State::in_doubt;
    if (i < acknowledged.size() && acknowledged[i]) branch.state = State::acknowledged;
    rules.branches.push_back(branch);
  }
  return rules;
}

TransactionRules resume_undecided(const std::vector<bool>& settled, const std::vector<bool>& hazards, bool in_log,
                                  const std::vector<bool>& acknowledged) {
  auto rules = resume_decided(settled, hazards, acknowledged);
  rules.phase = Phase::terminating;
  rules.protocol = Protocol::three_phase;
  rules.in_log = in_log;
  rules.answered = false;
  rules.deadline_passed = false;
  for (auto& branch : rules.branches) branch.known_prepared = in_log;
  return rules;
}

Step step(TransactionRules state, const Event& event) {
  Stepper stepper(std::move(state));
  std::visit([&](const auto& e) { stepper.on(e); }, event);
  return std::move(stepper).finish();
}

}  // namespace assent::protocol
