#pragma once

#include <cstdint>
#include <variant>
#include <vector>

#include "assent/transaction.hpp"
#include "protocol/quorum.hpp"
#include "protocol/settle.hpp"

namespace assent::protocol {

// One transaction, as pure rules: an event goes in, the next state and what is to be done come out. No clock, socket,
// thread or SQL. In two phases with presumed abort (Gray 1978; Mohan, Lindsay and Obermarck 1986):
//
//     voting --all prepared--> deciding --decision durable--> committing --all settled--> ended
//        \--a refusal, a lost vote,      \--not written--.
//           the deadline, a cancel-----------------------> rolling_back --all settled--> ended
//     one_phase --the branch's answer, or what a look-up finds--> ended
//     deciding --it cannot be known whether the decision is durable--> frozen
//
// Before the decision is durable every failure means rollback; afterwards the only way is forward. The one place
// where that line is crossed is the rule for DecisionDurable.
//
// In three phases (THREE_PHASE.md) the log has the intention first, and a majority of acceptors decides:
//
//     deciding --durable--> pre_committing --accepted by a majority--> committing
//                                 \--outbid--> terminating --what the quorum has decided--> committing or rolling_back
//     terminating, of one that the log does not know --commit--> deciding --> committing
//
// From pre_committing on nobody, the coordinator included, rolls back but by what the acceptors say.

enum class Phase : std::uint8_t {
  voting,
  one_phase,  ///< A single branch, committed by its participant alone; nothing is logged.
  deciding,   ///< Every branch is prepared; the decision is being forced to the log.
  committing,
  rolling_back,
  ended,
  frozen,  ///< The log failed under the decision: only a restart, which reads the log, can tell. Nothing is settled.
  pre_committing,  ///< Three phases: the acceptors are asked to accept commit, at the coordinator's ballot.
  terminating,     ///< Three phases: nobody knows; the acceptors are asked, at a ballot of one's own.
};

struct BranchRules {
  enum class State : std::uint8_t {
    running,  ///< Asked to prepare (or to commit in one phase); no vote yet.
    prepared,
    in_doubt,  ///< Its vote, or the answer to its settling, was lost.
    committed,
    unproven,
    rolled_back,
    hazard,
    acknowledged,  ///< A hazard that an operator has acknowledged.
  };
  State state = State::running;
  bool known_prepared = false;
  bool settling = false;  ///< A settle is under way; there is at most one.
  bool operator==(const BranchRules&) const = default;
};

struct TransactionRules {
  Phase phase = Phase::voting;
  Protocol protocol = Protocol::two_phase;
  std::vector<BranchRules> branches;
  bool deadline_passed = false;
  bool answered = false;
  bool troubled =
      false;  ///< A branch was in doubt or a hazard after the decision: settled branches are logged one by one.
  bool accepted = false;  ///< Three phases: a majority of acceptors has accepted commit.
  bool in_log = false;    ///< Three phases: the log has a record of it, which is to be closed at the end.
  /// It is reported as committed only once every branch is proven to be.
  bool told_once_proven = false;
  bool operator==(const TransactionRules&) const = default;
};

using BranchIndex = std::uint16_t;  ///< Counted from 0.

// Events.
struct Voted {
  BranchIndex branch;
  enum class Kind : std::uint8_t { prepared, committed, refused, lost } kind;
};
struct DeadlinePassed {};
struct Cancelled {};  ///< The coordinator is stopping.
struct DecisionDurable {};
struct DecisionNotWritten {};     ///< Surely not in the log.
struct DecisionIndeterminate {};  ///< May or may not be in the log, for ever.
struct Settled {
  BranchIndex branch;
  Finding finding;
};
struct RetryDue {
  BranchIndex branch;
};
/// A majority of acceptors has accepted it. Told once.
struct QuorumDecided {
  Value value;
};
/// The pre-commit was refused: somebody else is finishing the transaction.
struct Outbid {};
/// A majority of acceptors has closed it: somebody else has settled every branch, and the outcome is not known here.
struct OverElsewhere {};
/// An operator has acknowledged a hazard, and the log has it.
struct Acknowledged {
  BranchIndex branch;
};
using Event = std::variant<Voted, DeadlinePassed, Cancelled, DecisionDurable, DecisionNotWritten, DecisionIndeterminate,
                           Settled, RetryDue, QuorumDecided, Outbid, OverElsewhere, Acknowledged>;

// Commands.
struct ForceDecision {};
struct Settle {
  BranchIndex branch;
  Decided decided;
  bool known_prepared;
  bool operator==(const Settle&) const = default;
};
struct RetryLater {
  BranchIndex branch;
};
/// Tell the client. At most once per transaction.
struct Answer {
  Outcome outcome;
  bool settled;
};
struct LogSettled {
  BranchIndex branch;
};
/// A branch ended otherwise than decided. Said once.
struct LogHazard {
  BranchIndex branch;
};
struct LogEnd {};         ///< Decided, and every branch is settled: once this is in the log it can be forgotten.
struct Forget {};         ///< Nothing is left to do, and nothing of it is in the log.
struct PreCommit {};      ///< Ask the acceptors to accept commit, at the coordinator's ballot, until they have decided.
struct Terminate {};      ///< Ask them at ballots of one's own, until they have decided.
struct LogRolledBack {};  ///< What the log has of it came to a rollback, and every branch is settled.
using Command = std::variant<ForceDecision, Settle, RetryLater, Answer, LogSettled, LogHazard, LogEnd, Forget,
                             PreCommit, Terminate, LogRolledBack>;

struct Step {
  TransactionRules next;
  std::vector<Command> commands;
};

/// The state of a new transaction whose branches are all being asked to vote. `in_one_phase` is for a single branch.
TransactionRules begin(std::size_t branches, bool in_one_phase, Protocol protocol = Protocol::two_phase);

/// The state of a transaction whose decision a log brought back: every branch that is not in `settled` (flags by
/// branch) is in doubt, and waits for RetryDue. With `told_once_proven` clients may be waiting for its outcome: another
/// log may have led to the rollback of its branches meanwhile. The decision is carried out all the same.
TransactionRules resume_decided(const std::vector<bool>& settled, const std::vector<bool>& hazards,
                                const std::vector<bool>& acknowledged = {}, bool told_once_proven = false);

/// The state of one in three phases that somebody has left behind: Terminate is the first thing to do. Whether the log
/// knows it makes no difference to its outcome.
TransactionRules resume_undecided(const std::vector<bool>& settled, const std::vector<bool>& hazards, bool in_log,
                                  const std::vector<bool>& acknowledged = {});

/// Pure. An event that cannot happen in a state (a second vote, a decision nobody asked for) is a broken invariant and
/// aborts; one that merely comes late is ignored.
Step step(TransactionRules state, const Event& event);

/// Whether the branch has an end that needs nothing more.
constexpr bool is_settled(BranchRules::State state) {
  return state == BranchRules::State::committed || state == BranchRules::State::unproven ||
         state == BranchRules::State::rolled_back || state == BranchRules::State::acknowledged;
}

}  // namespace assent::protocol
