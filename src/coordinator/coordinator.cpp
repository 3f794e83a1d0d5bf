#include "coordinator/coordinator.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <future>

#include "base/check.hpp"
#include "base/failpoints.hpp"
#include "base/random.hpp"
#include "coordinator/coordinator_impl.hpp"
#include "coordinator/decided_members.hpp"
#include "coordinator/fingerprint.hpp"
#include "coordinator/validate.hpp"
#include "protocol/xid.hpp"

namespace assent::coordinator {
namespace {

/// How exact deadlines and retries are.
constexpr std::chrono::milliseconds kTick{10};
constexpr std::chrono::milliseconds kPurgePeriod{1'000};
/// After the drain, for the cancelled ones to roll back.
constexpr std::chrono::milliseconds kCancelGrace{2'000};

}  // namespace

Coordinator::Impl::Impl(Settings settings, ports::LogState recovered, ports::DecisionLog& log,
                        std::vector<ports::Participant*> participants)
    : settings_(std::move(settings)),
      recovered_(std::move(recovered)),
      participants_(std::move(participants)),
      house_(make_house(log, participants_, settings_.live_transactions_max, settings_.idempotency_keys_max)) {
  ASSENT_CHECK(protocol::valid_name(settings_.coordinator_id, protocol::kCoordinatorIdBytesMax));
  for (const auto& name : settings_.acceptors) ASSENT_CHECK(house_->places.contains(name));
  // It is called only on participants' threads, and the participants are stopped before this object goes.
  house_->rerun = [this](Rerun again) { run(std::move(again)); };
  house_->log_rollbacks = settings_.log_rollbacks;
}

Coordinator::Impl::~Impl() {
  stop();
  house_->registry.clear();
}

Status Coordinator::Impl::start(const StartPlan& plan) {
  epoch_ = plan.epoch;
  ASSENT_FAILPOINT(epoch_unforced);
  if (auto forced = force_epoch(plan.log_lost); !forced.ok()) return forced;
  ASSENT_FAILPOINT(epoch_forced);
  first_epoch_ = recovered_.first_epoch == 0 || plan.log_lost ? epoch_ : recovered_.first_epoch;
  house_->registry.closed_below(plan.closed_below);
  house_->given_up_below = plan.log_lost ? epoch_ : recovered_.given_up_below;
  house_->keys.restore(recovered_, house_->given_up_below);
  for (const auto& [place, hazard] : recovered_.hazards) {
    spdlog::critical("HAZARD {}: branch {} is still open since an earlier run: {}", hazard.gtrid, hazard.branch,
                     hazard.reason);
  }
  if (auto resumed = resume_decided(); !resumed.ok()) return resumed;
  ASSENT_FAILPOINT(recovery_resumed);

  const auto beginning = protocol::gtrid_range_bound(settings_.coordinator_id, 0, 0);
  log_begins_ = protocol::gtrid_range_bound(settings_.coordinator_id, first_epoch_, 0);
  epoch_begins_ = protocol::gtrid_range_bound(settings_.coordinator_id, epoch_, 0);
  knowledge_ = std::make_shared<LiveKnowledge>(*house_, first_epoch_, epoch_);
  resolver_ = std::make_shared<Resolver>(
      Resolver::Means{.participants = participants_, .house = house_, .knowledge = knowledge_, .interrupted = [this] {
                        return resolving_->is_stopping() || house_->displaced;
                      }});
  resolving_ = std::make_unique<ResolverThread>(*resolver_, settings_.sweep_period);
  for (auto* participant : participants_) {
    const auto purge_proofs = [&](const std::string& from, std::optional<Protocol> only) {
      return std::make_shared<Purger>(
          from,
          [this, participant, only](std::string after, std::string to, ports::Done<Result<std::uint64_t>> done) {
            participant->purge_proofs({std::move(after), std::move(to), only, house_->hazards.gtrids()},
                                      std::move(done));
          },
          house_->proof_rows_purged);
    };
    // Older proofs belong to a log that is gone, and may be the only evidence of what it decided, in two phases.
    proof_purgers_.push_back(purge_proofs(epoch_begins_, std::nullopt));
    past_proof_purgers_.push_back(purge_proofs(log_begins_, std::nullopt));
    old_proof_purgers_.push_back(purge_proofs(beginning, Protocol::three_phase));
    acceptor_purgers_.push_back(std::make_shared<Purger>(
        beginning,
        [participant](std::string from, std::string to, ports::Done<Result<std::uint64_t>> done) {
          participant->close_acceptor(std::move(from), std::move(to), std::move(done));
        },
        house_->acceptor_rows_purged));
  }
  if (auto enrolled = enrol(plan); !enrolled.ok()) return enrolled;
  // Now, so that nobody settles anything before the sessions of earlier processes are ended.
  resolving_->start();
  caretaker_ = std::thread([this] { caretake(); });
  state_ = State::serving;
  spdlog::info("coordinator '{}' serves in epoch {}; transactions to finish: {}", settings_.coordinator_id, epoch_,
               recovered_.live.size());
  return Ok{};
}

// The first record of this start: from then on the log is this process's, and says so.
Status Coordinator::Impl::force_epoch(bool log_lost) {
  const auto forced = std::make_shared<std::promise<Status>>();
  auto result = forced->get_future();
  ports::EpochStarted started{settings_.coordinator_id, epoch_, base::wall_clock_ms()};
  started.instance = base::process_instance();
  started.log_lost = log_lost;
  house_->log.append_forced(std::move(started), [forced](Status status) { forced->set_value(std::move(status)); });
  return result.get();
}

// If two processes find the owner dead at the same time, one of them gets all claims: both begin at the participant
// with the lowest name, and the second one to arrive there stops.
Status Coordinator::Impl::enrol(const StartPlan& plan) {
  std::map<std::string, ports::Participant*> by_name;
  for (auto* participant : participants_) by_name[participant->name()] = participant;
  bool is_owner = false;
  for (const auto& [name, participant] : by_name) {
    const auto judged = plan.judged.find(name);
    const bool was_reached = judged != plan.judged.end();
    participant->enrol(claimant(plan, name), was_reached ? std::optional(judged->second) : std::nullopt,
                       [this, participant = participant] {
                         const std::lock_guard lock(caretaker_mutex_);
                         came_up_.push_back(participant);
                         caretaker_wake_.notify_one();
                       });
    if (!was_reached || is_owner) continue;
    const auto claimed = wait_claimed(*participant);
    if (!claimed.ok()) return claimed.error();
    is_owner = *claimed;
  }
  return Ok{};
}

// False when it went away meanwhile, or is refused for what the doctor finds there.
Result<bool> Coordinator::Impl::wait_claimed(const ports::Participant& participant) const {
  const auto& name = participant.name();
  const auto until = base::SteadyClock::now() + protocol::kOwnerSilence + protocol::kOwnerRenewal;
  std::unique_lock lock(claims_mutex_);
  while (base::SteadyClock::now() < until) {
    if (claimed_.contains(name)) return true;
    if (const auto refused = refused_.find(name); refused != refused_.end()) {
      return Error{Errc::unavailable, refused->second, false};
    }
    claims_wake_.wait_for(lock, kTick);
    lock.unlock();
    const auto state = participant.info().state;
    lock.lock();
    if (state == ParticipantInfo::State::refused && !refused_.contains(name)) return false;
  }
  return false;
}

ports::Claimant Coordinator::Impl::claimant(const StartPlan& plan, const std::string& participant) {
  ports::Claimant claimant;
  claimant.log = fence_log_of(recovered_, plan.place);
  claimant.log.epoch = epoch_;
  claimant.log.own_instance = base::process_instance();
  // Later owners than this start are not covered by the word that it was given.
  if (plan.log_lost) claimant.log.given_up_below = epoch_;
  claimant.durable_sequence = [this] { return house_->log.durable_sequence(); };
  claimant.held = [this, participant, &lease = house_->leases[participant]](std::chrono::milliseconds asked_at) {
    lease.held(asked_at);
    const std::lock_guard lock(claims_mutex_);
    refused_.erase(participant);
    if (claimed_.insert(participant).second) claims_wake_.notify_all();
  };
  claimant.refused = [this, participant](const std::string& why) {
    const std::lock_guard lock(claims_mutex_);
    refused_[participant] = why;
    claims_wake_.notify_all();
  };
  claimant.displaced = [this](const std::string& why) { be_displaced(why); };
  return claimant;
}

void Coordinator::Impl::be_displaced(const std::string& why) {
  const std::lock_guard lock(claims_mutex_);
  if (displaced_) return;
  displaced_ = why;
  house_->displaced = true;
  spdlog::critical("{}", why);
}

std::optional<std::string> Coordinator::Impl::displaced() const {
  const std::lock_guard lock(claims_mutex_);
  return displaced_;
}

Status Coordinator::Impl::resume_decided() {
  house_->hazards.restore(recovered_);
  for (const auto& [gtrid, kept] : recovered_.live) {
    // Its last hazard was acknowledged while no process was running it.
    auto over = kept.settled;
    for (const auto& [branch, kind] : kept.acknowledged) over.insert(branch);
    if (over.size() == kept.decision.participants.size()) {
      house_->keys.contradict(kept.decision.idempotency_key, gtrid);
      house_->log.append(ports::TransactionEnded{gtrid});
      continue;
    }
    auto decision = kept;
    if (!house_->keys.awaits(decision.decision.idempotency_key, gtrid)) {
      // Its outcome is known, or the key stands for a later one by now.
      if (!is_outcome(decision.decision, house_->given_up_below)) decision.decision.idempotency_key.clear();
    }
    auto places = house_->places_of({decision.decision.participants, decision.decision.acceptors});
    if (!places.ok())
      return Error{Errc::conflict, "transaction " + gtrid + " of the log: " + places.error().what, false};
    for (const auto& [branch, hazard] : decision.hazards) {
      spdlog::critical("HAZARD {}: branch {} at '{}' is still open since an earlier run: {}", gtrid, branch,
                       decision.decision.participants[branch - 1U], hazard.reason);
    }
    house_->registry.insert(
        std::make_shared<LiveTransaction>(house_, decision, std::move(*places), settings_.default_timeout), true);
  }
  return Ok{};
}

std::optional<Error> Coordinator::Impl::refusal() const {
  if (state_ != State::serving) {
    return Error{Errc::shutting_down, "the coordinator is not taking transactions now; retry later", true};
  }
  if (house_->displaced) return Error{Errc::conflict, displaced().value_or("displaced") + "; nothing was run", false};
  switch (house_->log.condition()) {
    case ports::LogCondition::accepting: return std::nullopt;
    case ports::LogCondition::reserve_only:
      return Error{Errc::log_full, "the log's disk is full; running transactions finish, new ones wait for room", true};
    case ports::LogCondition::poisoned:
      return Error{Errc::log_indeterminate,
                   "the log failed to reach its disk; the coordinator takes no more work and must be restarted", false};
  }
  return std::nullopt;
}

void Coordinator::Impl::submit(Transaction transaction, SubmitDone done) {
  ++submitted_;
  if (!transaction.protocol) transaction.protocol = settings_.default_protocol;
  if (auto refused = refusal()) return done(std::move(*refused));
  const auto key = transaction.idempotency_key;
  const auto print = key.empty() ? 0 : fingerprint(transaction);
  if (!key.empty()) {
    auto claim = house_->keys.claim(key, print, transaction.on_rolled_back, done);
    if (auto* error = std::get_if<Error>(&claim)) return done(std::move(*error));
    if (std::holds_alternative<IdempotencyIndex::Attached>(claim)) return;
    if (auto* unkept = std::get_if<IdempotencyIndex::Unkept>(&claim)) {
      return keep_rollback(key, print, std::move(unkept->result), std::move(done));
    }
    if (auto* first = std::get_if<TransactionResult>(&claim)) {
      // What is kept is as of the first answer; while it is alive, more is known.
      if (const auto live = house_->registry.find(first->gtrid)) return done(live->result());
      if (const auto recent = house_->registry.recent(first->gtrid)) {
        first->outcome = recent->outcome.value_or(first->outcome);
      }
      if (first->outcome == Outcome::committed) {
        first->settled = true;
        for (auto& branch : first->branches) {
          if (branch.state != BranchState::unproven) branch.state = BranchState::committed;
        }
      }
      return done(std::move(*first));
    }
  }
  run({.transaction = std::move(transaction), .fingerprint = print, .deadline = {}, .done = std::move(done)});
}

// So far it was reported only to clients that want the request to run again. From now on it stands.
void Coordinator::Impl::keep_rollback(const std::string& key, std::uint64_t print, TransactionResult result,
                                      SubmitDone done) {
  auto record = rolled_back_key(key, print, result);
  house_->log.append_forced(std::move(record), [house = house_, key, result = std::move(result),
                                                done = std::move(done)](const Status& status) {
    if (!status.ok()) return done(status.error());
    house->keys.note_kept(key, result.gtrid);
    done(result);
  });
}

void Coordinator::Impl::run(Rerun one) {
  const auto key = one.transaction.idempotency_key;
  const auto done = one.done;
  const bool again = one.attempt > 0;
  const auto fail = [&](Error error) {
    if (!key.empty()) house_->keys.abandon(key, error);
    done(std::move(error));
  };
  if (again) {
    if (auto refused = refusal()) return fail(std::move(*refused));
  }
  auto places = validate(one.transaction, settings_, house_->places);
  if (!places.ok()) return fail(std::move(places).error());

  std::shared_ptr<LiveTransaction> live;
  {
    const std::lock_guard lock(numbering_mutex_);
    auto gtrid = protocol::format_gtrid(
        {settings_.coordinator_id, epoch_, next_sequence_, base::random_64(), *one.transaction.protocol});
    if (!key.empty()) house_->keys.set_gtrid(key, gtrid);
    if (!again) one.deadline = base::SteadyClock::now() + one.transaction.timeout;
    live = std::make_shared<LiveTransaction>(house_, std::move(gtrid), std::move(one), std::move(places->branches),
                                             std::move(places->acceptors));
    // Asked again, since stop() may have looked into the registry in between. One that runs again has its place.
    if (state_ != State::serving || !house_->registry.insert(live, again)) {
      live.reset();
    } else {
      ++next_sequence_;
    }
  }
  if (!live) {
    if (auto refused = refusal()) return fail(std::move(*refused));
    ++overloaded_;
    return fail({Errc::overloaded,
                 std::to_string(settings_.live_transactions_max) +
                     " transactions are alive, which is the bound; nothing was run. Retry after a pause",
                 true});
  }
  live->submit();
}

void Coordinator::Impl::caretake() {
  auto next_purge = base::SteadyClock::now() + kPurgePeriod;
  std::unique_lock lock(caretaker_mutex_);
  while (!caretaker_stop_) {
    caretaker_wake_.wait_for(lock, kTick, [&] { return caretaker_stop_ || !came_up_.empty(); });
    if (caretaker_stop_) return;
    const auto came_up = std::exchange(came_up_, {});
    lock.unlock();
    const auto now = base::SteadyClock::now();
    for (const auto* participant : came_up) {
      for (const auto& live : house_->registry.all()) live->participant_is_up(participant);
    }
    if (!came_up.empty()) resolving_->wake();
    for (const auto& live : house_->registry.all()) live->tick(now);
    // Another process finishes what is open.
    if (house_->displaced) {
      lock.lock();
      continue;
    }
    if (now >= next_purge) {
      purge();
      next_purge = now + kPurgePeriod;
    }
    lock.lock();
  }
}

// Rows go when the end of their transaction is durable: in this epoch below the oldest that is alive, and of earlier
// ones below the oldest of which something is left, once all of them were looked at. Those of open hazards stay.
void Coordinator::Impl::purge() {
  std::uint64_t sequence = 0;
  {
    const std::lock_guard lock(numbering_mutex_);
    sequence = next_sequence_;
  }
  const auto next = protocol::gtrid_range_bound(settings_.coordinator_id, epoch_, sequence);
  const auto hazards = house_->hazards.gtrids();
  const auto bound = std::min(next, house_->registry.lowest_gtrid(epoch_begins_).value_or(next));
  for (const auto& purger : proof_purgers_) purger->purge_below(bound, hazards);
  const auto past = resolver_->past();
  if (!past) return;
  const auto alive = house_->registry.lowest_gtrid("").value_or(next);
  const auto left = std::min(alive, past->lowest_left.value_or(next));
  for (const auto& purger : past_proof_purgers_) purger->purge_below(std::min(left, epoch_begins_), hazards);
  auto closing = std::min({next, alive, past->lowest_left_three_phase.value_or(next)});
  // Closing says that everything below was settled: it cannot go past one that was not.
  for (const auto& gtrid : hazards) {
    if (protocol::parse_gtrid(gtrid)->protocol == Protocol::three_phase) closing = std::min(closing, gtrid);
  }
  house_->registry.closed_below(closing);
  // Of what the log before this one left in three phases, the acceptors say what has ended, and say it first.
  auto closed = log_begins_;
  for (const auto& purger : acceptor_purgers_) {
    purger->purge_below(closing, {});
    closed = std::min(closed, purger->purged_below());
  }
  for (const auto& purger : old_proof_purgers_) purger->purge_below(closed, hazards);
}

std::size_t Coordinator::Impl::unanswered() const {
  const auto all = house_->registry.all();
  return static_cast<std::size_t>(
      std::count_if(all.begin(), all.end(), [](const auto& live) { return !live->answered(); }));
}

bool Coordinator::Impl::wait_answered(std::chrono::milliseconds bound) {
  const auto until = base::SteadyClock::now() + bound;
  std::unique_lock lock(house_->answered_mutex);
  while (unanswered() > 0) {
    if (house_->answered_wake.wait_until(lock, until) == std::cv_status::timeout) return unanswered() == 0;
  }
  return true;
}

std::size_t Coordinator::Impl::stop() {
  State before;
  {
    const std::lock_guard lock(numbering_mutex_);
    before = state_.exchange(State::draining);
  }
  if (before == State::draining || before == State::stopped) {
    state_ = before;
    return 0;
  }
  if (before == State::serving && house_->displaced) {
    // The next tick answers all clients with an unknown outcome.
    wait_answered(kCancelGrace);
  } else if (before == State::serving && !wait_answered(settings_.drain_timeout)) {
    spdlog::warn("{} transactions still run after {} ms: rolling back what is undecided", unanswered(),
                 settings_.drain_timeout.count());
    for (const auto& live : house_->registry.all()) live->cancel();
    wait_answered(kCancelGrace);
  }
  {
    const std::lock_guard lock(caretaker_mutex_);
    caretaker_stop_ = true;
    caretaker_wake_.notify_one();
  }
  if (caretaker_.joinable()) caretaker_.join();
  if (resolving_) resolving_->interrupt();
  for (auto* participant : participants_) participant->stop();
  // Stopping the participants has answered all that operators' requests and the resolver wait for.
  if (resolving_) resolving_->stop();
  chores_.stop();
  const auto left = house_->registry.live();
  state_ = State::stopped;
  return left;
}

Coordinator::Coordinator(Settings settings, ports::LogState recovered, ports::DecisionLog& log,
                         std::vector<ports::Participant*> participants)
    : impl_(std::make_unique<Impl>(std::move(settings), std::move(recovered), log, std::move(participants))) {}
Coordinator::~Coordinator() = default;

Status Coordinator::start(const StartPlan& plan) {
  return impl_->start(plan);
}
std::optional<std::string> Coordinator::displaced() const {
  return impl_->displaced();
}
void Coordinator::submit(Transaction transaction, ports::Done<Result<TransactionResult>> done) {
  impl_->submit(std::move(transaction), std::move(done));
}
Result<TransactionStatus> Coordinator::status_of_gtrid(const std::string& gtrid) const {
  return impl_->status_of_gtrid(gtrid);
}
Result<TransactionStatus> Coordinator::status_of_key(const std::string& key) const {
  return impl_->status_of_key(key);
}
std::vector<TransactionStatus> Coordinator::list(std::size_t max) const {
  return impl_->list(max);
}
std::vector<TransactionStatus> Coordinator::left_behind() const {
  return impl_->left_behind();
}
std::vector<ParticipantInfo> Coordinator::participants() const {
  return impl_->participants();
}
ServerInfo Coordinator::info() const {
  return impl_->info();
}
void Coordinator::show(Others others) {
  impl_->show(std::move(others));
}
std::vector<Hazard> Coordinator::hazards() const {
  return impl_->hazards();
}
void Coordinator::acknowledge(Acknowledgement acknowledgement, ports::Done<Status> done) {
  impl_->acknowledge(std::move(acknowledgement), std::move(done));
}
void Coordinator::survey(SurveyQuery query, ports::Done<Result<Survey>> done) {
  impl_->survey(std::move(query), std::move(done));
}
void Coordinator::recover_now(std::string who, ports::Done<Result<std::uint64_t>> done) {
  impl_->recover_now(std::move(who), std::move(done));
}
std::size_t Coordinator::stop() {
  return impl_->stop();
}

}  // namespace assent::coordinator
