#include "coordinator/live_transaction.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>

#include "base/check.hpp"
#include "base/failpoints.hpp"
#include "protocol/xid.hpp"

namespace assent::coordinator {
namespace {

constexpr std::chrono::milliseconds kRetryFirst{20};
constexpr std::chrono::milliseconds kRetryMost{2'000};
constexpr std::uint32_t kRetryDoublingsMax = 7;
static_assert(kRetryFirst * (1U << kRetryDoublingsMax) >= kRetryMost);

std::string joined_names(const std::vector<Place>& places) {
  std::string names;
  for (const auto& place : places) {
    if (!names.empty()) names.push_back(',');
    names += place.participant->name();
  }
  return names;
}

protocol::Voted::Kind to_event(ports::Vote::Kind kind) {
  switch (kind) {
    case ports::Vote::Kind::prepared: return protocol::Voted::Kind::prepared;
    case ports::Vote::Kind::committed: return protocol::Voted::Kind::committed;
    case ports::Vote::Kind::refused: return protocol::Voted::Kind::refused;
    case ports::Vote::Kind::lost: break;
  }
  return protocol::Voted::Kind::lost;
}

std::vector<bool> flags(std::size_t count, const auto& numbers, auto number_of) {
  std::vector<bool> out(count, false);
  for (const auto& entry : numbers) {
    const std::size_t number = number_of(entry);
    ASSENT_CHECK(number >= 1 && number <= count);
    out[number - 1] = true;
  }
  return out;
}

}  // namespace

LiveTransaction::LiveTransaction(std::shared_ptr<House> house, std::string gtrid, Rerun run, std::vector<Place> places)
    : house_(std::move(house)),
      gtrid_(std::move(gtrid)),
      protocol_(run.transaction.protocol),
      label_(std::move(run.transaction.label)),
      key_(std::move(run.transaction.idempotency_key)),
      fingerprint_(run.fingerprint),
      isolation_(run.transaction.isolation),
      arrived_(base::SteadyClock::now()),
      decided_at_ms_(0),
      deadline_(run.deadline),
      timeout_(run.transaction.timeout),
      attempt_(run.attempt),
      // A key must survive a crash, and only the log keeps it: such a transaction takes both phases.
      rules_(protocol::begin(places.size(), places.size() == 1 && key_.empty())),
      requested_(std::make_shared<const std::vector<Branch>>(std::move(run.transaction.branches))),
      done_(std::move(run.done)) {
  ASSENT_CHECK(places.size() == requested_->size());
  for (const auto& place : places) runs_.push_back({.place = place, .statements = {}, .detail = {}});
  set_wake_at_locked();
}

LiveTransaction::LiveTransaction(std::shared_ptr<House> house, const ports::LiveDecision& recovered,
                                 std::vector<Place> places)
    : house_(std::move(house)),
      gtrid_(recovered.decision.gtrid),
      protocol_(recovered.decision.protocol),
      label_(recovered.decision.label),
      key_(recovered.decision.idempotency_key),
      fingerprint_(recovered.decision.request_fingerprint),
      isolation_(Isolation::server_default),
      arrived_(base::SteadyClock::now()),
      decided_at_ms_(recovered.decision.decided_at_ms),
      deadline_(arrived_),
      timeout_(0),
      attempt_(0),
      rules_(protocol::resume_decided(
          flags(places.size(), recovered.settled, [](std::uint16_t number) { return number; }),
          flags(places.size(), recovered.hazards, [](const auto& hazard) { return hazard.first; }))),
      driving_(false),
      queued_(false),
      deadline_told_(true),
      outcome_(Outcome::committed),
      answered_(true) {
  for (const auto& place : places) {
    runs_.push_back({.place = place, .statements = {}, .detail = "decided before this start", .voted = true});
  }
  for (const auto& [number_in_log, hazard] : recovered.hazards) {
    runs_[static_cast<std::size_t>(number_in_log - 1)].detail = hazard.reason;
  }
  for (std::size_t i = 0; i < runs_.size(); ++i) runs_[i].retry_armed = !is_settled(rules_.branches[i].state);
  set_wake_at_locked();
}

void LiveTransaction::submit() {
  std::vector<Admission::ParticipantIndex> indices;
  for (const auto& run : runs_) indices.push_back(run.place.index);
  const auto ticket = Admission::ticket(std::move(indices), [self = shared_from_this()] { self->start(); });
  {
    const std::lock_guard lock(mutex_);
    ticket_ = ticket;
  }
  house_->admission.admit(ticket);
}

void LiveTransaction::start() {
  std::vector<ports::BranchWork> work;
  bool one_phase = false;
  {
    const std::lock_guard lock(mutex_);
    queued_ = false;
    ticket_.reset();
    one_phase = rules_.phase == protocol::Phase::one_phase;
    std::vector<Place> places;
    for (auto& run : runs_) {
      run.holds_slot = true;
      places.push_back(run.place);
    }
    const auto names = joined_names(places);
    for (std::size_t i = 0; i < requested_->size(); ++i) {
      work.push_back({xid(static_cast<protocol::BranchIndex>(i)),
                      std::shared_ptr<const Branch>(requested_, &(*requested_)[i]), isolation_, deadline_, names,
                      protocol_});
    }
  }
  for (std::size_t i = 0; i < work.size(); ++i) {
    auto done = [self = shared_from_this(), branch = static_cast<protocol::BranchIndex>(i)](ports::Vote vote) {
      self->on_vote(branch, std::move(vote));
    };
    auto& participant = *runs_[i].place.participant;
    if (one_phase) {
      participant.commit_one_phase(std::move(work[i]), std::move(done));
    } else {
      participant.prepare(std::move(work[i]), std::move(done));
    }
  }
  drive();
}

void LiveTransaction::tick(base::SteadyTime now) {
  if (now.time_since_epoch().count() < wake_at_.load(std::memory_order_relaxed)) return;
  std::vector<protocol::Event> due;
  std::shared_ptr<Admission::Ticket> expired;
  {
    const std::lock_guard lock(mutex_);
    if (!deadline_told_ && now >= deadline_ && (!queued_ || ticket_)) {
      deadline_told_ = true;
      if (queued_) {
        expired = ticket_;
      } else {
        due.emplace_back(protocol::DeadlinePassed{});
      }
    }
    for (std::size_t i = 0; i < runs_.size(); ++i) {
      if (!runs_[i].retry_armed || now < runs_[i].retry_at) continue;
      runs_[i].retry_armed = false;
      due.emplace_back(protocol::RetryDue{static_cast<protocol::BranchIndex>(i)});
    }
    set_wake_at_locked();
  }
  if (expired) {
    if (house_->admission.cancel(expired)) {
      return fail_unrun({Errc::overloaded,
                         "no session of its participants became free within " + std::to_string(timeout_.count()) +
                             " ms; nothing was run. Retry later, or raise sessions_max",
                         true});
    }
    due.emplace_back(protocol::DeadlinePassed{});
  }
  for (const auto& event : due) post(event);
}

void LiveTransaction::participant_is_up(const ports::Participant* participant) {
  const std::lock_guard lock(mutex_);
  for (auto& run : runs_) {
    if (run.place.participant != participant) continue;
    run.attempts = 0;
    run.retry_at = {};
  }
  set_wake_at_locked();
}

void LiveTransaction::cancel() {
  std::shared_ptr<Admission::Ticket> ticket;
  {
    const std::lock_guard lock(mutex_);
    ticket = ticket_;
    if (!queued_) note_cause_locked("the coordinator is shutting down; submit it again later", true);
  }
  if (ticket && house_->admission.cancel(ticket)) {
    return fail_unrun({Errc::shutting_down, "the coordinator is shutting down; nothing was run", true});
  }
  post(protocol::Cancelled{});
}

void LiveTransaction::fail_unrun(Error error) {
  SubmitDone done;
  TransactionStatus last;
  {
    const std::lock_guard lock(mutex_);
    done = std::move(done_);
    outcome_ = Outcome::rolled_back;
    rules_.phase = protocol::Phase::ended;
    for (auto& branch : rules_.branches) branch.state = protocol::BranchRules::State::rolled_back;
    ticket_.reset();
    wake_at_ = base::SteadyTime::max().time_since_epoch().count();
    last = status_locked();
  }
  house_->registry.ended(gtrid_, std::move(last));
  house_->registry.remove(gtrid_);
  if (!key_.empty()) house_->keys.abandon(key_, error);
  if (done) done(std::move(error));
  tell_answered();
}

void LiveTransaction::post(protocol::Event event) {
  {
    const std::lock_guard lock(mutex_);
    events_.push_back(event);
    if (driving_) return;
    driving_ = true;
  }
  drive();
}

void LiveTransaction::drive() {
  std::unique_lock lock(mutex_);
  while (!events_.empty()) {
    const auto next = events_.front();
    events_.pop_front();
    auto step = protocol::step(std::move(rules_), next);
    rules_ = std::move(step.next);
    lock.unlock();
    for (const auto& command : step.commands) run(command);
    lock.lock();
  }
  driving_ = false;
}

void LiveTransaction::on_vote(protocol::BranchIndex branch, ports::Vote vote) {
  bool release = false;
  {
    const std::lock_guard lock(mutex_);
    auto& run = runs_[branch];
    ASSENT_CHECK(!run.voted);
    run.voted = true;
    run.statements = std::move(vote.statements);
    // A prepared branch keeps its session until it is settled.
    if (vote.kind != ports::Vote::Kind::prepared) release = std::exchange(run.holds_slot, false);
    if (vote.cause && vote.kind == ports::Vote::Kind::lost) run.detail = vote.cause->message;
    if (vote.duplicate_xid) duplicate_xid_ = true;
  }
  if (vote.cause) note_cause(std::move(*vote.cause));
  if (release) house_->admission.release(runs_[branch].place.index);
  post(protocol::Voted{branch, to_event(vote.kind)});
}

void LiveTransaction::on_settle_report(protocol::BranchIndex branch, ports::SettleReport report) {
  ASSENT_FAILPOINT(branch_settled);
  bool release = false;
  {
    const std::lock_guard lock(mutex_);
    auto& run = runs_[branch];
    if (run.voted && report.session_free) release = std::exchange(run.holds_slot, false);
    run.detail = std::move(report.detail);
  }
  if (release) house_->admission.release(runs_[branch].place.index);
  post(protocol::Settled{branch, report.finding});
}

void LiveTransaction::on_logged(const Status& status) {
  if (status.ok()) {
    ASSENT_FAILPOINT(decision_durable);
    return post(protocol::DecisionDurable{});
  }
  {
    const std::lock_guard lock(mutex_);
    note_cause_locked(status.error().what, status.error().retryable);
  }
  if (status.error().code == Errc::log_indeterminate) return post(protocol::DecisionIndeterminate{});
  post(protocol::DecisionNotWritten{});
}

void LiveTransaction::tell_answered() {
  const std::lock_guard lock(house_->answered_mutex);
  answered_.store(true, std::memory_order_release);
  house_->answered_wake.notify_all();
}

void LiveTransaction::note_cause(Cause cause) {
  const std::lock_guard lock(mutex_);
  // The first reason is the reason: what follows are its consequences.
  if (!cause_) cause_ = std::move(cause);
}

void LiveTransaction::note_cause_locked(std::string message, bool retryable) {
  if (cause_) return;
  cause_.emplace();
  cause_->message = std::move(message);
  cause_->retryable = retryable;
}

std::string LiveTransaction::unvoted_locked() const {
  std::string names;
  for (const auto& run : runs_) {
    if (run.voted) continue;
    names += (names.empty() ? "'" : ", '") + run.place.participant->name() + "'";
  }
  return names.empty() ? "a participant" : names;
}

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
  for (const auto& run : runs_) decision.participants.push_back(run.place.participant->name());
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
  runs_[0].place.participant->settle(xid(0), protocol::Decided::commit, true,
                                     [self = shared_from_this(), decision = std::move(decision)](
                                         const ports::SettleReport&) mutable { self->force(std::move(decision)); });
}
#endif

void LiveTransaction::run(const protocol::Settle& command) {
  runs_[command.branch].place.participant->settle(
      xid(command.branch), command.decided, command.known_prepared,
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
    if (!duplicate_xid_ || deadline_told_ || attempt_ + 1 >= kRunsMax) return false;
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
  {
    const std::lock_guard lock(mutex_);
    outcome_ = command.outcome;
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
  switch (command.outcome) {
    case Outcome::committed: ++house_->committed; break;
    case Outcome::rolled_back: ++house_->rolled_back; break;
    case Outcome::unknown: ++house_->unknown; break;
  }
  if (!key_.empty()) house_->keys.finish(key_, result);
  if (done) done(std::move(result));
  tell_answered();
}

void LiveTransaction::run(const protocol::LogSettled& command) {
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
    contradicted_ = true;
    // There is no decision that the log could hold it with: it is shown until the next start.
    return spdlog::critical(
        "HAZARD {}: branch {} at '{}' was to be rolled back and was committed by somebody else: {}. "
        "Compare the databases before repairing them",
        gtrid_, number(command.branch), name, reason);
  }
  spdlog::critical(
      "HAZARD {}: branch {} at '{}' was decided for commit and is gone without its proof row: {}. It may have "
      "been rolled back by hand; compare the databases before repairing them",
      gtrid_, number(command.branch), name, reason);
  ASSENT_FAILPOINT(hazard_unlogged);
  house_->log.append(ports::HazardFound{gtrid_, number(command.branch), reason, base::wall_clock_ms()},
                     [] { ASSENT_FAILPOINT(hazard_logged); });
}

void LiveTransaction::run(const protocol::LogEnd&) {
  ASSENT_FAILPOINT(end_unlogged);
  tell_ended();
  // Until its end is durable it stays findable: its proof rows must not be purged before.
  house_->log.append(ports::TransactionEnded{gtrid_}, [house = house_, gtrid = gtrid_] {
    ASSENT_FAILPOINT(end_durable);
    house->registry.remove(gtrid);
  });
}

void LiveTransaction::run(const protocol::Forget&) {
  tell_ended();
  house_->registry.remove(gtrid_);
}

void LiveTransaction::tell_ended() {
  TransactionStatus last;
  {
    const std::lock_guard lock(mutex_);
    wake_at_ = base::SteadyTime::max().time_since_epoch().count();
    last = status_locked();
  }
  house_->registry.ended(gtrid_, std::move(last));
}

protocol::Xid LiveTransaction::xid(protocol::BranchIndex branch) const {
  return {gtrid_, protocol::format_bqual({number(branch), static_cast<std::uint16_t>(runs_.size()),
                                          runs_[branch].place.participant->name()})};
}

BranchState LiveTransaction::state_of(protocol::BranchIndex branch) const {
  using State = protocol::BranchRules::State;
  switch (rules_.branches[branch].state) {
    case State::running: return BranchState::active;
    case State::prepared: return BranchState::prepared;
    case State::in_doubt: return BranchState::in_doubt;
    case State::committed: return BranchState::committed;
    case State::unproven: return BranchState::unproven;
    case State::rolled_back: return BranchState::rolled_back;
    case State::hazard: return BranchState::hazard;
  }
  return BranchState::in_doubt;
}

TransactionResult LiveTransaction::result() const {
  const std::lock_guard lock(mutex_);
  return result_locked();
}

TransactionResult LiveTransaction::result_locked() const {
  TransactionResult result;
  result.gtrid = gtrid_;
  const auto status = status_locked();
  result.outcome = status.outcome.value_or(Outcome::unknown);
  result.settled = status.settled;
  for (std::size_t i = 0; i < runs_.size(); ++i) {
    result.branches.push_back({runs_[i].place.participant->name(), status.branches[i].state, {}});
    if (result.outcome == Outcome::committed) result.branches.back().statements = runs_[i].statements;
  }
  if (result.outcome == Outcome::rolled_back) result.cause = cause_;
  return result;
}

TransactionStatus LiveTransaction::status() const {
  const std::lock_guard lock(mutex_);
  return status_locked();
}

TransactionStatus LiveTransaction::status_locked() const {
  TransactionStatus status;
  status.gtrid = gtrid_;
  switch (rules_.phase) {
    case protocol::Phase::committing: status.outcome = Outcome::committed; break;
    case protocol::Phase::rolling_back: status.outcome = Outcome::rolled_back; break;
    default: status.outcome = outcome_; break;
  }
  status.settled = rules_.phase == protocol::Phase::ended;
  status.protocol = protocol_;
  status.label = label_;
  status.idempotency_key = key_;
  status.age_ms =
      decided_at_ms_ != 0
          ? std::max<std::int64_t>(0, base::wall_clock_ms() - decided_at_ms_)
          : std::chrono::duration_cast<std::chrono::milliseconds>(base::SteadyClock::now() - arrived_).count();
  for (std::size_t i = 0; i < runs_.size(); ++i) {
    const auto state = state_of(static_cast<protocol::BranchIndex>(i));
    const bool troubled = state == BranchState::in_doubt || state == BranchState::hazard;
    // What was told to the client as committed is not so any more once a branch of it is found to be lost.
    if (state == BranchState::hazard) status.outcome = Outcome::unknown;
    status.branches.push_back({runs_[i].place.participant->name(), state, troubled ? runs_[i].detail : ""});
  }
  if (status.outcome == Outcome::rolled_back) status.cause = cause_;
  return status;
}

void LiveTransaction::set_wake_at_locked() {
  auto wake_at = base::SteadyTime::max();
  if (!deadline_told_) wake_at = deadline_;
  for (const auto& run : runs_) {
    if (run.retry_armed) wake_at = std::min(wake_at, run.retry_at);
  }
  wake_at_.store(wake_at.time_since_epoch().count(), std::memory_order_relaxed);
}

}  // namespace assent::coordinator
