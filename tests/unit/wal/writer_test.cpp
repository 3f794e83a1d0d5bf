#include "wal/writer.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

#include "base/event_loop.hpp"
#include "sim_disk.hpp"
#include "support.hpp"
#include "wal/reader.hpp"

namespace assent::wal::test {
namespace {

using testing::HasSubstr;
using Op = FaultDisk::Op;

/// Lets one thread wait until another says so.
class Gate {
 public:
  void open() {
    const std::lock_guard lock(mutex_);
    open_ = true;
    opened_.notify_all();
  }
  void wait() {
    std::unique_lock lock(mutex_);
    opened_.wait(lock, [this] { return open_; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable opened_;
  bool open_ = false;
};

/// Answers of many appends.
struct Answers {
  std::atomic<int> good{0};
  std::atomic<int> indeterminate{0};
  std::atomic<int> full{0};
  std::atomic<int> other{0};
  int all() const { return good + indeterminate + full + other; }
  ports::Done<Status> take() {
    return [this](const Status& status) {
      if (status) {
        ++good;
      } else if (status.error().code == Errc::log_indeterminate) {
        ++indeterminate;
      } else if (status.error().code == Errc::log_full) {
        ++full;
      } else {
        ++other;
      }
    };
  }
};

TEST(Writer, WhatWaitsDuringASyncSharesTheNext) {
  const TempDir dir;
  FaultDisk disk;
  auto opened = open_or_fail(small_options(dir.log()), disk);
  ASSERT_TRUE(opened.log->flush());
  Gate first_is_syncing;
  Gate go_on;
  std::atomic<int> syncs{0};
  disk.set_hook([&](Op op, const std::string& path) {
    if (op == Op::sync && is_segment(path) && ++syncs == 1) {
      first_is_syncing.open();
      go_on.wait();
    }
    return 0;
  });
  Answers answers;
  opened.log->append_forced(decision(0), answers.take());
  first_is_syncing.wait();
  for (std::uint64_t i = 1; i <= 200; ++i) opened.log->append_forced(decision(i), answers.take());
  EXPECT_EQ(answers.all(), 0);
  go_on.open();
  ASSERT_TRUE(opened.log->flush());
  EXPECT_EQ(answers.good, 201);
  EXPECT_EQ(syncs, 2);
  const auto stats = opened.log->stats();
  EXPECT_EQ(stats.forced_records, 201U);
  EXPECT_EQ(stats.records, 201U);
  EXPECT_EQ(stats.syncs, 2U);
}

/// Keeps tasks until they are run, one after the other, by whoever calls.
class Tasks {
 public:
  ports::Executor executor() {
    return [this](std::function<void()> task) {
      const std::lock_guard lock(mutex_);
      waiting_.push_back(std::move(task));
    };
  }
  std::size_t waiting() {
    const std::lock_guard lock(mutex_);
    return waiting_.size();
  }
  void run_one() {
    ASSERT_TRUE(eventually([this] { return waiting() > 0; }));
    std::function<void()> task;
    {
      const std::lock_guard lock(mutex_);
      task = std::move(waiting_.front());
      waiting_.pop_front();
    }
    task();
  }
  /// Runs them until `last` has come to its end elsewhere.
  void run_during(std::function<void()> last) {
    std::atomic<bool> ended{false};
    std::thread other([&] {
      last();
      ended = true;
    });
    while (!ended || waiting() > 0) {
      if (waiting() > 0) run_one();
    }
    other.join();
  }

 private:
  std::mutex mutex_;
  std::deque<std::function<void()>> waiting_;
};

struct OnTasks {
  Tasks tasks;
  TempDir dir;
  FaultDisk disk;
  std::atomic<int> syncs_here{0};
  std::atomic<int> slow_ms{0};
  std::unique_ptr<WriterLog> log;

  explicit OnTasks(std::uint32_t quick_ms = 10'000) {
    disk.set_hook([this, here = std::this_thread::get_id()](Op op, const std::string& path) {
      if (op == Op::sync && std::this_thread::get_id() == here) ++syncs_here;
      if (op == Op::sync && is_segment(path)) {
        std::this_thread::sleep_for(std::chrono::milliseconds(slow_ms));
      }
      return 0;
    });
    auto options = small_options(dir.log());
    options.lazy_flush_ms = 60'000;
    options.quick_ms = quick_ms;
    auto opened = open(options, disk, tasks.executor());
    if (opened) log = std::move(opened->log);
    syncs_here = 0;
  }
  // What still waits is written, and called back.
  ~OnTasks() {
    tasks.run_during([this] { log.reset(); });
  }
};

TEST(Writer, WritesAndCallsBackOnTheExecutorAllThatWaitsThereAtOnce) {
  OnTasks on;
  Answers answers;
  for (std::uint64_t i = 0; i < 50; ++i) on.log->append_forced(decision(i), answers.take());
  ASSERT_EQ(on.tasks.waiting(), 1U);
  EXPECT_EQ(answers.all(), 0);
  on.tasks.run_one();
  EXPECT_EQ(answers.good, 50);
  EXPECT_EQ(on.syncs_here, 1);
  EXPECT_EQ(on.log->stats().forced_records, 50U);
  // What a callback appends has the next task.
  on.log->append_forced(decision(50), [&](const Status&) { on.log->append_forced(decision(51), answers.take()); });
  on.tasks.run_one();
  ASSERT_EQ(on.tasks.waiting(), 1U);
  on.tasks.run_one();
  EXPECT_EQ(answers.good, 51);
  EXPECT_EQ(on.syncs_here, 3);
  EXPECT_EQ(on.log->stats().syncs, 3U);
}

TEST(Writer, ASlowDiskDoesNotHoldTheExecutorForLong) {
  OnTasks on(10);
  Answers answers;
  on.slow_ms = 20;
  on.log->append_forced(decision(0), answers.take());
  on.tasks.run_one();
  EXPECT_EQ(on.syncs_here, 1);
  for (std::uint64_t i = 1; i <= 5; ++i) {
    on.log->append_forced(decision(i), answers.take());
    ASSERT_TRUE(eventually([&] { return on.tasks.waiting() == 1; }));
    EXPECT_EQ(on.log->stats().syncs, i + 1);
    on.tasks.run_one();
  }
  EXPECT_EQ(answers.good, 6);
  EXPECT_EQ(on.syncs_here, 1);
}

TEST(Writer, CallbacksKeepTheLogsOrderWhereBothThreadsWrite) {
  OnTasks on;
  std::vector<int> order;
  const auto note = [&](int number) { return [&order, number](const Status&) { order.push_back(number); }; };
  on.log->append_forced(decision(1), note(1));
  ASSERT_EQ(on.tasks.waiting(), 1U);
  // The writer's thread takes it, and tells of it behind the task that was to write it.
  std::thread flusher([&] { EXPECT_TRUE(on.log->flush()); });
  ASSERT_TRUE(eventually([&] { return on.tasks.waiting() == 2; }));
  on.log->append_forced(decision(2), note(2));
  on.tasks.run_during([&] { flusher.join(); });
  EXPECT_EQ(order, (std::vector<int>{1, 2}));
}

TEST(Writer, WaitingForRoomIsNotForTheExecutor) {
  OnTasks on;
  int answered = 0;
  for (std::uint64_t i = 0; on.log->stats().bytes_written < 3 * kSegmentBytesMin; ++i) {
    on.log->append_forced(decision(i), [&](const Status& status) { answered += status ? 1 : 0; });
    while (answered <= static_cast<int>(i)) {
      if (on.tasks.waiting() > 0) on.tasks.run_one();
    }
  }
  // Only the first batch of each further segment.
  const auto elsewhere = on.log->stats().syncs - on.syncs_here;
  EXPECT_GE(elsewhere, 2U);
  EXPECT_LE(elsewhere, 4U);
}

TEST(Writer, WhatWaitsForTheExecutorAtTheEndIsWritten) {
  Answers answers;
  {
    OnTasks on;
    for (std::uint64_t i = 0; i < 3; ++i) on.log->append_forced(decision(i), answers.take());
    EXPECT_EQ(answers.all(), 0);
  }
  EXPECT_EQ(answers.good, 3);
}

TEST(Writer, ThreadsAndAnExecutorAndFlushesTellEachOnceAndInOrder) {
  constexpr int kThreads = 6;
  constexpr int kEach = 400;
  const TempDir dir;
  base::EventLoop loop;
  auto options = small_options(dir.log());
  options.lazy_flush_ms = 1;
  auto opened = open(options, posix_disk(),
                     [&](std::function<void()> task) { boost::asio::post(loop.context(), std::move(task)); });
  ASSERT_TRUE(opened);
  std::array<std::atomic<int>, kThreads> told{};
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (int thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([&, thread] {
      for (int i = 0; i < kEach; ++i) {
        opened->log->append_forced(decision(static_cast<std::uint64_t>(thread * kEach + i)),
                                   [&, thread, i](const Status& status) {
                                     if (!status || told[thread].fetch_add(1) != i) ++wrong;
                                   });
        if (i % 50 == 0 && !opened->log->flush()) ++wrong;
        // Now and then everything is quiet, and begins again.
        if (i % 20 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(2));
      }
    });
  }
  for (auto& thread : threads) thread.join();
  ASSERT_TRUE(opened->log->flush());
  EXPECT_EQ(wrong, 0);
  for (const auto& count : told) EXPECT_EQ(count, kEach);
  opened->log.reset();
}

TEST(Writer, AFailedSyncOnTheExecutorEndsTheLogForAllWhoWait) {
  OnTasks on;
  Answers answers;
  on.disk.set_hook([](Op op, const std::string& path) { return op == Op::sync && is_segment(path) ? EIO : 0; });
  for (std::uint64_t i = 0; i < 3; ++i) on.log->append_forced(decision(i), answers.take());
  on.tasks.run_one();
  EXPECT_EQ(answers.all(), 3);
  EXPECT_EQ(answers.good, 0);
  EXPECT_EQ(on.log->condition(), ports::LogCondition::poisoned);
  on.log->append_forced(decision(3), answers.take());
  EXPECT_TRUE(eventually([&] { return answers.all() == 4; }));
  EXPECT_EQ(answers.good, 0);
}

TEST(Writer, AnUnforcedRecordRidesWithTheNextForcedOneAndInOrder) {
  const TempDir dir;
  auto options = small_options(dir.log());
  options.lazy_flush_ms = 60'000;
  auto opened = open_or_fail(options);
  ASSERT_TRUE(force(*opened.log, decision(1)));
  std::vector<std::string> order;
  std::promise<void> last;
  opened.log->append(ports::BranchSettled{gtrid(1), 1}, [&] { order.emplace_back("settled"); });
  opened.log->append(ports::TransactionEnded{gtrid(1)}, [&] { order.emplace_back("ended"); });
  opened.log->append(ports::TransactionEnded{gtrid(9)});
  opened.log->append_forced(decision(2), [&](const Status& status) {
    order.emplace_back(status ? "forced" : "failed");
    last.set_value();
  });
  last.get_future().wait();
  EXPECT_EQ(order, (std::vector<std::string>{"settled", "ended", "forced"}));
  EXPECT_EQ(opened.log->stats().syncs, 2U);
  EXPECT_EQ(opened.log->stats().forced_records, 2U);
  EXPECT_EQ(opened.log->stats().records, 5U);
}

TEST(Writer, AnUnforcedRecordBecomesDurableByItself) {
  const TempDir dir;
  auto opened = open_or_fail(small_options(dir.log()));
  std::promise<void> durable;
  opened.log->append(ports::EpochStarted{"shop1", 3, 1}, [&] { durable.set_value(); });
  durable.get_future().wait();
  EXPECT_EQ(opened.log->stats().syncs, 1U);
  opened.log.reset();
  EXPECT_EQ(open_or_fail(small_options(dir.log())).state.epoch, 3U);
}

TEST(Writer, ACallbackMayAppend) {
  const TempDir dir;
  auto opened = open_or_fail(small_options(dir.log()));
  std::promise<void> end;
  opened.log->append_forced(decision(1), [&](const Status&) {
    opened.log->append(ports::BranchSettled{gtrid(1), 1});
    opened.log->append_forced(decision(2), [&](const Status&) { end.set_value(); });
  });
  end.get_future().wait();
  opened.log.reset();
  const auto state = open_or_fail(small_options(dir.log())).state;
  EXPECT_EQ(state.live.size(), 2U);
  EXPECT_EQ(state.live.at(gtrid(1)).settled.count(1), 1U);
}

TEST(Writer, ARecordOverItsBoundIsRefusedAndTheLogGoesOn) {
  const TempDir dir;
  auto opened = open_or_fail(small_options(dir.log()));
  const Status refused = force(*opened.log, decision(1, kRecordBytesMax));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::invalid_argument);
  EXPECT_TRUE(force(*opened.log, decision(2)));
}

TEST(Writer, MoreThanTheBoundOnWaitingIsRefusedAsOverload) {
  SimDisk memory;
  memory.make_root("");
  FaultDisk disk(memory);
  auto options = small_options("/log");
  options.segment_bytes = 4ULL << 20;
  auto opened = open_or_fail(options, disk);
  Gate go_on;
  disk.set_hook([&](Op op, const std::string& path) {
    if (op == Op::sync && is_segment(path)) go_on.wait();
    return 0;
  });
  Answers answers;
  const std::uint64_t enough = WriterLog::kPendingBytesMax / 32'000 + 40;
  for (std::uint64_t i = 0; i < enough; ++i) opened.log->append_forced(decision(i, 32'000), answers.take());
  EXPECT_EQ(answers.all(), 0) << "never called back by the call itself";
  go_on.open();
  ASSERT_TRUE(opened.log->flush());
  EXPECT_GT(answers.other, 0);
  EXPECT_EQ(answers.good + answers.other, static_cast<int>(enough));
}

TEST(Writer, SegmentsFollowEachOtherAndGoOnceACheckpointCoversThem) {
  const TempDir dir;
  auto options = small_options(dir.log());
  options.checkpoint_every_segments = 2;
  auto opened = open_or_fail(options);
  for (std::uint64_t i = 1; i <= 40; ++i) {
    ASSERT_TRUE(force(*opened.log, decision(i, 20'000)));
    if (i > 2) opened.log->append(ports::TransactionEnded{gtrid(i)});
  }
  EXPECT_TRUE(eventually([&] { return opened.log->stats().checkpoints >= 6; }));
  EXPECT_FALSE(std::filesystem::exists(dir.log() + "/00000001.seg"));
  ASSERT_TRUE(opened.log->flush());
  opened.log.reset();
  const auto report = verify(dir.log(), posix_disk());
  ASSERT_TRUE(report);
  EXPECT_EQ(report->tail, Tail::clean);
  EXPECT_LE(report->files.size(), 5U);
  const auto state = open_or_fail(options).state;
  EXPECT_EQ(state.live.size(), 2U) << "decisions older than every segment, kept by the checkpoint";
  EXPECT_EQ(state.kept_keys.size(), 40U);
}

TEST(Writer, KeptKeysAreBoundedThroughCheckpointsToo) {
  const TempDir dir;
  auto options = small_options(dir.log());
  options.kept_keys_max = 7;
  {
    auto opened = open_or_fail(options);
    for (std::uint64_t i = 1; i <= 30; ++i) ASSERT_TRUE(force(*opened.log, decision(i, 10'000)));
    EXPECT_TRUE(opened.log->close());
  }
  const auto state = open_or_fail(options).state;
  ASSERT_EQ(state.kept_keys.size(), 7U);
  for (std::uint64_t i = 24; i <= 30; ++i) EXPECT_EQ(state.kept_keys.count("key-" + std::to_string(i)), 1U);
}

TEST(Writer, HazardsAndSettledBranchesComeBackFromCheckpointAndSegment) {
  const TempDir dir;
  const auto options = small_options(dir.log());
  const ports::HazardFound hazard{gtrid(1), 2, "gone without its proof row", 17};
  for (int run = 0; run < 3; ++run) {
    auto opened = open_or_fail(options);
    if (run == 0) {
      ASSERT_TRUE(force(*opened.log, decision(1)));
      opened.log->append(ports::BranchSettled{gtrid(1), 1});
      opened.log->append(hazard);
      ASSERT_TRUE(opened.log->flush());
      continue;
    }
    const auto& live = opened.state.live.at(gtrid(1));
    EXPECT_EQ(live.decision, decision(1));
    EXPECT_EQ(live.settled, std::set<std::uint16_t>{1});
    ASSERT_EQ(live.hazards.size(), 1U);
    EXPECT_EQ(live.hazards.at(2), hazard);
    if (run == 1) {
      EXPECT_TRUE(opened.log->close());
    }
  }
}

TEST(Writer, AClosedLogTakesNothingMore) {
  const TempDir dir;
  auto opened = open_or_fail(small_options(dir.log()));
  ASSERT_TRUE(force(*opened.log, decision(1)));
  opened.log->append(ports::BranchSettled{gtrid(1), 1});
  ASSERT_TRUE(opened.log->close());
  const Status late = force(*opened.log, decision(2));
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code, Errc::shutting_down);
  opened.log.reset();
  const auto state = open_or_fail(small_options(dir.log())).state;
  EXPECT_EQ(state.live.size(), 1U);
  EXPECT_EQ(state.live.at(gtrid(1)).settled.count(1), 1U) << "what was not forced was written by the close";
}

class FailedSegment : public testing::TestWithParam<Op> {};

TEST_P(FailedSegment, PoisonsTheLogAndNothingIsAcknowledgedOrSyncedAgain) {
  const TempDir dir;
  FaultDisk disk;
  auto opened = open_or_fail(small_options(dir.log()), disk);
  ASSERT_TRUE(force(*opened.log, decision(1)));
  ASSERT_TRUE(opened.log->flush());
  Gate failing;
  Gate go_on;
  std::atomic<bool> failed{false};
  std::atomic<int> syncs_afterwards{0};
  disk.set_hook([&](Op op, const std::string& path) -> Errno {
    if (op == Op::sync && failed) ++syncs_afterwards;
    if (op != GetParam() || !is_segment(path) || failed) return 0;
    failing.open();
    go_on.wait();
    failed = true;
    return EIO;
  });
  Answers answers;
  opened.log->append_forced(decision(2), answers.take());
  failing.wait();
  for (std::uint64_t i = 3; i <= 20; ++i) opened.log->append_forced(decision(i), answers.take());
  std::atomic<bool> called_durable{false};
  opened.log->append(ports::TransactionEnded{gtrid(1)}, [&] { called_durable = true; });
  go_on.open();
  const Status later = force(*opened.log, decision(21));
  ASSERT_FALSE(later);
  EXPECT_EQ(later.error().code, Errc::log_indeterminate);
  EXPECT_THAT(later.error().what, HasSubstr("00000001.seg"));
  EXPECT_TRUE(eventually([&] { return answers.all() == 19; }));
  EXPECT_EQ(answers.indeterminate, 19);
  EXPECT_EQ(opened.log->condition(), ports::LogCondition::poisoned);
  EXPECT_FALSE(opened.log->flush());
  EXPECT_FALSE(opened.log->close());
  opened.log.reset();
  EXPECT_EQ(syncs_afterwards, 0);
  EXPECT_FALSE(called_durable);
  disk.set_hook(nullptr);
  const auto state = open_or_fail(small_options(dir.log()), disk).state;
  EXPECT_EQ(state.live.count(gtrid(1)), 1U);
  EXPECT_EQ(state.live.count(gtrid(21)), 0U);
}

INSTANTIATE_TEST_SUITE_P(AtWriteAndSync, FailedSegment, testing::Values(Op::write, Op::sync),
                         [](const auto& op) { return op.param == Op::write ? "Write" : "Sync"; });

TEST(Writer, ADiskThatFailsUnderACheckpointPoisonsTheLog) {
  const TempDir dir;
  FaultDisk disk;
  auto opened = open_or_fail(small_options(dir.log()), disk);
  disk.set_hook(
      [](Op op, const std::string& path) { return op == Op::sync && path.ends_with("CHECKPOINT.tmp") ? EIO : 0; });
  std::uint64_t acknowledged = 0;
  while (acknowledged < 100 && force(*opened.log, decision(acknowledged, 20'000))) ++acknowledged;
  EXPECT_LT(acknowledged, 100U);
  EXPECT_EQ(opened.log->condition(), ports::LogCondition::poisoned);
  opened.log.reset();
  disk.set_hook(nullptr);
  EXPECT_GE(open_or_fail(small_options(dir.log()), disk).state.live.size(), acknowledged);
}

TEST(Writer, AFullDiskLeavesTheReserveAndRoomBringsTheLogBack) {
  const TempDir dir;
  FaultDisk disk;
  auto options = small_options(dir.log());
  options.checkpoint_every_segments = 100;
  auto opened = open_or_fail(options, disk);
  std::atomic<bool> full{true};
  disk.set_hook(
      [&](Op op, const std::string& path) { return full && op == Op::write && path.ends_with(".tmp") ? ENOSPC : 0; });
  std::uint64_t next = 1;
  // The fourth does not fit into the first segment: the writer goes on in its reserve, and no other can be made.
  while (next <= 4) ASSERT_TRUE(force(*opened.log, decision(next++, 16'000)));
  ASSERT_TRUE(eventually([&] { return opened.log->condition() != ports::LogCondition::accepting; }));
  EXPECT_EQ(opened.log->condition(), ports::LogCondition::reserve_only);
  ASSERT_TRUE(force(*opened.log, decision(next++, 16'000))) << "running transactions finish in the reserve";
  Status status = Ok{};
  std::uint64_t acknowledged = next - 1;
  while (status && next < 100) {
    status = force(*opened.log, decision(next++, 16'000));
    if (status) ++acknowledged;
  }
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, Errc::log_full);
  EXPECT_EQ(opened.log->condition(), ports::LogCondition::reserve_only);

  std::promise<void> ended;
  for (int i = 0; i < 200; ++i) {
    opened.log->append(ports::HazardFound{gtrid(1), 1, std::string(1'000, 'h'), i});
  }
  opened.log->append(ports::TransactionEnded{gtrid(1)}, [&] { ended.set_value(); });
  EXPECT_EQ(opened.log->flush().error().code, Errc::log_full);
  EXPECT_EQ(force(*opened.log, decision(500, 16'000)).error().code, Errc::log_full);
  full = false;
  ended.get_future().wait();
  EXPECT_TRUE(eventually([&] { return opened.log->condition() == ports::LogCondition::accepting; }));
  ASSERT_TRUE(force(*opened.log, decision(600)));
  opened.log.reset();
  const auto state = open_or_fail(options, disk).state;
  EXPECT_EQ(state.live.size(), acknowledged) << "one ended, one came after there was room";
  EXPECT_EQ(state.live.count(gtrid(500)), 0U) << "refused as full: surely not written";
}

TEST(Writer, ALackOfRoomForACheckpointKeepsOlderSegmentsUntilOneSucceeds) {
  const TempDir dir;
  FaultDisk disk;
  auto opened = open_or_fail(small_options(dir.log()), disk);
  std::atomic<bool> full{true};
  disk.set_hook([&](Op op, const std::string& path) {
    return full && op == Op::write && path.ends_with("CHECKPOINT.tmp") ? ENOSPC : 0;
  });
  for (std::uint64_t i = 1; i <= 12; ++i) ASSERT_TRUE(force(*opened.log, decision(i, 20'000)));
  EXPECT_EQ(opened.log->stats().checkpoints, 0U);
  EXPECT_EQ(opened.log->condition(), ports::LogCondition::accepting);
  EXPECT_TRUE(std::filesystem::exists(dir.log() + "/00000001.seg"));
  full = false;
  EXPECT_TRUE(eventually([&] { return !std::filesystem::exists(dir.log() + "/00000001.seg"); }));
}

TEST(Writer, ADeletedDirectoryEndsTheLog) {
  const TempDir dir;
  auto opened = open_or_fail(small_options(dir.log()));
  ASSERT_TRUE(force(*opened.log, decision(1)));
  std::filesystem::remove_all(dir.log());
  const Status lost = force(*opened.log, decision(2));
  ASSERT_FALSE(lost);
  EXPECT_EQ(lost.error().code, Errc::log_indeterminate);
  EXPECT_THAT(lost.error().what, HasSubstr("was deleted"));
  EXPECT_EQ(opened.log->condition(), ports::LogCondition::poisoned);
}

TEST(Writer, ADeletedLockEndsTheLogSinceASecondOwnerCouldGetIn) {
  const TempDir dir;
  auto opened = open_or_fail(small_options(dir.log()));
  std::filesystem::remove(dir.log() + "/LOCK");
  const Status lost = force(*opened.log, decision(1));
  ASSERT_FALSE(lost);
  EXPECT_THAT(lost.error().what, HasSubstr("LOCK was deleted"));
}

TEST(Writer, ADeletedLockLetsNoSecondOwnerInWhereTheDirectoryIsLocked) {
  const TempDir dir;
  auto opened = open_or_fail(small_options(dir.log()));
  std::filesystem::remove(dir.log() + "/LOCK");
  const auto second = open(small_options(dir.log()), posix_disk());
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Errc::log_locked);
}

// Where directories can't be locked: the first owner hangs, its LOCK is deleted, a second one comes, the first wakes.
TEST(Writer, ALogThatIsAnothersByNowIsNotWrittenToOnceMore) {
  const TempDir dir;
  FaultDisk disk;
  disk.set_hook([&](Op op, const std::string& path) { return op == Op::lock && path == dir.log() ? ENOTSUP : 0; });
  auto options = small_options(dir.log());
  options.lazy_flush_ms = 60'000;
  auto first = open_or_fail(options, disk);
  EXPECT_EQ(first.place, 0U) << "a place that is not locked says nothing of whoever was there before";
  ASSERT_TRUE(force(*first.log, decision(1)));
  std::filesystem::remove(dir.log() + "/LOCK");
  auto second = open_or_fail(options, disk);
  ASSERT_TRUE(force(*second.log, decision(2)));
  // Its mark follows by itself.
  ASSERT_TRUE(eventually([&] {
    const auto seen = scan(posix_disk(), dir.log(), kAllKeys);
    return seen && seen->durable_through == 2;
  }));
  const auto before = contents(dir.log());
  const Status refused = force(*first.log, decision(3));
  ASSERT_FALSE(refused);
  EXPECT_EQ(first.log->condition(), ports::LogCondition::poisoned);
  first.log.reset();
  EXPECT_EQ(contents(dir.log()), before);
  ASSERT_TRUE(force(*second.log, decision(4)));
  second.log.reset();
  EXPECT_EQ(read_state(dir.log(), posix_disk())->live.size(), 3U);
}

// A link that is moved to a copy, or a disk that is mounted over an empty directory.
TEST(Writer, ADirectoryThatIsAnotherOneByNowEndsTheLogAndIsLeftAlone) {
  for (const bool in_reserve : {false, true}) {
    const TempDir dir;
    const auto link = dir.path() + "/link";
    { auto made = open_or_fail(small_options(dir.log())); }
    std::filesystem::create_directory_symlink(dir.log(), link);
    auto opened = open_or_fail(small_options(link));
    ASSERT_TRUE(force(*opened.log, decision(1)));
    std::filesystem::copy(dir.log(), dir.path() + "/copy");
    std::filesystem::remove(link);
    std::filesystem::create_directory_symlink(dir.path() + "/copy", link);
    const auto before = contents(link);
    // With a large one, the next segment would have to be made.
    const Status lost = force(*opened.log, decision(2, in_reserve ? 30'000 : 5));
    ASSERT_FALSE(lost);
    EXPECT_THAT(lost.error().what, HasSubstr("another directory by now"));
    EXPECT_EQ(opened.log->condition(), ports::LogCondition::poisoned);
    opened.log.reset();
    EXPECT_EQ(contents(link), before);
  }
}

TEST(Writer, FilesThatRootMakesBelongToWhoTheLogBelongsTo) {
  if (::geteuid() != 0) return;  // Only root can give files away, and only root has to.
  const TempDir dir;
  constexpr uid_t kOther = 65534;
  { auto made = open_or_fail(small_options(dir.log())); }
  for (const auto& entry : std::filesystem::directory_iterator(dir.log())) {
    ASSERT_EQ(::chown(entry.path().c_str(), kOther, kOther), 0);
  }
  ASSERT_EQ(::chown(dir.log().c_str(), kOther, kOther), 0);
  std::filesystem::remove(dir.log() + "/LOCK");
  {
    auto opened = open_or_fail(small_options(dir.log()));
    for (std::uint64_t i = 1; i <= 6; ++i) ASSERT_TRUE(force(*opened.log, decision(i, 20'000)));
    ASSERT_TRUE(opened.log->close());
  }
  for (const auto& entry : std::filesystem::directory_iterator(dir.log())) {
    struct stat seen {};
    ASSERT_EQ(::stat(entry.path().c_str(), &seen), 0);
    EXPECT_EQ(seen.st_uid, kOther) << entry.path();
    EXPECT_EQ(seen.st_gid, kOther) << entry.path();
  }
}

TEST(Writer, SixteenThreadsDecideAndAllOfItIsThereAgain) {
  constexpr std::uint64_t kThreads = 16;
  constexpr std::uint64_t kEach = 625;
  SimDisk disk;
  disk.make_root("");
  auto options = small_options("/log");
  options.segment_bytes = 256ULL << 10;
  options.kept_keys_max = 100;
  {
    auto opened = open_or_fail(options, disk);
    std::vector<std::thread> threads;
    std::atomic<std::uint64_t> failed{0};
    for (std::uint64_t thread = 0; thread < kThreads; ++thread) {
      threads.emplace_back([&, thread] {
        for (std::uint64_t i = 0; i < kEach; ++i) {
          const std::uint64_t number = thread * kEach + i;
          if (!force(*opened.log, decision(number))) ++failed;
          opened.log->append(ports::BranchSettled{gtrid(number), 1});
          if (number % 2 == 0) opened.log->append(ports::TransactionEnded{gtrid(number)});
          (void)opened.log->condition();
        }
      });
    }
    for (auto& thread : threads) thread.join();
    EXPECT_EQ(failed, 0U);
    ASSERT_TRUE(opened.log->flush());
    const auto stats = opened.log->stats();
    EXPECT_EQ(stats.forced_records, kThreads * kEach);
    EXPECT_LT(stats.syncs, stats.forced_records) << "groups were shared";
    EXPECT_TRUE(eventually([&] { return opened.log->stats().checkpoints > 0; }));
  }
  const auto state = open_or_fail(options, disk).state;
  ASSERT_EQ(state.live.size(), kThreads * kEach / 2);
  for (std::uint64_t i = 1; i < kThreads * kEach; i += 2) {
    ASSERT_EQ(state.live.at(gtrid(i)).settled.size(), 1U) << i;
  }
}

}  // namespace
}  // namespace assent::wal::test
