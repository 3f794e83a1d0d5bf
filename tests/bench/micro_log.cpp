#include "micro_log.hpp"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <thread>
#include <utility>

#include "base/clock.hpp"
#include "protocol/xid.hpp"
#include "wal/codec.hpp"
#include "wal/format.hpp"

namespace assent::bench {
namespace {

constexpr std::int64_t kBareFileBytes = 16LL << 20;  // as a segment by default

double seconds_since(base::SteadyTime start) {
  return std::chrono::duration<double>(base::SteadyClock::now() - start).count();
}

[[noreturn]] void give_up(const Error& error) {
  std::fprintf(stderr, "micro_bench: %s\n", error.what.c_str());
  std::exit(2);
}

void check(const Status& status) {
  if (!status) give_up(status.error());
}

/// The bytes of a batch that holds one decision.
std::string one_block() {
  std::string bytes(wal::kBlockHeaderBytes, '\0');
  check(wal::encode_record(decision_like(1), bytes));
  wal::finish_block({wal::BlockKind::batch, 1, 1, 1, 0, 1, 0}, wal::kBlocksOffset, bytes);
  return bytes;
}

template <typename Get>
double median_of(const std::vector<LogRun>& runs, Get get) {
  std::vector<double> values;
  for (const auto& run : runs) values.push_back(get(run));
  return median(std::move(values));
}

}  // namespace

double cpu_seconds() {
  rusage used{};
  ::getrusage(RUSAGE_SELF, &used);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(used.ru_utime) + seconds(used.ru_stime);
}

double median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const auto middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

ports::CommitDecision decision_like(std::uint64_t sequence) {
  static const std::string begin = protocol::gtrid_range_bound("bench", 1, 0);
  static const std::string whole = protocol::format_gtrid({"bench", 1, 0, 0x9f86d081884c7d65, Protocol::two_phase});
  static constexpr char kDigits[] = "0123456789abcdef";
  ports::CommitDecision decision;
  // Not by format_gtrid, which costs more than the log does and would be charged to it.
  decision.gtrid = whole;
  for (auto at = begin.size(); sequence != 0; sequence >>= 4) decision.gtrid[--at] = kDigits[sequence & 15];
  decision.participants = {"orders", "stock"};
  decision.request_fingerprint = 0x6a09e667f3bcc908;
  decision.decided_at_ms = 1'790'000'000'000;
  return decision;
}

BareLoop::BareLoop(Place place) : place_(place), block_(one_block()) {
  const std::string path = scratch_.path() + "/bare";
  fd_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd_ < 0) bench::give_up("cannot create " + path);
  if (place_ == Place::append) return;
  const std::string zeroes(1 << 20, '\0');
  for (std::int64_t at = 0; at < kBareFileBytes; at += static_cast<std::int64_t>(zeroes.size())) {
    if (::pwrite(fd_, zeroes.data(), zeroes.size(), at) < 0) bench::give_up("cannot write " + path);
  }
  if (::fsync(fd_) != 0) bench::give_up("cannot sync " + path);
}

BareLoop::~BareLoop() {
  ::close(fd_);
}

LogRun BareLoop::run(std::chrono::milliseconds window) {
  LogRun run;
  const auto bytes = static_cast<std::int64_t>(block_.size());
  const auto start = base::SteadyClock::now();
  const auto end = start + window;
  do {
    if (place_ == Place::overwrite && offset_ + bytes > kBareFileBytes) offset_ = 0;
    if (::pwrite(fd_, block_.data(), block_.size(), offset_) != bytes || ::fdatasync(fd_) != 0) {
      bench::give_up("cannot write and sync in " + scratch_.path());
    }
    offset_ += bytes;
    ++run.decisions;
  } while (base::SteadyClock::now() < end);
  run.seconds = seconds_since(start);
  run.syncs = run.decisions;
  run.bytes = run.decisions * block_.size();
  return run;
}

LogUnderTest::LogUnderTest() {
  wal::Options options;
  options.directory = scratch_.path() + "/log";
  auto opened = wal::open(options, wal::posix_disk());
  if (!opened) give_up(opened.error());
  log_ = std::move(opened->log);
}

LogUnderTest::~LogUnderTest() = default;

/// All run in callbacks, and so on one thread at a time.
class LogUnderTest::CallbackWaiters {
 public:
  CallbackWaiters(wal::WriterLog& log, std::uint64_t& next) : log_(log), next_(next) {}

  std::uint64_t run(std::uint32_t waiters, std::chrono::milliseconds window) {
    end_ = base::SteadyClock::now() + window;
    running_ = waiters;
    gtrids_.resize(waiters);
    // The first round goes in as one group, before a callback can run.
    for (std::uint32_t waiter = 0; waiter < waiters; ++waiter) {
      auto decision = decision_like(next_ + waiter);
      gtrids_[waiter] = decision.gtrid;
      firsts_.push_back(std::move(decision));
    }
    next_ += waiters;
    for (std::uint32_t waiter = 0; waiter < waiters; ++waiter) force(waiter, std::move(firsts_[waiter]));
    for (auto left = running_.load(); left != 0; left = running_.load()) running_.wait(left);
    return done_;
  }

 private:
  void force(std::uint32_t waiter, ports::CommitDecision decision) {
    log_.append_forced(std::move(decision), [this, waiter](const Status& status) {
      check(status);
      on_durable(waiter);
    });
  }

  void on_durable(std::uint32_t waiter) {
    ++done_;
    log_.append(ports::TransactionEnded{std::move(gtrids_[waiter])});
    // The clock costs a little, so only one waiter looks.
    if (waiter == 0 && base::SteadyClock::now() >= end_) stop_ = true;
    if (stop_) {
      if (running_.fetch_sub(1) == 1) running_.notify_one();
      return;
    }
    auto decision = decision_like(next_++);
    gtrids_[waiter] = decision.gtrid;
    force(waiter, std::move(decision));
  }

  wal::WriterLog& log_;
  std::uint64_t& next_;
  base::SteadyTime end_;
  std::vector<ports::CommitDecision> firsts_;
  std::vector<std::string> gtrids_;
  std::uint64_t done_ = 0;
  bool stop_ = false;
  std::atomic<std::uint32_t> running_ = 0;
};

class LogUnderTest::ThreadWaiter {
 public:
  explicit ThreadWaiter(wal::WriterLog& log) : log_(log) {}

  void run(std::atomic<std::uint64_t>& next, const std::atomic<bool>& stop) {
    while (!stop.load(std::memory_order_relaxed)) {
      auto decision = decision_like(next.fetch_add(1));
      std::string gtrid = decision.gtrid;
      log_.append_forced(std::move(decision), [this](const Status& status) {
        check(status);
        {
          const std::lock_guard lock(mutex_);
          durable_ = true;
        }
        // After the lock, or who wakes would run into it. The waiters live until the log was flushed.
        wakes_.notify_one();
      });
      {
        std::unique_lock lock(mutex_);
        wakes_.wait(lock, [this] { return durable_; });
        durable_ = false;
      }
      log_.append(ports::TransactionEnded{std::move(gtrid)});
      ++done_;
    }
  }
  std::uint64_t done() const { return done_; }

 private:
  wal::WriterLog& log_;
  std::mutex mutex_;
  std::condition_variable wakes_;
  bool durable_ = false;
  std::uint64_t done_ = 0;
};

LogRun LogUnderTest::run_callbacks(std::uint32_t waiters, std::chrono::milliseconds window) {
  const auto before = log_->stats();
  const double cpu_before = cpu_seconds();
  const auto start = base::SteadyClock::now();
  const auto decisions = CallbackWaiters(*log_, next_).run(waiters, window);
  const double seconds = seconds_since(start);
  const auto after = log_->stats();
  const double cpu = cpu_seconds() - cpu_before;
  check(log_->flush());
  return {seconds, decisions, after.syncs - before.syncs, after.bytes_written - before.bytes_written, cpu};
}

LogRun LogUnderTest::run_threads(std::uint32_t waiters, std::chrono::milliseconds window) {
  std::atomic<std::uint64_t> next = next_;
  std::atomic<bool> stop = false;
  std::vector<std::unique_ptr<ThreadWaiter>> all;
  std::vector<std::thread> threads;
  const auto before = log_->stats();
  const double cpu_before = cpu_seconds();
  const auto start = base::SteadyClock::now();
  for (std::uint32_t i = 0; i < waiters; ++i) {
    auto& waiter = *all.emplace_back(std::make_unique<ThreadWaiter>(*log_));
    threads.emplace_back([&] { waiter.run(next, stop); });
  }
  std::this_thread::sleep_until(start + window);
  stop = true;
  for (auto& thread : threads) thread.join();
  LogRun run;
  run.seconds = seconds_since(start);
  for (const auto& waiter : all) run.decisions += waiter->done();
  const auto after = log_->stats();
  run.syncs = after.syncs - before.syncs;
  run.bytes = after.bytes_written - before.bytes_written;
  run.cpu_seconds = cpu_seconds() - cpu_before;
  next_ = next;
  check(log_->flush());
  return run;
}

double PairedRuns::median_ratio() const {
  return median(ratios);
}
double PairedRuns::median_bare_per_s() const {
  return median_of(bare, [](const LogRun& run) { return run.per_second(); });
}
double PairedRuns::median_group_per_s() const {
  return median_of(group, [](const LogRun& run) { return run.per_second(); });
}
double PairedRuns::syncs_per_decision() const {
  return median_of(group, [](const LogRun& run) { return run.syncs_per_decision(); });
}

double PairedRuns::cpu_us_per_decision() const {
  return median_of(group, [](const LogRun& run) { return run.cpu_seconds * 1e6 / static_cast<double>(run.decisions); });
}

PairedRuns run_pairs(Waiting waiting, std::uint32_t waiters, std::uint32_t pairs, std::chrono::milliseconds window) {
  BareLoop bare(BareLoop::Place::overwrite);
  LogUnderTest log;
  const auto run_group = [&] {
    return waiting == Waiting::callbacks ? log.run_callbacks(waiters, window) : log.run_threads(waiters, window);
  };
  bare.run(window / 4);
  run_group();
  PairedRuns runs;
  for (std::uint32_t pair = 0; pair < pairs; ++pair) {
    // Who goes first changes, so that what one leaves behind does not always meet the other.
    if (pair % 2 == 0) runs.bare.push_back(bare.run(window));
    runs.group.push_back(run_group());
    if (pair % 2 == 1) runs.bare.push_back(bare.run(window));
    runs.ratios.push_back(runs.group.back().per_second() / runs.bare.back().per_second());
  }
  return runs;
}

}  // namespace assent::bench
