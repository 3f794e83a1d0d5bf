#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "micro_scratch.hpp"
#include "ports/decision_log.hpp"
#include "wal/log.hpp"

namespace assent::bench {

/// A decision like those of a transfer between two participants: a batch with one of them is one sector on the disk.
ports::CommitDecision decision_like(std::uint64_t sequence);

struct LogRun {
  double seconds = 0;
  std::uint64_t decisions = 0;  ///< Acknowledged; of a bare loop: writes.
  std::uint64_t syncs = 0;
  std::uint64_t bytes = 0;
  double cpu_seconds = 0;  ///< Of the whole process, its kernel's share included; steadier than time on a busy machine.
  double per_second() const { return static_cast<double>(decisions) / seconds; }
  double syncs_per_decision() const { return static_cast<double>(syncs) / static_cast<double>(decisions); }
};

/// What one thread reaches that knows of nothing: pwrite and fdatasync of as many bytes as the log writes for one
/// decision, one after the other. This is the file system's own speed.
class BareLoop {
 public:
  enum class Place {
    overwrite,  ///< In a file full of written zeroes, as the log's segments are.
    append,     ///< To a file that grows.
  };
  explicit BareLoop(Place place);
  ~BareLoop();
  BareLoop(const BareLoop&) = delete;
  BareLoop& operator=(const BareLoop&) = delete;
  LogRun run(std::chrono::milliseconds window);

 private:
  Scratch scratch_;
  Place place_;
  std::string block_;
  int fd_ = -1;
  std::int64_t offset_ = 0;
};

/// A log with default settings, and those who wait for it. A waiter appends a decision, waits until it is durable, and
/// appends the end of that transaction (unforced) and the next decision. Without ends the log would fill with live
/// transactions, as it never does at work.
class LogUnderTest {
 public:
  LogUnderTest();
  ~LogUnderTest();
  LogUnderTest(const LogUnderTest&) = delete;
  LogUnderTest& operator=(const LogUnderTest&) = delete;

  /// Waiters that act in the callback: so many decisions are in flight, and no thread sleeps on them.
  LogRun run_callbacks(std::uint32_t waiters, std::chrono::milliseconds window);
  /// Waiters that are a thread each, blocked on a condition variable of its own.
  LogRun run_threads(std::uint32_t waiters, std::chrono::milliseconds window);

 private:
  class CallbackWaiters;
  class ThreadWaiter;
  Scratch scratch_;
  std::unique_ptr<wal::WriterLog> log_;
  std::uint64_t next_ = 1;
};

/// Both in turn, pair by pair: what else the machine does meets both.
struct PairedRuns {
  std::vector<double> ratios;  ///< Group by bare, one for each pair.
  std::vector<LogRun> bare;
  std::vector<LogRun> group;
  double median_ratio() const;
  double median_bare_per_s() const;
  double median_group_per_s() const;
  double syncs_per_decision() const;
  double cpu_us_per_decision() const;
};
enum class Waiting { callbacks, threads };
PairedRuns run_pairs(Waiting waiting, std::uint32_t waiters, std::uint32_t pairs, std::chrono::milliseconds window);

double median(std::vector<double> values);

/// What this process has used so far, its kernel's share included.
double cpu_seconds();

}  // namespace assent::bench
