#include "participant/pool.hpp"

#include <algorithm>
#include <utility>

#include "base/check.hpp"
#include "base/log.hpp"
#include "participant/schema.hpp"

namespace assent::participant {
namespace {

using ports::SettleReport;
using ports::Vote;
using protocol::Finding;

/// Lock waits end by the deadline themselves; a statement that runs on after this much more is killed.
constexpr std::chrono::milliseconds kDeadlineGrace{1'500};
/// A killed session that is still silent after this has its connection cut.
constexpr std::chrono::milliseconds kKillPatience{5'000};

}  // namespace

Pool::Pool(const Config& config, Health& health, const SqlCache& cache, Control& control)
    : config_(config), health_(health), cache_(cache), control_(control), guard_(config), killer_(config, [this] {
        return overdue();
      }) {}

void Pool::start() {
  killer_.start();
}

void Pool::run(ports::BranchWork work, Ending ending, ports::Done<Vote> done) {
  Worker* worker = nullptr;
  {
    const std::lock_guard lock(mutex_);
    ASSENT_CHECK(!by_xid_.contains(work.xid));
    if (!stopping_) {
      if (idle_.empty()) {
        // The caller's promise; a worker that reports the end of its branch is idle already.
        ASSENT_CHECK(workers_.size() < config_.sessions_max);
        workers_.push_back(std::make_unique<Worker>());
        worker = workers_.back().get();
        worker->thread = std::thread([this, worker] { loop(*worker); });
      } else {
        worker = idle_.back();
        idle_.pop_back();
      }
      worker->xid = work.xid;
      by_xid_.emplace(work.xid, worker);
      worker->mailbox.emplace_back(BranchTask{std::move(work), ending, std::move(done)});
    }
  }
  if (worker) {
    worker->wake.notify_one();
  } else {
    // NOLINTNEXTLINE(bugprone-use-after-move): moved only together with a worker.
    done(refuse(config_.name, "the coordinator is stopping", true));
  }
}

void Pool::settle(SettleWork work, ports::Done<SettleReport> done) {
  Worker* worker = nullptr;
  std::optional<ConnectionIdentity> cancelled;
  bool held_by_stopped = false;
  {
    const std::lock_guard lock(mutex_);
    const auto found = by_xid_.find(work.xid);
    held_by_stopped = found != by_xid_.end() && stopping_;
    if (found != by_xid_.end() && !stopping_) {
      worker = found->second;
      if (!worker->holds && work.decided != protocol::Decided::commit && !worker->doomed) {
        worker->doomed = true;
        if (worker->executing && worker->live) cancelled = worker->live->identity();
      }
      worker->mailbox.emplace_back(SettleTask{std::move(work), std::move(done)});
    }
  }
  if (cancelled) killer_.kill(std::move(*cancelled));
  if (worker) {
    worker->wake.notify_one();
  } else if (held_by_stopped) {
    // Its owner is just leaving: nobody else may touch it before it has left.
    // NOLINTNEXTLINE(bugprone-use-after-move): moved only together with a worker.
    done({Finding::ambiguous, "the participant is stopping", false});
  } else {
    // NOLINTNEXTLINE(bugprone-use-after-move)
    settle_elsewhere(std::move(work), protocol::Reply::none, std::move(done));
  }
}

void Pool::loop(Worker& worker) {
  const ConnectorThread connector;
  std::unique_lock lock(mutex_);
  for (;;) {
    worker.wake.wait(lock, [&] { return stopping_ || !worker.mailbox.empty(); });
    if (worker.mailbox.empty()) break;
    auto task = std::move(worker.mailbox.front());
    worker.mailbox.pop_front();
    lock.unlock();
    std::visit([&](auto& one) { do_task(worker, std::move(one)); }, task);
    lock.lock();
  }
  lock.unlock();
  drop_session(worker);
}

void Pool::do_task(Worker& worker, BranchTask task) {
  bool holds = false;
  auto vote = vote_on(worker, task, holds);
  const bool doomed = [&] {
    const std::lock_guard lock(mutex_);
    worker.executing = false;
    worker.holds = holds;
    return worker.doomed;
  }();
  quiet_.notify_all();
  if (!holds) {
    if (vote.kind == Vote::Kind::lost && worker.session) lose(task.work.xid, worker.session->identity());
    if (!worker.reusable || doomed) drop_session(worker);
    release(worker);
  } else if (doomed) {
    worker.reusable = false;
  }
  task.done(std::move(vote));
}

Vote Pool::vote_on(Worker& worker, const BranchTask& task, bool& holds) {
  auto scanned = cache_.scan(*task.work.branch);
  worker.reusable = worker.session != nullptr;
  if (!scanned) return refuse(config_.name, scanned.error().what, false);
  if (!health_.serving()) return refuse(config_.name, why_not(config_, health_), true);
  {
    // From here on a cancel, the deadline or a stop ends whatever it waits for at the server.
    const std::lock_guard lock(mutex_);
    worker.executing = true;
    worker.kill_asked = false;
    worker.kill_at = task.work.deadline + kDeadlineGrace;
  }
  for (int attempt = 0;; ++attempt) {
    if (auto refusal = make_ready(worker, *scanned)) return std::move(*refusal);
    auto run = execute(worker, task, *scanned);
    if (!run) return refuse(config_.name, "the transaction was rolled back before this branch ran", true);
    if (run->never_ran && attempt == 0) {
      drop_session(worker);
      continue;
    }
    worker.reusable = run->reusable;
    holds = run->holds_branch;
    return std::move(run->vote);
  }
}

// A session that lives, for statements whose tables can take part.
std::optional<Vote> Pool::make_ready(Worker& worker, const ScannedBranch& scanned) {
  // Twice: the session may turn out dead only when it is asked something.
  for (int attempt = 0;; ++attempt) {
    if (worker.session && worker.session->is_dead_when_idle()) drop_session(worker);
    if (!worker.session) {
      if (auto refusal = connect(worker)) return refusal;
    }
    worker.reusable = true;
    auto checked = guard_.check(*worker.session, scanned);
    if (auto* error = std::get_if<SqlError>(&checked)) {
      if (error->lost && attempt == 0) continue;
      worker.reusable = !error->lost;
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

std::optional<Vote> Pool::connect(Worker& worker) {
  auto opened = Session::open(config_, Session::Purpose::branches);
  const auto* error = std::get_if<SqlError>(&opened);
  Failure failure = error ? Failure(*error) : std::nullopt;
  if (!failure) {
    std::optional<ConnectionIdentity> before = worker.registered;
    {
      const std::lock_guard lock(mutex_);
      if (stopping_ || worker.doomed) {
        worker.reusable = false;
        return refuse(config_.name, "the transaction was rolled back before this branch ran", true);
      }
      worker.session = std::move(std::get<0>(opened));
      worker.live = worker.session.get();
      // One that was lost with a branch stays on record: a successor may have to wait for it.
      for (const auto& [xid, owner] : lost_) {
        if (before && owner.id == before->id && owner.server_start_s == before->server_start_s) before.reset();
      }
    }
    // A successor must be able to wait for this connection to leave.
    failure = register_session(*worker.session, config_, before);
    if (!failure) {
      worker.registered = worker.session->identity();
      return std::nullopt;
    }
    drop_session(worker);
  }
  control_.look_again();
  worker.reusable = false;
  auto vote = refuse(config_.name, "participant \"" + config_.name + "\" cannot be reached: " + failure->message, true);
  vote.cause->server_errno = failure->number;
  vote.cause->sqlstate = failure->sqlstate;
  return vote;
}

// Nothing when the branch was cancelled before it began.
std::optional<BranchRun> Pool::execute(Worker& worker, const BranchTask& task, const ScannedBranch& scanned) {
  {
    const std::lock_guard lock(mutex_);
    if (worker.doomed || stopping_) return std::nullopt;
  }
  auto run = run_branch(*worker.session, config_, task.work, scanned,
                        {.ending = task.ending, .update_remarks = health_.update_remarks()});
  if (worker.session->lost()) control_.look_again();
  return run;
}

void Pool::do_task(Worker& worker, SettleTask task) {
  bool here = false;
  bool stopping = false;
  {
    const std::lock_guard lock(mutex_);
    here = worker.holds && worker.xid == task.work.xid;
    stopping = stopping_;
    if (here) worker.settle_until = base::SteadyClock::now() + config_.control_answer_timeout;
  }
  if (!here) return settle_elsewhere(std::move(task.work), protocol::Reply::none, std::move(task.done));
  if (stopping) return task.done({Finding::ambiguous, "the participant is stopping", false});
  auto settled = settle_on_owner(*worker.session, task.work);
  {
    const std::lock_guard lock(mutex_);
    worker.settle_until.reset();
  }
  if (settled.still_held) {
    // The next attempt comes to this session again: it is not free for another branch.
    settled.report.session_free = false;
    return task.done(std::move(settled.report));
  }
  const bool over = settled.report.finding != Finding::ambiguous;
  if (!over) lose(task.work.xid, worker.session->identity());
  if (!over || !worker.reusable || worker.session->lost()) drop_session(worker);
  release(worker);
  if (over) return task.done(std::move(settled.report));
  control_.look_again();
  settle_elsewhere(std::move(task.work), settled.reply, std::move(task.done));
}

// Nobody else may settle the branch before this connection has left: ended now, it is gone when somebody tries.
void Pool::lose(const protocol::Xid& xid, const ConnectionIdentity& owner) {
  {
    const std::lock_guard lock(mutex_);
    lost_[xid] = owner;
  }
  killer_.kill(owner);
}

void Pool::drop_session(Worker& worker) {
  {
    const std::lock_guard lock(mutex_);
    worker.live = nullptr;
  }
  worker.session.reset();
}

void Pool::release(Worker& worker) {
  const std::lock_guard lock(mutex_);
  ASSENT_CHECK(worker.xid);
  by_xid_.erase(*worker.xid);
  worker.xid.reset();
  worker.holds = false;
  worker.doomed = false;
  idle_.push_back(&worker);
}

void Pool::settle_elsewhere(SettleWork work, protocol::Reply first_reply, ports::Done<SettleReport> done) {
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

void Pool::settle_batch(Session* session, const std::string& why) {
  std::vector<SettleElsewhere> batch;
  std::vector<ports::Done<SettleReport>> dones;
  bool more = false;
  {
    const std::lock_guard lock(mutex_);
    // Without a session nothing is asked of the server: then all are answered.
    const auto count = session ? std::min(elsewhere_.size(), kSettleBatchMax) : elsewhere_.size();
    batch.reserve(count);
    dones.reserve(count);
    while (batch.size() < count) {
      auto& [work, first_reply, done] = elsewhere_.front();
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
  for (const auto& worker : workers_) {
    if (worker->live && worker->settle_until && now >= *worker->settle_until) worker->live->shut_down();
    if (!worker->executing || !worker->live || now < worker->kill_at) continue;
    if (now >= worker->kill_at + kKillPatience) {
      worker->live->shut_down();
    } else if (!worker->kill_asked) {
      worker->kill_asked = true;
      // The kill may come late: this session must not serve another branch by then.
      worker->doomed = true;
      late.push_back(worker->live->identity());
    }
  }
  return late;
}

void Pool::stop() {
  {
    std::unique_lock lock(mutex_);
    if (std::exchange(stopping_, true)) return;
    const auto executes = [](const auto& worker) { return worker->executing; };
    for (const auto& worker : workers_) {
      if (worker->executing && worker->live) killer_.kill(worker->live->identity());
      worker->wake.notify_one();
    }
    quiet_.wait_for(lock, kStopPatience, [&] { return std::none_of(workers_.begin(), workers_.end(), executes); });
    // Whatever still waits for a server waits no longer.
    for (const auto& worker : workers_) {
      if (worker->live) worker->live->shut_down();
    }
  }
  for (const auto& worker : workers_) worker->thread.join();
  killer_.stop();
}

std::uint32_t Pool::connected() const {
  const std::lock_guard lock(mutex_);
  return static_cast<std::uint32_t>(
      std::count_if(workers_.begin(), workers_.end(), [](const auto& worker) { return worker->live != nullptr; }));
}

std::uint32_t Pool::in_flight() const {
  const std::lock_guard lock(mutex_);
  return static_cast<std::uint32_t>(by_xid_.size());
}

}  // namespace assent::participant
