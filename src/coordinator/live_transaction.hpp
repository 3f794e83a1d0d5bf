#pragma once

#include <atomic>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "assent/status.hpp"
#include "assent/transaction.hpp"
#include "base/clock.hpp"
#include "coordinator/house.hpp"
#include "coordinator/proposer.hpp"
#include "ports/participant.hpp"
#include "protocol/members.hpp"
#include "protocol/ruling.hpp"
#include "protocol/transaction_rules.hpp"

namespace assent::coordinator {

/// Drives one transaction: brings the world's events to the rules of protocol/transaction_rules.hpp, and does what they
/// command.
///
/// One transaction, one queue: votes, deadlines, the log's answers, settlings and the caretaker's retries all pass
/// through post(). If no other thread is driving the rules, the thread that posts an event drives them. So events
/// cannot race each other, and a transaction needs no thread of its own. No lock is held while a participant, the log
/// or the client is called. Thread safe.
class LiveTransaction : public std::enable_shared_from_this<LiveTransaction> {
 public:
  /// A new one, or one that is `run` again. Its request has passed validation; `places` are its branches' participants,
  /// and its acceptors are named in three phases.
  LiveTransaction(std::shared_ptr<House> house, std::string gtrid, Rerun run, std::vector<Place> places,
                  std::vector<std::string> acceptors);
  /// One that the log brought back. In three phases its acceptors are asked. Where the decision is not its outcome yet
  /// (is_outcome()), clients who ask again wait for it, and are answered with Outcome::unknown if that takes longer
  /// than `patience`.
  LiveTransaction(std::shared_ptr<House> house, const ports::LiveDecision& recovered, std::vector<Place> places,
                  std::chrono::milliseconds patience);
  /// One in three phases that somebody has left behind, and that no log of ours has. `has_proof`: as of go_on(). An
  /// error when a participant of it is not known here.
  static Result<std::shared_ptr<LiveTransaction>> left_behind(std::shared_ptr<House> house, std::string gtrid,
                                                              protocol::Members members, bool has_proof);
  /// The same. `places` are those of its participants.
  LiveTransaction(std::shared_ptr<House> house, std::string gtrid, protocol::Members members,
                  std::vector<Place> places);

  /// How often a transaction takes a new gtrid at most, when a server knows its XID already.
  static constexpr std::uint32_t kRunsMax = 3;

  const std::string& gtrid() const { return gtrid_; }

  /// Queues for admission, then runs.
  void submit();

  /// Called by the caretaker every so often: lets the deadline and due retries happen. Cheap when nothing is due.
  void tick(base::SteadyTime now);
  /// The participant has come back: its unsettled branches are due at once.
  void participant_is_up(const ports::Participant* participant);
  /// An operator has acknowledged the hazard of its branch `number`, counted from 1, and the log has it.
  void acknowledged(std::uint16_t number);
  /// One in three phases that the log brought back waits until somebody has looked at its rows: where a branch has
  /// committed and nothing was decided, the others must not be rolled back. Then one of these is called.
  bool waits_for_look() const;
  /// Its acceptors may be asked. `has_proof`: a branch has committed, so that a rollback of theirs is not carried out,
  /// but looked at again.
  void go_on(bool has_proof);
  void committed_everywhere();  ///< All its branches have, or an operator chose so.
  void contradicted(std::uint16_t number,
                    const std::string& why);  ///< Branch `number`, from 1, is a hazard in the log.
  /// The coordinator is stopping: an undecided transaction rolls back.
  void cancel();

  /// Whether its proof rows may still be needed. Not those of a rollback that somebody contradicted: that one stays, to
  /// be seen, for as long as this process runs, and must not keep every later row.
  bool needs_proofs() const { return !contradicted_.load(std::memory_order_relaxed); }
  bool answered() const { return answered_.load(std::memory_order_acquire); }
  TransactionStatus status() const;
  /// What this process knows of its outcome.
  protocol::Known known() const;
  /// Its decision to commit, or in three phases the intention in the log, and what has come of it, while that is being
  /// carried out, or waits for a look.
  std::optional<ports::LiveDecision> decision() const;
  TransactionResult result() const;

 private:
  struct BranchRun {
    Place place;
    std::vector<StatementResult> statements;
    std::string detail;
    bool voted = false;
    bool holds_slot = false;
    bool retry_armed = false;
    std::uint32_t attempts = 0;
    base::SteadyTime retry_at{};
  };

  void start();
  void post(protocol::Event event);
  void drive();
  bool may_act() const;
  void look_whether_it_may_act(base::SteadyTime now);
  void tell_unknown();
  void on_vote(protocol::BranchIndex branch, ports::Vote vote);
  void on_settle_report(protocol::BranchIndex branch, ports::SettleReport report);
  void on_logged(const Status& status);
  void fail_unrun(Error error);
  /// Whether it is run again under another gtrid instead of being answered as rolled back.
  bool run_again();

  void run(const protocol::Command& command);
  void run(const protocol::ForceDecision&);
  void force(ports::CommitDecision decision);
  void commit_before_decision(ports::CommitDecision decision);
  void run(const protocol::Settle& command);
  void run(const protocol::RetryLater& command);
  void run(const protocol::Answer& command);
  void answer(SubmitDone done, const TransactionResult& result);
  void keep_rollback(SubmitDone done, TransactionResult result);
  void run(const protocol::LogSettled& command);
  void run(const protocol::LogHazard& command);
  void run(const protocol::LogEnd&);
  void run(const protocol::Forget&);
  void run(const protocol::PreCommit&);
  void run(const protocol::Terminate&);
  void run(const protocol::LogRolledBack&);
  void append_end(ports::LogRecord end);
  std::shared_ptr<Proposer> make_proposer();
  void on_quorum(Proposer::Outcome outcome);

  protocol::Xid xid(protocol::BranchIndex branch) const;
  std::optional<protocol::ServerIdentity> server_of(std::size_t branch) const;
  std::uint16_t number(protocol::BranchIndex branch) const { return static_cast<std::uint16_t>(branch + 1); }
  BranchState state_of(protocol::BranchIndex branch) const;
  TransactionResult result_locked() const;
  TransactionStatus status_locked() const;
  /// Logs a line, once, about a transaction whose client was answered before it was settled, or that was recovered from
  /// the log and stays unsettled.
  void say_in_doubt();
  void say_finished(const TransactionStatus& last) const;
  const char* decided_in_words_locked() const;
  bool has_hazard_locked() const;
  void say_rolled_back(const TransactionResult& result) const;
  void tell_answered();
  void tell_ended();
  void note_cause(Cause cause);
  void note_cause_locked(std::string message, bool retryable);
  std::string unvoted_locked() const;
  void set_wake_at_locked();

  const std::shared_ptr<House> house_;
  const std::string gtrid_;
  const Protocol protocol_;
  const protocol::Members members_;
  const std::string label_;
  const std::string key_;
  const std::uint64_t fingerprint_;
  const Isolation isolation_;
  const base::SteadyTime arrived_;
  const std::int64_t decided_at_ms_;  ///< Of a recovered one; else 0.
  const base::SteadyTime deadline_;
  const std::chrono::milliseconds timeout_;
  const std::uint32_t attempt_;

  mutable std::mutex mutex_;
  protocol::TransactionRules rules_;
  std::deque<protocol::Event> events_;
  /// Somebody runs commands. True from birth, so that what comes in waits until every branch was started.
  bool driving_ = true;
  bool told_unknown_ = false;  ///< Before its rules had an answer.
  bool parked_ = false;        ///< With events that wait until the claims are known to be held.
  bool queued_ = true;         ///< Not admitted yet: no branch has started.
  bool deadline_told_ = false;
  std::shared_ptr<const std::vector<Branch>> requested_;  ///< Until it is answered.
  bool duplicate_xid_ = false;                            ///< A branch was refused for it.
  std::vector<BranchRun> runs_;
  std::optional<Cause> cause_;
  std::optional<Outcome> outcome_;
  SubmitDone done_;
  std::shared_ptr<Admission::Ticket> ticket_;
  std::optional<Outcome> decided_;  ///< For good, whatever its client was answered before.
  bool waits_for_look_ = false;
  bool has_proof_ = false;              ///< See go_on().
  bool to_terminate_ = false;           ///< Brought back, and nobody has asked its acceptors yet.
  std::shared_ptr<Proposer> proposer_;  ///< While its acceptors are asked.
  bool keeping_rollback_ = false;       ///< The log is being given its key's rollback; then it is answered.
  bool said_in_doubt_ = false;
  std::optional<base::SteadyTime> doubt_at_;  ///< When one that was brought back is said to be in doubt.
  bool forgotten_ = false;                    ///< It has ended, and leaves the registry once it is answered.

  std::atomic<bool> answered_{false};
  std::atomic<bool> contradicted_{false};
  std::atomic<base::SteadyTime::rep> wake_at_{0};  ///< Nothing is due for tick() before it.
};

}  // namespace assent::coordinator
