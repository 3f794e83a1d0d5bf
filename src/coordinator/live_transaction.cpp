#include "coordinator/live_transaction.hpp"

#include <algorithm>

#include "base/check.hpp"
#include "base/failpoints.hpp"
#include "coordinator/decided_members.hpp"
#include "protocol/xid.hpp"

namespace assent::coordinator {
namespace {

std::vector<bool> flags(std::size_t count, const auto& numbers, auto number_of) {
  std::vector<bool> out(count, false);
  for (const auto& entry : numbers) {
    const std::size_t number = number_of(entry);
    ASSENT_CHECK(number >= 1 && number <= count);
    out[number - 1] = true;
  }
  return out;
}

/// One that was brought back and is not settled after this much is said to be in doubt.
constexpr std::chrono::milliseconds kInDoubtAfter{1'000};

protocol::Members members_of(const House& house, const std::vector<Place>& places, std::vector<std::string> acceptors) {
  protocol::Members members{{}, std::move(acceptors)};
  const auto note = [&](const ports::Participant& member) {
    members.identities[member.name()] = member.identity().value_or(protocol::kNoServer);
  };
  for (const auto& place : places) {
    members.participants.push_back(place.participant->name());
    note(*place.participant);
  }
  for (const auto& name : members.acceptors) {
    if (const auto known = house.places.find(name); known != house.places.end()) note(*known->second.participant);
  }
  return members;
}

protocol::TransactionRules rules_of(const ports::LiveDecision& recovered, std::uint32_t given_up_below) {
  const auto count = recovered.decision.participants.size();
  const auto settled = flags(count, recovered.settled, [](std::uint16_t number) { return number; });
  const auto hazards = flags(count, recovered.hazards, [](const auto& hazard) { return hazard.first; });
  const auto seen_to = flags(count, recovered.acknowledged, [](const auto& hazard) { return hazard.first; });
  // What the log has of three phases is an intention, whatever else it says.
  return recovered.decision.protocol == Protocol::three_phase
             ? protocol::resume_undecided(settled, hazards, true, seen_to)
             : protocol::resume_decided(settled, hazards, seen_to, !is_outcome(recovered.decision, given_up_below));
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

}  // namespace

LiveTransaction::LiveTransaction(std::shared_ptr<House> house, std::string gtrid, Rerun run, std::vector<Place> places,
                                 std::vector<std::string> acceptors)
    : house_(std::move(house)),
      gtrid_(std::move(gtrid)),
      protocol_(*run.transaction.protocol),
      members_(members_of(*house_, places, std::move(acceptors))),
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
      rules_(protocol::begin(places.size(), places.size() == 1 && key_.empty(), protocol_)),
      requested_(std::make_shared<const std::vector<Branch>>(std::move(run.transaction.branches))),
      done_(std::move(run.done)) {
  ASSENT_CHECK(places.size() == requested_->size());
  for (const auto& place : places) runs_.push_back({.place = place, .statements = {}, .detail = {}});
  set_wake_at_locked();
}

LiveTransaction::LiveTransaction(std::shared_ptr<House> house, const ports::LiveDecision& recovered,
                                 std::vector<Place> places, std::chrono::milliseconds patience)
    : house_(std::move(house)),
      gtrid_(recovered.decision.gtrid),
      protocol_(recovered.decision.protocol),
      members_(members_of(recovered.decision)),
      label_(recovered.decision.label),
      key_(recovered.decision.idempotency_key),
      fingerprint_(recovered.decision.request_fingerprint),
      isolation_(Isolation::server_default),
      arrived_(base::SteadyClock::now()),
      decided_at_ms_(recovered.decision.decided_at_ms),
      deadline_(arrived_ + patience),
      timeout_(patience),
      attempt_(0),
      rules_(rules_of(recovered, house_->given_up_below)),
      driving_(false),
      queued_(false),
      waits_for_look_(protocol_ == Protocol::three_phase),
      // Clients may be waiting by its key.
      answered_(rules_.answered || key_.empty()) {
  const char* detail = waits_for_look_ ? "prepared before this start; its acceptors know whether it was decided"
                                       : "decided before this start";
  for (const auto& place : places) {
    runs_.push_back({.place = place, .statements = {}, .detail = detail, .voted = true});
  }
  doubt_at_ = arrived_ + kInDoubtAfter;
  for (const auto& [number_in_log, hazard] : recovered.hazards) {
    runs_[static_cast<std::size_t>(number_in_log - 1)].detail = hazard.reason;
  }
  if (!waits_for_look_) {
    if (rules_.answered) outcome_ = Outcome::committed;
    deadline_told_ = rules_.answered;
    for (std::size_t i = 0; i < runs_.size(); ++i) runs_[i].retry_armed = !is_settled(rules_.branches[i].state);
  }
  set_wake_at_locked();
}

Result<std::shared_ptr<LiveTransaction>> LiveTransaction::left_behind(std::shared_ptr<House> house, std::string gtrid,
                                                                      protocol::Members members, bool has_proof) {
  auto places = house->places_of(members);
  if (!places.ok()) return std::move(places).error();
  auto made =
      std::make_shared<LiveTransaction>(std::move(house), std::move(gtrid), std::move(members), std::move(*places));
  made->has_proof_ = has_proof;
  return made;
}

LiveTransaction::LiveTransaction(std::shared_ptr<House> house, std::string gtrid, protocol::Members members,
                                 std::vector<Place> places)
    : house_(std::move(house)),
      gtrid_(std::move(gtrid)),
      protocol_(Protocol::three_phase),
      members_(std::move(members)),
      fingerprint_(0),
      isolation_(Isolation::server_default),
      arrived_(base::SteadyClock::now()),
      decided_at_ms_(0),
      deadline_(arrived_),
      timeout_(0),
      attempt_(0),
      rules_(protocol::resume_undecided(std::vector<bool>(places.size()),
                                        house_->hazards.open_in(gtrid_, places.size()), false,
                                        house_->hazards.seen_to_in(gtrid_, places.size()))),
      driving_(false),
      queued_(false),
      deadline_told_(true),
      to_terminate_(true),
      answered_(true) {
  for (const auto& place : places) {
    runs_.push_back({.place = place, .statements = {}, .detail = "left behind by its coordinator", .voted = true});
  }
  doubt_at_ = arrived_ + kInDoubtAfter;
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
    for (auto& run : runs_) run.holds_slot = true;
    const auto members = protocol::format_members(members_);
    for (std::size_t i = 0; i < requested_->size(); ++i) {
      work.push_back({xid(static_cast<protocol::BranchIndex>(i)),
                      std::shared_ptr<const Branch>(requested_, &(*requested_)[i]), isolation_, deadline_, members,
                      protocol_, label_, server_of(i)});
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
  if (house_->displaced) return tell_unknown();
  if (now.time_since_epoch().count() < wake_at_.load(std::memory_order_relaxed)) return;
  look_whether_it_may_act(now);
  std::vector<protocol::Event> due;
  std::shared_ptr<Admission::Ticket> expired;
  std::shared_ptr<Proposer> proposer;
  bool terminates = false;
  bool in_doubt = false;
  {
    const std::lock_guard lock(mutex_);
    proposer = proposer_;
    in_doubt = doubt_at_ && now >= *doubt_at_;
    if (in_doubt) doubt_at_.reset();
    terminates = std::exchange(to_terminate_, false);
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
  if (in_doubt) say_in_doubt();
  if (terminates) run(protocol::Terminate{});
  if (proposer) proposer->tick(now);
  for (const auto& event : due) post(event);
}

void LiveTransaction::participant_is_up(const ports::Participant* participant) {
  std::shared_ptr<Proposer> proposer;
  {
    const std::lock_guard lock(mutex_);
    proposer = proposer_;
    for (auto& run : runs_) {
      if (run.place.participant != participant) continue;
      run.attempts = 0;
      run.retry_at = {};
    }
    set_wake_at_locked();
  }
  if (proposer) proposer->hurry();
}

void LiveTransaction::acknowledged(std::uint16_t number_in_log) {
  ASSENT_CHECK(number_in_log >= 1);
  if (number_in_log <= runs_.size()) {
    post(protocol::Acknowledged{static_cast<protocol::BranchIndex>(number_in_log - 1)});
  }
}

bool LiveTransaction::waits_for_look() const {
  const std::lock_guard lock(mutex_);
  return waits_for_look_;
}

void LiveTransaction::go_on(bool has_proof) {
  const std::lock_guard lock(mutex_);
  if (!std::exchange(waits_for_look_, false)) return;
  has_proof_ = has_proof;
  to_terminate_ = true;
  set_wake_at_locked();
}

void LiveTransaction::committed_everywhere() {
  {
    const std::lock_guard lock(mutex_);
    if (!std::exchange(waits_for_look_, false)) return;
    decided_ = Outcome::committed;
  }
  post(protocol::QuorumDecided{protocol::Value::commit});
}

void LiveTransaction::contradicted(std::uint16_t number_in_log, const std::string& why) {
  const std::lock_guard lock(mutex_);
  if (!waits_for_look_ || number_in_log < 1 || number_in_log > runs_.size()) return;
  auto& branch = rules_.branches[static_cast<std::size_t>(number_in_log - 1)];
  if (branch.state != protocol::BranchRules::State::in_doubt) return;
  branch.state = protocol::BranchRules::State::hazard;
  runs_[static_cast<std::size_t>(number_in_log - 1)].detail = why;
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
  house_->registry.ended(this, gtrid_, std::move(last));
  house_->registry.remove(this, gtrid_);
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
    // If this process was stopped for so long that another one may have taken its claims, it decides nothing, does
    // nothing and reports nothing until it knows.
    if (!may_act()) {
      parked_ = true;
      set_wake_at_locked();
      break;
    }
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
    // A hazard is retried, and keeps the reason that it was found with.
    const bool is_hazard = rules_.branches[branch].state == protocol::BranchRules::State::hazard;
    if (!is_hazard) run.detail = std::move(report.detail);
  }
  if (release) house_->admission.release(runs_[branch].place.index);
  post(protocol::Settled{branch, report.finding});
}

void LiveTransaction::on_logged(const Status& status) {
  if (status.ok()) {
    if (protocol_ == Protocol::two_phase) {
      const std::lock_guard lock(mutex_);
      decided_ = Outcome::committed;
    }
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
  // The first cause is the one to report: later ones follow from it.
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

void LiveTransaction::tell_ended() {
  TransactionStatus last;
  bool was_in_doubt = false;
  {
    const std::lock_guard lock(mutex_);
    wake_at_ = base::SteadyTime::max().time_since_epoch().count();
    last = status_locked();
    was_in_doubt = said_in_doubt_;
  }
  if (was_in_doubt) say_finished(last);
  // Its client may have been answered before the acceptors were heard.
  if (!key_.empty() && last.outcome) house_->keys.amend(key_, gtrid_, *last.outcome);
  const bool contradicted = std::any_of(last.branches.begin(), last.branches.end(),
                                        [](const auto& branch) { return branch.state == BranchState::acknowledged; });
  if (!key_.empty() && contradicted) house_->keys.contradict(key_, gtrid_);
  house_->registry.ended(this, gtrid_, std::move(last));
  house_->hazards.remove_all(gtrid_);
}

std::optional<protocol::ServerIdentity> LiveTransaction::server_of(std::size_t branch) const {
  return members_.identity_of(members_.participants[branch]);
}

protocol::Xid LiveTransaction::xid(protocol::BranchIndex branch) const {
  return {gtrid_, protocol::format_bqual({number(branch), static_cast<std::uint16_t>(runs_.size()),
                                          runs_[branch].place.participant->name()})};
}

void LiveTransaction::set_wake_at_locked() {
  auto wake_at = base::SteadyTime::max();
  if (!deadline_told_) wake_at = deadline_;
  if (to_terminate_ || proposer_ || parked_) wake_at = {};
  if (doubt_at_) wake_at = std::min(wake_at, *doubt_at_);
  for (const auto& run : runs_) {
    if (run.retry_armed) wake_at = std::min(wake_at, run.retry_at);
  }
  wake_at_.store(wake_at.time_since_epoch().count(), std::memory_order_relaxed);
}

}  // namespace assent::coordinator
