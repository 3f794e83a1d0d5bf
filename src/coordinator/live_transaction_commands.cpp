// Carries out the commands of the rules.

#include <spdlog/spdlog.h>

#include <algorithm>

#include "base/failpoints.hpp"
#include "coordinator/decided_members.hpp"
#include "coordinator/live_transaction.hpp"

namespace assent::coordinator {
namespace {

constexpr std::chrono::milliseconds kRetryFirst{20};
constexpr std::chrono::milliseconds kRetryMost{2'000};
constexpr std::uint32_t kRetryDoublingsMax = 7;
static_assert(kRetryFirst * (1U << kRetryDoublingsMax) >= kRetryMost);

}  // namespace

void LiveTransaction::run(const protocol::Command& command) {
  std::visit([this](const auto& what) { run(what); }, command);
}

void LiveTransaction::run(const protocol::ForceDecision&) {
  ports::CommitDecision decision{.gtrid = gtrid_,
                                 .protocol = protocol_,
                                 .participants = {},
                                 .idempotency_key = key_,
                                 .request_fingerprint = fingerprint_,
                                 .label = label_,
                                 .decided_at_ms = base::wall_clock_ms()};
  set_members(decision, members_);
  ASSENT_FAILPOINT(decision_unforced);
#ifdef ASSENT_FAILPOINTS
  if (ASSENT_FAILS_AT(without_decision_first)) return commit_before_decision(std::move(decision));
#endif
  force(std::move(decision));
}

void LiveTransaction::force(ports::CommitDecision decision) {
  house_->log.append_forced(std::move(decision),
                            [self = shared_from_this()](const Status& status) { self->on_logged(status); });
}

#ifdef ASSENT_FAILPOINTS
// What must never be, so that a test can show why.
void LiveTransaction::commit_before_decision(ports::CommitDecision decision) {
  runs_[0].place.participant->settle({xid(0), protocol::Decided::commit, true, server_of(0)},
                                     [self = shared_from_this(), decision = std::move(decision)](
                                         const ports::SettleReport&) mutable { self->force(std::move(decision)); });
}
#endif

void LiveTransaction::run(const protocol::Settle& command) {
  runs_[command.branch].place.participant->settle(
      {xid(command.branch), command.decided, command.known_prepared, server_of(command.branch)},
      [self = shared_from_this(), branch = command.branch](ports::SettleReport report) {
        self->on_settle_report(branch, std::move(report));
      });
}

void LiveTransaction::run(const protocol::RetryLater& command) {
  ++house_->settle_retries;
  const std::lock_guard lock(mutex_);
  auto& run = runs_[command.branch];
  const auto pause = std::min(kRetryMost, kRetryFirst * (1U << std::min(run.attempts, kRetryDoublingsMax)));
  ++run.attempts;
  run.retry_armed = true;
  run.retry_at = base::SteadyClock::now() + pause;
  set_wake_at_locked();
}

// Somebody else has used its XID, by chance or on purpose. Nothing of it is left or can come, once it is rolled back.
bool LiveTransaction::run_again() {
  Rerun again;
  {
    const std::lock_guard lock(mutex_);
    if (!done_ || !duplicate_xid_ || deadline_told_ || attempt_ + 1 >= kRunsMax) return false;
    again = {.transaction = {.protocol = protocol_,
                             .timeout = timeout_,
                             .isolation = isolation_,
                             .idempotency_key = key_,
                             .label = label_,
                             .branches = *requested_},
             .fingerprint = fingerprint_,
             .deadline = deadline_,
             .done = std::exchange(done_, nullptr),
             .attempt = attempt_ + 1};
    outcome_ = Outcome::rolled_back;
    requested_.reset();
  }
  spdlog::warn("{}: a participant knows this XID already; the transaction is run again under another", gtrid_);
  tell_answered();
  house_->rerun(std::move(again));
  return true;
}

void LiveTransaction::run(const protocol::Answer& command) {
  if (command.outcome == Outcome::rolled_back && command.settled && run_again()) return;
  SubmitDone done;
  TransactionResult result;
  bool told_before = false;
  {
    const std::lock_guard lock(mutex_);
    outcome_ = command.outcome;
    told_before = told_unknown_;
    if (command.outcome == Outcome::rolled_back) {
      note_cause_locked("no vote from " + unvoted_locked() + " within " + std::to_string(timeout_.count()) +
                            " ms; submit it again, or raise timeout_ms",
                        true);
    }
    result = result_locked();
    result.outcome = command.outcome;
    result.settled = command.settled;
    done = std::move(done_);
    done_ = nullptr;
    for (auto& run : runs_) run.statements = {};
    requested_.reset();
  }
  // It can still be looked up.
  if (told_before) return;
  switch (command.outcome) {
    case Outcome::committed: ++house_->committed; break;
    case Outcome::rolled_back:
      ++house_->rolled_back;
      ++house_->rollbacks[static_cast<std::size_t>(reason_of(result.cause))];
      if (house_->log_rollbacks) say_rolled_back(result);
      break;
    case Outcome::unknown: ++house_->unknown; break;
  }
  if (!command.settled) say_in_doubt();
  if (!key_.empty() && !house_->keys.finish(key_, result)) return keep_rollback(std::move(done), std::move(result));
  answer(std::move(done), result);
}

void LiveTransaction::answer(SubmitDone done, const TransactionResult& result) {
  if (done) done(result);
  tell_answered();
}

// A client that learns of the rollback may send another transaction in its place. After that this one must never run,
// however often the coordinator is started.
void LiveTransaction::keep_rollback(SubmitDone done, TransactionResult result) {
  {
    const std::lock_guard lock(mutex_);
    keeping_rollback_ = true;
  }
  ASSENT_FAILPOINT(rolled_back_key_unforced);
  auto record = rolled_back_key(key_, fingerprint_, result);
  house_->log.append_forced(std::move(record), [self = shared_from_this(), done = std::move(done),
                                                result = std::move(result)](const Status& status) mutable {
    if (status.ok()) {
      ASSENT_FAILPOINT(rolled_back_key_durable);
    } else {
      // It is rolled back, but after the next start its key could run again.
      result.outcome = Outcome::unknown;
      result.cause.reset();
    }
    self->house_->keys.finish_kept(self->key_, result);
    self->answer(std::move(done), result);
    bool leaves = false;
    {
      const std::lock_guard lock(self->mutex_);
      self->keeping_rollback_ = false;
      leaves = self->forgotten_;
    }
    if (leaves) self->house_->registry.remove(self.get(), self->gtrid_);
  });
}

void LiveTransaction::run(const protocol::LogSettled& command) {
  house_->hazards.remove(gtrid_, number(command.branch));
  house_->log.append(ports::BranchSettled{gtrid_, number(command.branch)});
}

void LiveTransaction::run(const protocol::LogHazard& command) {
  ++house_->hazards_found;
  std::string reason;
  bool decided = false;
  {
    const std::lock_guard lock(mutex_);
    reason = runs_[command.branch].detail;
    decided = rules_.phase == protocol::Phase::committing;
  }
  const auto& name = runs_[command.branch].place.participant->name();
  if (!decided) {
    spdlog::critical(
        "HAZARD {}: branch {} at '{}' was to be rolled back and was committed by somebody else: {}. "
        "Compare the databases before repairing them",
        gtrid_, number(command.branch), name, reason);
    reason = "to be rolled back at '" + name + "', and committed by somebody else: " + reason;
  } else {
    spdlog::critical(
        "HAZARD {}: branch {} at '{}' was decided for commit and is gone without its proof row: {}. It may have "
        "been rolled back by hand; compare the databases before repairing them",
        gtrid_, number(command.branch), name, reason);
    reason = "decided for commit, and gone without its proof row: " + reason;
  }
  {
    const std::lock_guard lock(mutex_);
    runs_[command.branch].detail = reason;
  }
  const auto kind = decided ? ports::HazardKind::lost : ports::HazardKind::committed_against;
  const ports::HazardFound hazard{gtrid_, number(command.branch), reason, base::wall_clock_ms(), kind};
  ASSENT_FAILPOINT(hazard_unlogged);
  house_->log.append_forced(hazard, [self = shared_from_this(), hazard, decided](const Status& status) {
    ASSENT_FAILPOINT(hazard_logged);
    // Where the disk is full, it goes with what the reserve is for. Until it is durable, its rows stay as they are.
    if (!status.ok()) return self->house_->log.append(hazard, [] {});
    // From now on the open hazard keeps its rows from being deleted, after a restart too.
    if (!decided) self->contradicted_ = true;
  });
  // Only then: an acknowledgement must stand behind it in the log.
  house_->hazards.add(hazard, name);
}

void LiveTransaction::run(const protocol::LogEnd&) {
  {
    const std::lock_guard lock(mutex_);
    decided_ = Outcome::committed;
  }
  append_end(ports::TransactionEnded{gtrid_});
}

void LiveTransaction::run(const protocol::LogRolledBack&) {
  if (key_.empty() || !house_->keys.keeps_late_rollback(key_, gtrid_)) {
    return append_end(ports::TransactionRolledBack{gtrid_});
  }
  // Its client was answered with unknown, and that stays the outcome under its key until the log has the rollback.
  house_->log.append_forced(rolled_back_key(key_, fingerprint_, result()),
                            [self = shared_from_this()](const Status& status) {
                              if (!status.ok()) return;
                              self->house_->keys.note_kept(self->key_, self->gtrid_);
                              self->append_end(ports::TransactionRolledBack{self->gtrid_});
                            });
}

void LiveTransaction::append_end(ports::LogRecord end) {
  ASSENT_FAILPOINT(end_unlogged);
  tell_ended();
  // Until its end is durable it stays findable: its rows must not be purged before.
  house_->log.append(std::move(end), [house = house_, gtrid = gtrid_, self = this] {
    ASSENT_FAILPOINT(end_durable);
    house->registry.remove(self, gtrid);
  });
}

void LiveTransaction::run(const protocol::PreCommit&) {
  ASSENT_FAILPOINT(pre_commit_unsent);
  make_proposer()->pre_commit();
}

void LiveTransaction::run(const protocol::Terminate&) {
  make_proposer()->terminate();
}

std::shared_ptr<Proposer> LiveTransaction::make_proposer() {
  Acceptors acceptors{gtrid_, members_, {}};
  for (const auto& name : members_.acceptors) {
    const auto found = house_->places.find(name);
    acceptors.asked.push_back(found == house_->places.end() ? nullptr : found->second.participant);
  }
  auto made = std::make_shared<Proposer>(std::move(acceptors), [weak = weak_from_this()](Proposer::Outcome outcome) {
    if (const auto self = weak.lock()) self->on_quorum(outcome);
  });
  const std::lock_guard lock(mutex_);
  proposer_ = made;
  set_wake_at_locked();
  return made;
}

void LiveTransaction::on_quorum(Proposer::Outcome outcome) {
  ASSENT_FAILPOINT(quorum_decided);
  const bool commits = outcome == Proposer::Outcome::commit;
  const bool decided = commits || outcome == Proposer::Outcome::rollback;
  bool terminated = false;
  {
    const std::lock_guard lock(mutex_);
    proposer_.reset();
    set_wake_at_locked();
    terminated = rules_.phase == protocol::Phase::terminating;
    if (outcome == Proposer::Outcome::rollback && has_proof_) {
      spdlog::warn(
          "{}: its acceptors have decided rollback, and a branch of it has committed: nothing is rolled back "
          "before its rows were looked at again",
          gtrid_);
      waits_for_look_ = true;
      return;
    }
    if (decided) decided_ = commits ? Outcome::committed : Outcome::rolled_back;
    if (decided && !commits) {
      note_cause_locked("its acceptors had accepted nothing when somebody finished it in this coordinator's place",
                        true);
    }
  }
  switch (outcome) {
    case Proposer::Outcome::outbid: ++house_->pre_commits_outbid; return post(protocol::Outbid{});
    case Proposer::Outcome::over:
      spdlog::warn("{}: a majority of its acceptors says that every branch is settled; its outcome is not known here",
                   gtrid_);
      house_->registry.closed(gtrid_);
      return post(protocol::OverElsewhere{});
    case Proposer::Outcome::commit:
    case Proposer::Outcome::rollback: break;
  }
  if (terminated) {
    ++(commits ? house_->terminated_commit : house_->terminated_rollback);
    spdlog::info("{}: its acceptors have decided {}", gtrid_, commits ? "commit" : "rollback");
  }
  post(protocol::QuorumDecided{commits ? protocol::Value::commit : protocol::Value::rollback});
}

void LiveTransaction::run(const protocol::Forget&) {
  tell_ended();
  {
    const std::lock_guard lock(mutex_);
    forgotten_ = true;
    if (keeping_rollback_) return;
  }
  house_->registry.remove(this, gtrid_);
}

}  // namespace assent::coordinator
