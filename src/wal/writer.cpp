#include "wal/writer.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/check.hpp"
#include "base/failpoints.hpp"
#include "base/log.hpp"
#include "base/worker.hpp"
#include "wal/codec.hpp"
#include "wal/format.hpp"

namespace assent::wal {
namespace {

/// So long after a slow write and sync nothing is written on the executor.
constexpr std::chrono::seconds kAvoidedFor{1};

constexpr const char* kFateUnknown = "whether the record is durable cannot be known";
constexpr const char* kFateNotWritten = "the record was not written";

/// A failpoint that holds a write must not hold those who run on the executor.
bool held_by_failpoints() {
#ifdef ASSENT_FAILPOINTS
  return base::any_failpoint_waits();
#else
  return false;
#endif
}

}  // namespace

WriterLog::WriterLog(Setup setup, StateBuilder state, Ready ready, Owned owned)
    : setup_(std::move(setup)),
      owned_(std::move(owned)),
      pending_(std::min(kBatchBytesMax, setup_.keeper.segment_bytes - kBlocksOffset - kSectorBytes)),
      end_(owned_, setup_.directory, {setup_.log_id, setup_.next_sequence, ready.offset, std::move(ready.current)}),
      durable_sequence_(setup_.next_sequence - 1),
      keeper_(
          *owned_.directory,
          [this] {
            Keeper::Setup keeper = setup_.keeper;
            keeper.check_ownership = [this] { return check_ownership(owned_, setup_.directory); };
            keeper.on_fatal = [this](const Error& error) { poison(error.what); };
            return keeper;
          }(),
          std::move(state), std::move(ready.reserve)) {
  thread_ = std::thread([this] {
    base::name_worker("wal-writer");
    run();
  });
}

WriterLog::~WriterLog() {
  {
    const Lock lock(mutex_);
    stop_ = true;
  }
  to_writer_.notify_one();
  thread_.join();
  Lock lock(mutex_);
  for (;;) {
    drained_.wait(lock, [this] { return outstanding_ == 0; });
    if (rejected_.empty()) return;
    deliver_rejected(lock);
  }
}

void WriterLog::append_forced(ports::LogRecord record, ports::Done<Status> done) {
  ASSENT_CHECK(done != nullptr);
  take_in(std::move(record), {std::move(done), nullptr});
}

void WriterLog::append(ports::LogRecord record, std::function<void()> on_durable) {
  take_in(std::move(record), {nullptr, std::move(on_durable)});
}

/// Never calls back itself: the caller may hold a lock that its callback takes.
void WriterLog::take_in(ports::LogRecord record, Waiter waiter) {
  thread_local std::string encoded;
  encoded.clear();
  const Status encoding = encode_record(record, encoded);
  const bool forced = waiter.forced != nullptr;
  Next next = Next::nothing;
  {
    const Lock lock(mutex_);
    std::optional<Error> refused = encoding ? refusal(encoded.size()) : encoding.error();
    if (!refused) {
      pending_.add(encoded, std::move(record), std::move(waiter));
    } else if (forced) {
      rejected_.push_back({std::move(waiter.forced), *std::move(refused)});
    }
    if (forced) next = find_next();
  }
  wake(next);
}

std::optional<Error> WriterLog::refusal(std::size_t record_bytes) const {
  if (poisoned_) return poison_error(kFateNotWritten);
  if (closing_ || stop_) return Error{Errc::shutting_down, "the decision log is closed; the record was not written"};
  if (pending_.bytes() + record_bytes > kPendingBytesMax) {
    return Error{Errc::overloaded,
                 "the decision log has " + std::to_string(pending_.bytes()) +
                     " bytes waiting to be written, which is its bound; the record was not written, try again later",
                 true};
  }
  return std::nullopt;
}

ports::LogCondition WriterLog::condition() const {
  const bool has_room = keeper_.has_room();
  const Lock lock(mutex_);
  if (poisoned_) return ports::LogCondition::poisoned;
  return has_room ? ports::LogCondition::accepting : ports::LogCondition::reserve_only;
}

ports::LogStats WriterLog::stats() const {
  const std::uint64_t checkpoints = keeper_.checkpoints();
  const Lock lock(mutex_);
  ports::LogStats stats = stats_;
  stats.checkpoints = checkpoints;
  return stats;
}

Status WriterLog::flush() {
  Lock lock(mutex_);
  full_ = false;
  ++flushing_;
  to_writer_.notify_one();
  drained_.wait(lock, [this] {
    return outstanding_ == 0 && durable_.empty() && ((pending_.empty() && rejected_.empty() && !writing_) || full_);
  });
  --flushing_;
  if (poisoned_) return poison_error(kFateUnknown);
  if (full_) return Error{Errc::log_full, "records wait for room in the decision log; make room on its file system"};
  return Ok{};
}

Status WriterLog::close() {
  {
    const Lock lock(mutex_);
    closing_ = true;
  }
  const Status flushed = flush();
  const Status finished = keeper_.finish();
  return flushed ? finished : flushed;
}

void WriterLog::run() {
  Lock lock(mutex_);
  for (;;) {
    wait_for_work(lock);
    writing_ = true;
    deliver_rejected(lock);
    Group group;
    if (!pending_.empty()) group = write_group(lock);
    deliver(lock, std::move(group), !setup_.executor);
    if (!writing_ && mark_due_ && pending_.forced() == 0 && !poisoned_) write_mark(lock);
    const bool idle = pending_.empty() && rejected_.empty();
    if (idle || full_) drained_.notify_all();
    if (stop_ && (idle || (full_ && pending_.forced() == 0 && rejected_.empty()))) return;
  }
}

bool WriterLog::has_work() const {
  return (pending_.forced() > 0 && !task_waits_) || !rejected_.empty() || stop_ || (poisoned_ && !pending_.empty()) ||
         (flushing_ > 0 && !full_ && !pending_.empty());
}

/// Until something presses, or records that do not press have waited for long enough. Appending those wakes nobody.
void WriterLog::wait_for_work(Lock& lock) {
  const auto until = base::SteadyClock::now() + std::chrono::milliseconds(setup_.lazy_flush_ms);
  while (writing_ || (!has_work() && !writer_overdue_)) {
    writer_waits_ = true;
    if (writer_overdue_) {
      to_writer_.wait(lock);
    } else {
      writer_overdue_ = to_writer_.wait_until(lock, until) == std::cv_status::timeout;
    }
  }
  writer_waits_ = writer_overdue_ = false;
}

/// Who is to be told that there is something to write. Whoever asks tells them, once the lock is left.
WriterLog::Next WriterLog::find_next() {
  if (writing_) return Next::nothing;
  if (!task_waits_ && suits_executor()) {
    task_waits_ = true;
    ++outstanding_;
    return Next::executor;
  }
  return (has_work() || writer_overdue_) && std::exchange(writer_waits_, false) ? Next::writer : Next::nothing;
}

/// Whether what waits next can be written there, while nobody else writes. To wait for room, to sync on a slow disk, or
/// to be held by a failpoint is for the writer's thread.
bool WriterLog::suits_executor() const {
  if (!setup_.executor || pending_.forced() == 0 || !rejected_.empty() || poisoned_ || stop_) return false;
  return end_.fits(pending_.front().bytes.size()) && base::SteadyClock::now() >= executor_avoided_until_ &&
         !held_by_failpoints();
}

void WriterLog::wake(Next next) {
  if (next == Next::executor) setup_.executor([this] { work_on_executor(); });
  if (next == Next::writer) to_writer_.notify_one();
}

/// One group; then whoever waited for it is called back, and what they append waits in the next group by then.
void WriterLog::work_on_executor() {
  Lock lock(mutex_);
  task_waits_ = false;
  if (!writing_ && suits_executor()) {
    writing_ = true;
    Group group = write_group(lock);
    deliver(lock, std::move(group), true);
  } else {
    // Meanwhile the writer's thread has come.
    pass_on(lock);
  }
  --outstanding_;
  drained_.notify_all();
}

void WriterLog::deliver_rejected(Lock& lock) {
  if (rejected_.empty()) return;
  std::vector<Rejected> rejected;
  rejected.swap(rejected_);
  lock.unlock();
  for (auto& one : rejected) one.done(std::move(one.error));
  lock.lock();
}

/// Takes the first group that waits, and leaves the lock meanwhile. What it gives is durable: its waiters are still to
/// be called back. When that failed they have been told, and it is empty.
Group WriterLog::write_group(Lock& lock) {
  Group group = pending_.take();
  const bool usable = !poisoned_;
  lock.unlock();
  if (!usable || !make_durable(group)) {
    if (!group.waiters.empty()) fail(group);
    group.clear();
  }
  lock.lock();
  return group;
}

/// False when the log is finished, or the group was refused for lack of room and is empty.
bool WriterLog::make_durable(Group& group) {
  if (!make_room(group)) {
    if (!is_poisoned()) refuse_for_lack_of_room(group);
    return false;
  }
  const auto records = static_cast<std::uint32_t>(group.records.size());
  const auto began = base::SteadyClock::now();
  if (auto put = end_.put_batch(records, group.bytes); !put) return poison(put.error().what);
  const auto durable_through = end_.next_sequence() - 1;
  durable_sequence_.store(durable_through, std::memory_order_release);
  mark_due_ = true;
  keeper_.take_over(group.records, durable_through);
  const auto ended = base::SteadyClock::now();
  const Lock lock(mutex_);
  if (ended - began > std::chrono::milliseconds(setup_.quick_ms)) executor_avoided_until_ = ended + kAvoidedFor;
  full_ = false;
  stats_.forced_records += group.forced;
  stats_.records += records;
  stats_.syncs += 1;
  stats_.bytes_written += group.bytes.size();
  return true;
}

/// Ends a writing: calls back, `here` or on the executor, and sees to it that what waits is written. Leaves the lock
/// meanwhile.
void WriterLog::deliver(Lock& lock, Group group, bool here) {
  if (!group.waiters.empty()) durable_.push_back(std::move(group));
  writing_ = false;
  const Next next = find_next();
  const bool post = !here && !durable_.empty() && !std::exchange(tell_waits_, true);
  outstanding_ += post ? 1 : 0;
  // What callbacks append shares what the executor writes next, and must not wait for the writer's thread to wake up.
  lock.unlock();
  if (next == Next::writer) wake(next);
  if (post) setup_.executor([this] { tell_on_executor(); });
  lock.lock();
  if (here) tell(lock);
  lock.unlock();
  if (next == Next::executor) wake(next);
  lock.lock();
}

void WriterLog::tell_on_executor() {
  Lock lock(mutex_);
  tell_waits_ = false;
  tell(lock);
  --outstanding_;
  drained_.notify_all();
}

/// In the log's order, whoever wrote it and in whatever order tasks come. Leaves the lock meanwhile.
void WriterLog::tell(Lock& lock) {
  ++outstanding_;
  while (!durable_.empty()) {
    Group group = std::move(durable_.front());
    durable_.pop_front();
    lock.unlock();
    for (auto& waiter : group.waiters) {
      if (waiter.forced) waiter.forced(Ok{});
      if (waiter.on_durable) waiter.on_durable();
    }
    group.clear();
    lock.lock();
    pending_.keep_buffers(std::move(group));
  }
  --outstanding_;
  drained_.notify_all();
}

void WriterLog::pass_on(Lock& lock) {
  const Next next = find_next();
  lock.unlock();
  wake(next);
  lock.lock();
}

void WriterLog::fail(Group& group) {
  const Error error = [this] {
    const Lock lock(mutex_);
    return poison_error(kFateUnknown);
  }();
  for (auto& waiter : group.waiters) {
    if (waiter.forced) waiter.forced(error);
  }
}

/// So that the group fits, in the next segment if need be.
bool WriterLog::make_room(const Group& group) {
  if (end_.fits(group.bytes.size())) return true;
  std::optional<SegmentFile> next = keeper_.next_segment();
  if (!next) return false;
  if (auto moved = end_.move_on(*std::move(next)); !moved) return poison(moved.error().what);
  keeper_.moved_to(end_.segment(), end_.next_sequence());
  ASSENT_CHECK(end_.fits(group.bytes.size()));
  return true;
}

/// Forced records are refused, surely not written. The others wait in memory for room, within the bound on what waits.
void WriterLog::refuse_for_lack_of_room(Group& group) {
  std::vector<ports::Done<Status>> refused;
  {
    const Lock lock(mutex_);
    full_ = true;
    refused = pending_.put_back_unforced(std::move(group));
  }
  for (auto& done : refused) {
    done(Error{Errc::log_full,
               "the decision log has no room left, not even in its reserve; the record was not written: make room on "
               "the file system of " +
                   setup_.directory,
               true});
  }
}

/// Leaves the lock meanwhile.
void WriterLog::write_mark(Lock& lock) {
  writing_ = true;
  lock.unlock();
  mark_due_ = false;
  if (auto put = end_.put_mark(); !put) poison(put.error().what);
  lock.lock();
  writing_ = false;
  pass_on(lock);
}

/// Gives false, for callers to hand on.
bool WriterLog::poison(std::string reason) {
  {
    const Lock lock(mutex_);
    if (poisoned_) return false;
    poisoned_ = true;
    poison_reason_ = std::move(reason);
    spdlog::critical("the decision log in {} is finished: {}", setup_.directory, poison_reason_);
  }
  keeper_.halt();
  to_writer_.notify_one();
  return false;
}

bool WriterLog::is_poisoned() const {
  const Lock lock(mutex_);
  return poisoned_;
}

Error WriterLog::poison_error(const char* fate) const {
  return {Errc::log_indeterminate, "the decision log in " + setup_.directory + " is finished (" + poison_reason_ +
                                       "): " + fate + "; stop this process, mend the disk and start again"};
}

}  // namespace assent::wal
