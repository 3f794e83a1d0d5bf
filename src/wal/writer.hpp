#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "assent/result.hpp"
#include "base/clock.hpp"
#include "ports/decision_log.hpp"
#include "ports/executor.hpp"
#include "wal/block_writer.hpp"
#include "wal/groups.hpp"
#include "wal/keeper.hpp"
#include "wal/lock.hpp"
#include "wal/repair.hpp"

namespace assent::wal {

/// Group commit. Records are encoded by whoever appends them and gather in a group; one thread at a time takes the
/// group, writes it as one batch, syncs, and calls back. Whatever is appended meanwhile gathers in the next group and
/// so shares the next sync. When nothing more waits, a mark behind the batch says how far the log is durable.
///
/// That thread is the executor's, if the setup has one: what appends and what is called back runs there, so that nobody
/// has to be woken up. All that its queue holds before the task that writes shares the sync. Where the disk is not
/// quick, for what may have to wait, and whenever records have waited for long, it is a thread of the log's own. A sync
/// that hangs while the disk had been quick until then holds the executor.
///
/// A failed write or sync ends the log for good: what waits gets Errc::log_indeterminate, as does all that comes later,
/// and no file is synced again.
///
/// Bounds: a group has at most kBatchBytesMax; groups that wait, kPendingBytesMax; beyond that a forced record is
/// refused with Errc::overloaded, surely not written, and an unforced one is dropped.
///
/// Thread safe. Callbacks run outside its locks, and may append: those of a group that became durable on the executor,
/// in the log's order, as one task; others there or on the writer's thread. Made by open() in log.hpp.
class WriterLog final : public ports::DecisionLog {
 public:
  static constexpr std::uint64_t kPendingBytesMax = 64ULL << 20;

  struct Setup {
    std::string directory;
    std::uint64_t log_id = 0;
    std::uint64_t next_sequence = 1;
    std::uint32_t lazy_flush_ms = 100;
    Keeper::Setup keeper;
    std::uint32_t quick_ms = 5;
    ports::Executor executor;  ///< May be none: then all runs on the writer's thread. Must outlive the log.
  };

  /// Everything on the disk goes through the directory that is owned.
  WriterLog(Setup setup, StateBuilder state, Ready ready, Owned owned);
  /// Writes what was appended, calls back, and gives up the lock; no checkpoint, so the next open reads more.
  ~WriterLog() override;
  WriterLog(const WriterLog&) = delete;
  WriterLog& operator=(const WriterLog&) = delete;

  void append_forced(ports::LogRecord record, ports::Done<Status> done) override;
  void append(ports::LogRecord record, std::function<void()> on_durable = nullptr) override;
  ports::LogCondition condition() const override;
  std::uint64_t durable_sequence() const override { return durable_sequence_.load(std::memory_order_acquire); }
  ports::LogStats stats() const override;

  /// Returns when all that was appended before is durable and called back, or the log is poisoned.
  /// Not from a callback, nor from any task of the executor.
  Status flush();

  /// An orderly end: flush, then a checkpoint. Forced records are refused afterwards (Errc::shutting_down). Not
  /// from where flush() may not be called. The log is intact even when this fails; only the next start reads more.
  Status close();

 private:
  using Lock = std::unique_lock<std::mutex>;

  /// Who has to be told that there is something to write.
  enum class Next { nothing, writer, executor };
  struct Rejected {
    ports::Done<Status> done;
    Error error;
  };

  void take_in(ports::LogRecord record, Waiter waiter);
  std::optional<Error> refusal(std::size_t record_bytes) const;

  void run();
  bool has_work() const;
  void wait_for_work(Lock& lock);
  Next find_next();
  bool suits_executor() const;
  void wake(Next next);
  void pass_on(Lock& lock);
  void work_on_executor();
  void deliver_rejected(Lock& lock);
  Group write_group(Lock& lock);
  bool make_durable(Group& group);
  bool make_room(const Group& group);
  void refuse_for_lack_of_room(Group& group);
  void deliver(Lock& lock, Group group, bool here);
  void tell_on_executor();
  void tell(Lock& lock);
  void fail(Group& group);

  void write_mark(Lock& lock);
  bool poison(std::string reason);
  bool is_poisoned() const;
  Error poison_error(const char* fate) const;

  const Setup setup_;
  const Owned owned_;

  mutable std::mutex mutex_;
  std::condition_variable to_writer_;
  std::condition_variable drained_;
  PendingGroups pending_;
  std::deque<Group> durable_;  ///< Still to be called back, in the log's order.
  std::vector<Rejected> rejected_;
  bool writer_waits_ = false;
  bool writer_overdue_ = false;    ///< And would go on as soon as nobody writes.
  bool task_waits_ = false;        ///< A task is on its way that writes what is to be forced.
  bool tell_waits_ = false;        ///< One that calls back.
  bool writing_ = false;           ///< Whoever set it has a group in hand, and what is marked so below.
  std::uint32_t outstanding_ = 0;  ///< Tasks given to the executor, and groups that are being called back.
  base::SteadyTime executor_avoided_until_{};
  bool full_ = false;  ///< The last group found no room; unforced records wait in memory.
  std::uint32_t flushing_ = 0;
  bool closing_ = false;
  bool stop_ = false;
  bool poisoned_ = false;
  std::string poison_reason_;
  ports::LogStats stats_;

  // Only touched by whoever has set writing_, or under the mutex while nobody has.
  BlockWriter end_;
  std::atomic<std::uint64_t> durable_sequence_;  ///< Read by anybody.
  bool mark_due_ = false;

  Keeper keeper_;
  std::thread thread_;
};

}  // namespace assent::wal
