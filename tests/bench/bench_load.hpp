#pragma once

#include <deque>
#include <exception>
#include <functional>
#include <string>
#include <vector>

#include "bench/bench_driver.hpp"
#include "bench/bench_histogram.hpp"
#include "bench/bench_loop.hpp"
#include "bench/bench_workload.hpp"

namespace assent::bench {

struct LoadOptions {
  unsigned clients = 1;   ///< Transactions at once, at most.
  double rate_per_s = 0;  ///< 0: closed loop, each client starts its next transaction when the last has ended.
  double warmup_s = 0;    ///< Not counted.
  double seconds = 5;
};

/// Of the seconds that count. A transaction belongs to them by its end; in an open loop by when it was to start.
struct LoadResult {
  Histogram latency;  ///< Of the committed.
  std::uint64_t committed = 0;
  std::uint64_t rolled_back = 0;
  std::uint64_t torn = 0;
  std::uint64_t unknown = 0;
  std::uint64_t refused = 0;
  double seconds = 0;
  std::uint64_t committed_in_all = 0;  ///< Warm-up and the end included.
  bool rate_held = true;               ///< In an open loop: the backlog stayed small.
};

/// Somebody wanted the measurement to end early.
class BrokenOff : public std::exception {
 public:
  const char* what() const noexcept override { return "broken off"; }
};

/// The load on one driver, the same for every mode. In an open loop transactions are due at fixed times whatever the
/// others do, wait for a free client, and their latency counts from when they were due.
class Load final : public Finisher {
 public:
  struct Hooks {
    std::function<void()> begin;  ///< The seconds that count begin: read the meters.
    std::function<void()> end;
    /// Called some times a second, with what has been committed since the beginning. False breaks it off.
    std::function<bool(std::uint64_t committed)> progress;
  };

  Load(EventLoop& loop, Workload& workload, const LoadOptions& options, Hooks hooks);

  /// Throws std::runtime_error when the driver does, when all are refused, or when they do not end; BrokenOff, when
  /// those that were running have ended, where the progress hook wanted that.
  LoadResult run(Driver& driver);

  void finished(unsigned client, Outcome outcome, std::uint64_t committed) override;

 private:
  struct Client {
    Transaction transaction;
    Time started;
    bool busy = false;
  };
  enum class Stage : std::uint8_t { warming_up, counting, draining };

  void start(unsigned client, Time started);
  void start_due(Time now);
  void step(Time now);
  void run_until(Time until);
  void drain();
  bool counts(Time started) const;

  EventLoop& loop_;
  Workload& workload_;
  const LoadOptions options_;
  const Hooks hooks_;
  Driver* driver_ = nullptr;
  std::vector<Client> clients_;
  std::vector<unsigned> free_;  ///< Clients without a transaction, in an open loop.
  std::deque<Time> backlog_;    ///< Due, and no client was free.
  std::size_t running_ = 0;
  std::uint64_t refused_in_a_row_ = 0;
  Stage stage_ = Stage::warming_up;
  bool broken_off_ = false;
  Time count_from_;
  Time count_to_;
  Time next_due_;
  Time next_progress_;
  LoadResult result_;
};

}  // namespace assent::bench
