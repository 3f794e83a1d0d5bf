#include "participant/pool.hpp"

#include <algorithm>
#include <thread>
#include <utility>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

#include "base/check.hpp"
#include "base/failpoints.hpp"
#include "base/log.hpp"
#include "participant/schema.hpp"

namespace assent::participant {

namespace asio = boost::asio;

namespace {

using ports::SettleReport;
using ports::Vote;
using protocol::Finding;

/// Lock waits end by the deadline themselves; a statement that runs on after this much more is killed.
constexpr std::chrono::milliseconds kDeadlineGrace{1'500};
/// A killed session that is still silent after this has its connection cut.
constexpr std::chrono::milliseconds kKillPatience{5'000};

}  // namespace

// What the report sets in motion may come by a failpoint that holds: that must not hold the loop.
template <typename Report>
void Pool::tell(Report report) {
#ifdef ASSENT_FAILPOINTS
  if (base::any_failpoint_armed()) {
    {
      const std::lock_guard lock(mutex_);
      ++telling_;
    }
    std::thread([this, report = std::move(report)]() mutable {
      report();
      const std::lock_guard lock(mutex_);
      --telling_;
      quiet_.notify_all();
    }).detach();
    return;
  }
#endif
  report();
}

Pool::Pool(const Config& config, Health& health, const SqlCache& cache, Control& control, base::EventLoop& loop)
    : config_(config),
      health_(health),
      cache_(cache),
      control_(control),
      loop_(loop),
      guard_(config),
      killer_(config, [this] { return overdue(); }) {}

void Pool::start() {
  killer_.start();
}

void Pool::run(ports::BranchWork work, Ending ending, ports::Done<Vote> done) {
  Slot* slot = nullptr;
  bool starts = false;
  {
    const std::lock_guard lock(mutex_);
    ASSENT_CHECK(slot_of(work.xid) == nullptr);
    if (!stopping_) {
      if (idle_.empty()) {
        // The caller's promise; a slot that reports the end of its branch is idle already.
        ASSENT_CHECK(slots_.size() < config_.sessions_max);
        slots_.push_back(std::make_unique<Slot>());
        slot = slots_.back().get();
      } else {
        slot = idle_.back();
        idle_.pop_back();
      }
      slot->xid = work.xid;
      taken_.insert(slot);
      slot->mailbox.emplace_back(BranchTask{std::move(work), ending, std::move(done)});
      starts = !std::exchange(slot->busy, true);
    }
  }
  // NOLINTNEXTLINE(bugprone-use-after-move): moved only together with a slot.
  if (!slot) return done(refuse(config_.name, "the coordinator is stopping", true));
  put(*slot, starts);
}

void Pool::settle(ports::SettleOrder work, ports::Done<SettleReport> done) {
  Slot* slot = nullptr;
  bool starts = false;
  std::optional<ConnectionIdentity> cancelled;
  bool held_by_stopped = false;
  {
    const std::lock_guard lock(mutex_);
    auto* const found = slot_of(work.xid);
    held_by_stopped = found && stopping_;
    if (found && !stopping_) {
      slot = found;
      if (!slot->holds && work.decided != protocol::Decided::commit && !slot->doomed) {
        slot->doomed = true;
        if (slot->executing && slot->live) cancelled = slot->live->identity();
      }
      slot->mailbox.emplace_back(SettleTask{std::move(work), std::move(done)});
      starts = !std::exchange(slot->busy, true);
    }
  }
  if (cancelled) killer_.kill(std::move(*cancelled));
  if (slot) {
    put(*slot, starts);
  } else if (held_by_stopped) {
    // Its owner is just leaving: nobody else may touch it before it has left.
    // NOLINTNEXTLINE(bugprone-use-after-move): moved only together with a slot.
    done({Finding::ambiguous, "the participant is stopping", false});
  } else {
    // NOLINTNEXTLINE(bugprone-use-after-move)
    settle_elsewhere(std::move(work), protocol::Reply::none, std::move(done));
  }
}

Pool::Slot* Pool::slot_of(const protocol::Xid& xid) const {
  const auto found = taken_.find(xid);
  return found == taken_.end() ? nullptr : *found;
}

// The mailbox has a task; `starts`: and nobody works on them yet.
void Pool::put(Slot& slot, bool starts) {
  if (!starts) return;
  if (loop_.runs_here()) return this->work(slot);
  {
    const std::lock_guard lock(mutex_);
    waiting_.push_back(&slot);
    if (waiting_.size() > 1) return;
  }
  asio::post(loop_.context(), [this] {
    std::vector<Slot*> slots;
    {
      const std::lock_guard lock(mutex_);
      slots.swap(waiting_);
    }
    for (auto* one : slots) this->work(*one);
  });
}

// On the loop's thread. Each task that ends comes back here.
void Pool::work(Slot& slot) {
  std::unique_lock lock(mutex_);
  if (slot.mailbox.empty()) {
    slot.busy = false;
    if (stopping_) quiet_.notify_all();
    return;
  }
  auto task = std::move(slot.mailbox.front());
  slot.mailbox.pop_front();
  lock.unlock();
  std::visit([&](auto& one) { do_task(slot, std::move(one)); }, task);
}

void Pool::do_task(Slot& slot, BranchTask task) {
  auto scanned = cache_.scan(*task.work.branch);
  slot.reusable = slot.session != nullptr;
  slot.running.emplace(std::move(task));
  if (!scanned) return finish_later(slot, refuse(config_.name, scanned.error().what, false));
  if (!health_.serving()) return finish_later(slot, refuse(config_.name, why_not(config_, health_), true));
  slot.running->scanned = std::move(*scanned);
  {
    // From here on a cancel, the deadline or a stop ends whatever it waits for at the server.
    const std::lock_guard lock(mutex_);
    slot.executing = true;
    slot.kill_asked = false;
    slot.kill_at = slot.running->task.work.deadline + kDeadlineGrace;
  }
  get_ready(slot);
}

void Pool::get_ready(Slot& slot) {
  const bool stale = slot.session && slot.server != health_.identity();
  if (stale || (slot.session && slot.session->is_dead_when_idle())) drop_session(slot);
  if (slot.session && guard_.trusts(slot.running->scanned)) {
    slot.reusable = true;
    return execute(slot);
  }
  lane_.post([this, &slot] {
    auto refusal = make_ready(slot);
    asio::post(loop_.context(), [this, &slot, refusal = std::move(refusal)]() mutable {
      if (refusal) return finish(slot, std::move(*refusal), false);
      execute(slot);
    });
  });
}

// A session that lives, for statements whose tables can take part. On the lane.
std::optional<Vote> Pool::make_ready(Slot& slot) {
  // Twice: the session may turn out dead only when it is asked something.
  for (int attempt = 0;; ++attempt) {
    if (slot.session && slot.session->is_dead_when_idle()) drop_session(slot);
    if (!slot.session) {
      if (auto refusal = connect(slot)) return refusal;
    }
    slot.reusable = true;
    auto checked = guard_.check(*slot.session, slot.running->scanned);
    if (auto* error = std::get_if<SqlError>(&checked)) {
      if (error->lost && attempt == 0) continue;
      slot.reusable = !error->lost;
      auto vote = refuse(config_.name, "the tables' engines cannot be looked up: " + describe(*error), true);
      return vote;
    }
    auto& refusal = std::get<0>(checked);
    if (!refusal) return std::nullopt;
    auto vote = refuse(config_.name, std::move(refusal->message), false);
    vote.cause->statement = static_cast<std::uint32_t>(refusal->statement);
    return vote;
  }
}

std::optional<Vote> Pool::connect(Slot& slot) {
  // It may have waited for others' connecting: nobody may want it any more.
  slot.reusable = false;
  if (is_cancelled(slot) || base::SteadyClock::now() >= slot.running->task.work.deadline) return cancelled();
  if (!health_.serving()) return refuse(config_.name, why_not(config_, health_), true);
  auto opened = BranchSession::open(config_);
  const auto* error = std::get_if<SqlError>(&opened);
  Failure failure = error ? Failure(*error) : std::nullopt;
  if (!failure) {
    std::optional<ConnectionIdentity> before = slot.registered;
    {
      const std::lock_guard lock(mutex_);
      if (stopping_ || slot.doomed) return cancelled();
      slot.session = std::move(std::get<0>(opened));
      slot.live = slot.session.get();
      // One that was lost with a branch stays on record: a successor may have to wait for it.
      for (const auto& [xid, owner] : lost_) {
        if (before && owner.id == before->id && owner.server_start_s == before->server_start_s) before.reset();
      }
    }
    // A successor must be able to wait for this connection to leave.
    failure = register_session(*slot.session, config_, before);
    if (!failure) {
      slot.registered = slot.session->identity();
      auto server = find_identity(*slot.session, config_);
      if (auto* unread = std::get_if<SqlError>(&server)) {
        failure = std::move(*unread);
      } else if (slot.server = std::get<0>(server); slot.server == health_.identity()) {
        return std::nullopt;
      } else {
        failure = SqlError{0, "HY000", protocol::another_server(config_.name, health_.identity(), slot.server), true};
      }
    }
    drop_session(slot);
  }
  control_.look_again();
  slot.reusable = false;
  auto vote = refuse(config_.name, "participant \"" + config_.name + "\" cannot be reached: " + failure->message, true);
  vote.cause->server_errno = failure->number;
  vote.cause->sqlstate = failure->sqlstate;
  return vote;
}

bool Pool::is_cancelled(const Slot& slot) const {
  const std::lock_guard lock(mutex_);
  return stopping_ || slot.doomed;
}

Vote Pool::cancelled() const {
  return refuse(config_.name, "the transaction was rolled back before this branch ran", true);
}

void Pool::execute(Slot& slot) {
  if (is_cancelled(slot)) return finish_later(slot, cancelled());
  auto& running = *slot.running;
  if (const auto& then = running.task.work.server; !protocol::is_same_server(then, slot.server)) {
    return finish_later(slot, refuse(config_.name, protocol::another_server(config_.name, then, slot.server), true));
  }
  running.runner.emplace(*slot.session, config_, running.task.work, running.scanned, running.task.ending);
  auto next = running.runner->begin();
  auto* const unsent = std::get_if<BranchRun>(&next);
  if (!unsent) return go_on(slot, std::move(next));
  slot.reusable = unsent->reusable;
  finish_later(slot, std::move(unsent->vote));
}

void Pool::go_on(Slot& slot, BranchRunner::Next next) {
  if (auto* run = std::get_if<BranchRun>(&next)) return ran(slot, std::move(*run));
  auto& send = std::get<BranchRunner::Send>(next);
  slot.session->start(
      loop_.context(), std::move(send.packet), send.statements, send.budget,
      [this, &slot](PacketResult result) { go_on(slot, slot.running->runner->go_on(std::move(result))); });
}

void Pool::ran(Slot& slot, BranchRun run) {
  if (slot.session->lost()) control_.look_again();
  if (run.never_ran && !std::exchange(slot.running->again, true)) {
    drop_session(slot);
    return get_ready(slot);
  }
  slot.reusable = run.reusable;
  finish(slot, std::move(run.vote), run.holds_branch);
}

// Not now, since the caller of run() may be in the middle of starting many that are refused for the same reason.
void Pool::finish_later(Slot& slot, Vote vote) {
  asio::post(loop_.context(),
             [this, &slot, vote = std::move(vote)]() mutable { finish(slot, std::move(vote), false); });
}

void Pool::finish(Slot& slot, Vote vote, bool holds) {
  auto running = std::exchange(slot.running, std::nullopt);
  const bool doomed = [&] {
    const std::lock_guard lock(mutex_);
    slot.executing = false;
    slot.holds = holds;
    if (stopping_) quiet_.notify_all();
    return slot.doomed;
  }();
  if (!holds) {
    if (vote.kind == Vote::Kind::lost && slot.session) lose(running->task.work.xid, slot.session->identity());
    if (!slot.reusable || doomed) drop_session(slot);
    release(slot);
  } else if (doomed) {
    slot.reusable = false;
  }
  tell([done = std::move(running->task.done), vote = std::move(vote)]() mutable { done(std::move(vote)); });
  work(slot);
}

void Pool::do_task(Slot& slot, SettleTask task) {
  bool here = false;
  bool stopping = false;
  {
    const std::lock_guard lock(mutex_);
    here = slot.holds && slot.xid == task.work.xid;
    stopping = stopping_;
    if (here) slot.settle_until = base::SteadyClock::now() + config_.control_answer_timeout;
  }
  if (here && !stopping) {
    slot.settling = std::move(task);
    return slot.session->start(loop_.context(), settling_statement(slot.settling->work), 1, {},
                               [this, &slot](const PacketResult& result) { settled(slot, result); });
  }
  if (here) {
    tell([done = std::move(task.done)] { done({Finding::ambiguous, "the participant is stopping", false}); });
  } else {
    settle_elsewhere(std::move(task.work), protocol::Reply::none, std::move(task.done));
  }
  work(slot);
}

void Pool::settled(Slot& slot, const PacketResult& result) {
  auto task = *std::exchange(slot.settling, std::nullopt);
  auto how = settled_on_owner(task.work, result);
  {
    const std::lock_guard lock(mutex_);
    slot.settle_until.reset();
  }
  const bool over = how.report.finding != Finding::ambiguous;
  if (how.still_held) {
    // The next attempt comes to this session again: it is not free for another branch.
    how.report.session_free = false;
  } else {
    if (!over) lose(task.work.xid, slot.session->identity());
    if (!over || !slot.reusable || slot.session->lost()) drop_session(slot);
    release(slot);
  }
  if (over || how.still_held) {
    tell([done = std::move(task.done), report = std::move(how.report)]() mutable { done(std::move(report)); });
  } else {
    control_.look_again();
    settle_elsewhere(std::move(task.work), how.reply, std::move(task.done));
  }
  work(slot);
}

// Nobody else may settle the branch before this connection has left: ended now, it is gone when somebody tries.
void Pool::lose(const protocol::Xid& xid, const ConnectionIdentity& owner) {
  {
    const std::lock_guard lock(mutex_);
    lost_[xid] = owner;
  }
  killer_.kill(owner);
}

void Pool::drop_session(Slot& slot) {
  {
    const std::lock_guard lock(mutex_);
    slot.live = nullptr;
  }
  slot.session.reset();
}

void Pool::release(Slot& slot) {
  const std::lock_guard lock(mutex_);
  ASSENT_CHECK(slot.xid);
  taken_.erase(&slot);
  slot.xid.reset();
  slot.holds = false;
  slot.doomed = false;
  idle_.push_back(&slot);
}

void Pool::settle_elsewhere(ports::SettleOrder work, protocol::Reply first_reply, ports::Done<SettleReport> done) {
  {
    const std::lock_guard lock(mutex_);
    elsewhere_.push_back({std::move(work), first_reply, std::move(done)});
    if (std::exchange(batch_posted_, true)) return;
  }
  post_batch();
}

void Pool::post_batch() {
  control_.post([this](Session* session, const std::string& why) { settle_batch(session, why); });
}

// On the control thread, whose session led to the server with this identity.
bool Pool::may_settle(const ports::SettleOrder& order) const {
  const bool accepted =
      std::find(config_.accept.begin(), config_.accept.end(), "server_identity") != config_.accept.end();
  return accepted || protocol::is_same_server(order.server, health_.identity());
}

void Pool::settle_batch(Session* session, const std::string& why) {
  std::vector<SettleElsewhere> batch;
  std::vector<ports::Done<SettleReport>> dones;
  std::vector<ElsewhereTask> of_another;
  bool more = false;
  {
    const std::lock_guard lock(mutex_);
    // Without a session nothing is asked of the server: then all are answered.
    const auto count = session ? std::min(elsewhere_.size(), kSettleBatchMax) : elsewhere_.size();
    batch.reserve(count);
    dones.reserve(count);
    for (std::size_t i = 0; i < count; ++i) {
      auto& [work, first_reply, done] = elsewhere_.front();
      if (session && !may_settle(work)) {
        of_another.push_back(std::move(elsewhere_.front()));
        elsewhere_.pop_front();
        continue;
      }
      OwnerTrace owner;
      if (const auto found = lost_.find(work.xid); found != lost_.end()) owner.connection = found->second;
      batch.push_back({std::move(work), std::move(owner), first_reply});
      dones.push_back(std::move(done));
      elsewhere_.pop_front();
    }
    more = batch_posted_ = !elsewhere_.empty();
  }
  if (more) post_batch();
  if (!session) {
    for (auto& done : dones) done({Finding::ambiguous, why});
    return;
  }
  // It does not know them, which says nothing of where they are.
  for (auto& [work, first_reply, done] : of_another) {
    done({Finding::ambiguous, met_another(config_, health_, work.server, health_.identity())});
  }
  const bool predecessors_left = control_.predecessors_left();
  for (auto& one : batch) {
    one.owner.predecessors_left = predecessors_left;
    one.owner.of_predecessor = control_.is_of_predecessor(one.work.xid.gtrid);
  }
  const auto stopping = [this] {
    const std::lock_guard lock(mutex_);
    return stopping_;
  };
  settle_without_owners(*session, config_, batch, stopping, [&](std::size_t place, SettleReport report) {
    if (report.finding != Finding::ambiguous && report.finding != Finding::hazard) {
      const std::lock_guard lock(mutex_);
      lost_.erase(batch[place].work.xid);
    }
    dones[place](std::move(report));
  });
}

// Called by the killer. Those that stay silent after the kill are cut off here.
std::vector<ConnectionIdentity> Pool::overdue() {
  std::vector<ConnectionIdentity> late;
  const auto now = base::SteadyClock::now();
  const std::lock_guard lock(mutex_);
  for (const auto& slot : slots_) {
    if (slot->live && slot->settle_until && now >= *slot->settle_until) slot->live->shut_down();
    if (!slot->executing || !slot->live || now < slot->kill_at) continue;
    if (now >= slot->kill_at + kKillPatience) {
      slot->live->shut_down();
    } else if (!slot->kill_asked) {
      slot->kill_asked = true;
      // The kill may come late: this session must not serve another branch by then.
      slot->doomed = true;
      late.push_back(slot->live->identity());
    }
  }
  return late;
}

void Pool::stop() {
  {
    std::unique_lock lock(mutex_);
    if (std::exchange(stopping_, true)) return;
    for (const auto& slot : slots_) {
      if (slot->executing && slot->live) killer_.kill(slot->live->identity());
    }
    quiet_.wait_for(lock, kStopPatience, [this] {
      return std::none_of(slots_.begin(), slots_.end(), [](const auto& slot) { return slot->executing; });
    });
    // Whatever still waits for a server waits no longer.
    for (const auto& slot : slots_) {
      if (slot->live) slot->live->shut_down();
    }
    quiet_.wait(lock, [this] {
      return telling_ == 0 && std::none_of(slots_.begin(), slots_.end(), [](const auto& slot) { return slot->busy; });
    });
  }
  lane_.stop();
  for (const auto& slot : slots_) drop_session(*slot);
  killer_.stop();
}

std::uint32_t Pool::connected() const {
  const std::lock_guard lock(mutex_);
  return static_cast<std::uint32_t>(
      std::count_if(slots_.begin(), slots_.end(), [](const auto& slot) { return slot->live != nullptr; }));
}

std::uint32_t Pool::in_flight() const {
  const std::lock_guard lock(mutex_);
  return static_cast<std::uint32_t>(taken_.size());
}

}  // namespace assent::participant
