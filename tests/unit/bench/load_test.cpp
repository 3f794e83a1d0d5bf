#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <vector>

#include "bench/bench_load.hpp"

namespace assent::bench {
namespace {

using std::chrono::milliseconds;

class NoWork final : public Workload {
 public:
  void next(Transaction& into) override { into.clear(); }
  void ended(const Transaction&, Outcome, std::uint64_t) override { ++ended_; }
  std::vector<std::string> make_tables(unsigned) const override { return {}; }
  std::vector<SumCheck> check(const Ask&) const override { return {}; }
  std::string spoil() const override { return ""; }
  std::uint64_t ended_ = 0;
};

/// Ends every transaction after a while, each client's by itself; nothing ends during a stall.
class FakeDriver final : public Driver, public EventLoop::Watcher {
 public:
  struct Behaviour {
    milliseconds takes{1};
    Outcome outcome = Outcome::committed;
    milliseconds stall_from{0};
    milliseconds stall_for{0};
  };
  FakeDriver(EventLoop& loop, Behaviour behaviour) : loop_(loop), behaviour_(behaviour) {
    // Always readable: the loop calls us without a pause.
    loop_.watch(event_, *this);
  }
  ~FakeDriver() override {
    loop_.forget(event_);
    ::close(event_);
  }
  FakeDriver(const FakeDriver&) = delete;
  FakeDriver& operator=(const FakeDriver&) = delete;

  void start(unsigned client, const Transaction&) override {
    running_.push_back({client, Clock::now() + behaviour_.takes});
    running_max_ = std::max(running_max_, running_.size());
  }
  void ready() override {
    const auto now = Clock::now();
    const auto stall = begin_ + behaviour_.stall_from;
    if (now >= stall && now < stall + behaviour_.stall_for) return;
    auto due = std::exchange(running_, {});
    for (const auto& [client, end] : due) {
      if (end > now) {
        running_.push_back({client, end});
      } else {
        finisher_->finished(client, behaviour_.outcome, 0);
      }
    }
  }
  Finisher* finisher_ = nullptr;
  std::size_t running_max_ = 0;

 private:
  EventLoop& loop_;
  const Behaviour behaviour_;
  const int event_ = ::eventfd(1, EFD_CLOEXEC);
  const Time begin_ = Clock::now();
  std::vector<std::pair<unsigned, Time>> running_;
};

struct Run {
  LoadResult result;
  std::size_t running_max = 0;
  std::uint64_t ended = 0;
  int begins = 0;
  int ends = 0;
};

Run run(const LoadOptions& options, const FakeDriver::Behaviour& behaviour,
        std::function<bool(std::uint64_t)> progress = nullptr) {
  Run made;
  EventLoop loop;
  NoWork work;
  FakeDriver driver(loop, behaviour);
  Load load(loop, work, options,
            {.begin = [&] { ++made.begins; }, .end = [&] { ++made.ends; }, .progress = std::move(progress)});
  driver.finisher_ = &load;
  made.result = load.run(driver);
  made.running_max = driver.running_max_;
  made.ended = work.ended_;
  return made;
}

TEST(LoadTest, AClosedLoopKeepsEveryClientBusyWithOneTransaction) {
  const auto made = run({.clients = 4, .warmup_s = 0.05, .seconds = 0.2}, {.takes = milliseconds(5)});
  EXPECT_EQ(made.running_max, 4U);
  EXPECT_EQ(made.begins, 1);
  EXPECT_EQ(made.ends, 1);
  // 4 clients with 5 ms each: 160 in 0.2 s, fewer on a busy machine, more never.
  EXPECT_GT(made.result.committed, 40U);
  EXPECT_LE(made.result.committed, 168U);
  EXPECT_GT(made.result.committed_in_all, made.result.committed) << "the warm-up does not count";
  EXPECT_EQ(made.result.latency.count(), made.result.committed);
  EXPECT_GE(made.result.latency.percentile_ns(0), 4.9e6);
  EXPECT_NEAR(made.result.seconds, 0.2, 0.1);
  EXPECT_EQ(made.ended, made.result.committed_in_all) << "all that were started have ended";
}

TEST(LoadTest, AnOpenLoopStartsWhatIsDueAndNoMore) {
  const auto made =
      run({.clients = 16, .rate_per_s = 500, .warmup_s = 0.02, .seconds = 0.4}, {.takes = milliseconds(2)});
  EXPECT_NEAR(static_cast<double>(made.result.committed), 200, 3);
  EXPECT_TRUE(made.result.rate_held);
}

TEST(LoadTest, AStallCostsEveryTransactionThatWasDueMeanwhile) {
  // One client, so that during the stall none but the stalled one is ever started.
  const auto made = run({.clients = 1, .rate_per_s = 200, .warmup_s = 0, .seconds = 0.5},
                        {.takes = milliseconds(1), .stall_from = milliseconds(150), .stall_for = milliseconds(150)});
  EXPECT_NEAR(static_cast<double>(made.result.committed), 100, 3) << "those due during the stall count as well";
  EXPECT_GE(made.result.latency.max_ns(), 140'000'000U);
  // 30 of 100 were due during the stall, 25 of them waited for more than 25 ms.
  EXPECT_GE(made.result.latency.percentile_ns(80), 25e6);
}

TEST(LoadTest, ARateThatCannotBeHeldIsSaid) {
  const auto made = run({.clients = 2, .rate_per_s = 1000, .warmup_s = 0, .seconds = 0.4}, {.takes = milliseconds(10)});
  EXPECT_FALSE(made.result.rate_held);
}

TEST(LoadTest, WhatRollsBackIsNeitherThroughputNorLatency) {
  const auto made = run({.clients = 2, .warmup_s = 0, .seconds = 0.1}, {.outcome = Outcome::rolled_back});
  EXPECT_EQ(made.result.committed, 0U);
  EXPECT_EQ(made.result.latency.count(), 0U);
  EXPECT_GT(made.result.rolled_back, 10U);
}

TEST(LoadTest, EveryOtherOutcomeIsCountedByItself) {
  EXPECT_GT(run({.clients = 1, .warmup_s = 0, .seconds = 0.05}, {.outcome = Outcome::torn}).result.torn, 0U);
  EXPECT_GT(run({.clients = 1, .warmup_s = 0, .seconds = 0.05}, {.outcome = Outcome::unknown}).result.unknown, 0U);
}

TEST(LoadTest, WhereAllIsRefusedThereIsNoResult) {
  EXPECT_THROW(run({.clients = 1, .warmup_s = 0, .seconds = 0.05}, {.outcome = Outcome::refused}), std::runtime_error);
}

TEST(LoadTest, BrokenOffItWaitsForWhatRuns) {
  EventLoop loop;
  NoWork work;
  FakeDriver driver(loop, {.takes = milliseconds(50)});
  Load load(loop, work, {.clients = 3, .warmup_s = 0, .seconds = 60},
            {.begin = {}, .end = {}, .progress = [](auto) { return false; }});
  driver.finisher_ = &load;
  EXPECT_THROW(load.run(driver), BrokenOff);
  EXPECT_EQ(work.ended_, 3U);
}

}  // namespace
}  // namespace assent::bench
