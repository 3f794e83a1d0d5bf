#include "bench/bench_load.hpp"

#include <algorithm>
#include <stdexcept>

namespace assent::bench {
namespace {

using std::chrono::duration;
using std::chrono::duration_cast;
using std::chrono::nanoseconds;

constexpr auto kProgressPeriod = std::chrono::milliseconds(200);
constexpr auto kDrainBound = std::chrono::seconds(60);
/// Seconds' worth of transactions that may wait for a client before the rate counts as not held, and at all.
constexpr double kHeldBacklogS = 0.25;
constexpr double kBacklogMaxS = 2;
constexpr std::uint64_t kRefusedInARowMax = 10'000;

nanoseconds of_seconds(double seconds) {
  return duration_cast<nanoseconds>(duration<double>(seconds));
}

}  // namespace

Load::Load(EventLoop& loop, Workload& workload, const LoadOptions& options, Hooks hooks)
    : loop_(loop), workload_(workload), options_(options), hooks_(std::move(hooks)), clients_(options.clients) {}

LoadResult Load::run(Driver& driver) {
  driver_ = &driver;
  const auto begin = Clock::now();
  count_from_ = begin + of_seconds(options_.warmup_s);
  count_to_ = count_from_ + of_seconds(options_.seconds);
  next_progress_ = begin;
  next_due_ = begin;
  for (unsigned i = 0; i < options_.clients; ++i) {
    if (options_.rate_per_s > 0) {
      free_.push_back(i);
    } else {
      start(i, begin);
    }
  }
  driver_->flush();
  run_until(count_from_);
  if (hooks_.begin) hooks_.begin();
  count_from_ = Clock::now();
  count_to_ = count_from_ + of_seconds(options_.seconds);
  stage_ = Stage::counting;
  run_until(count_to_);
  if (hooks_.end) hooks_.end();
  count_to_ = Clock::now();
  stage_ = Stage::draining;
  if (broken_off_) backlog_.clear();
  drain();
  if (broken_off_) throw BrokenOff();
  if (result_.committed_in_all == 0 && result_.refused > 0) {
    throw std::runtime_error("the coordinator refuses all transactions: " + driver.first_trouble());
  }
  result_.seconds = duration<double>(count_to_ - count_from_).count();
  return std::move(result_);
}

void Load::start(unsigned number, Time started) {
  auto& client = clients_[number];
  client.started = started;
  client.busy = true;
  ++running_;
  workload_.next(client.transaction);
  driver_->start(number, client.transaction);
}

bool Load::counts(Time started) const {
  if (options_.rate_per_s > 0) return stage_ != Stage::warming_up && started >= count_from_ && started < count_to_;
  return stage_ == Stage::counting;
}

void Load::finished(unsigned number, Outcome outcome, std::uint64_t committed) {
  const auto now = Clock::now();
  auto& client = clients_[number];
  workload_.ended(client.transaction, outcome, committed);
  client.busy = false;
  --running_;
  result_.committed_in_all += outcome == Outcome::committed ? 1 : 0;
  if (counts(client.started)) {
    switch (outcome) {
      case Outcome::committed:
        ++result_.committed;
        result_.latency.record(static_cast<std::uint64_t>(nanoseconds(now - client.started).count()));
        break;
      case Outcome::rolled_back: ++result_.rolled_back; break;
      case Outcome::torn: ++result_.torn; break;
      case Outcome::unknown: ++result_.unknown; break;
      case Outcome::refused: ++result_.refused; break;
    }
  }
  refused_in_a_row_ = outcome == Outcome::refused ? refused_in_a_row_ + 1 : 0;
  if (refused_in_a_row_ > kRefusedInARowMax) {
    throw std::runtime_error("the coordinator refuses all transactions: " + driver_->first_trouble());
  }
  if (options_.rate_per_s == 0) {
    if (stage_ != Stage::draining) start(number, now);
  } else if (!backlog_.empty()) {
    const auto due = backlog_.front();
    backlog_.pop_front();
    start(number, due);
  } else {
    free_.push_back(number);
  }
}

void Load::start_due(Time now) {
  const auto period = of_seconds(1 / options_.rate_per_s);
  const auto worth = [this](double seconds) {
    return std::max<std::size_t>(options_.clients, static_cast<std::size_t>(options_.rate_per_s * seconds));
  };
  for (; next_due_ <= now && stage_ != Stage::draining; next_due_ += period) {
    if (!free_.empty()) {
      const auto client = free_.back();
      free_.pop_back();
      start(client, next_due_);
    } else if (backlog_.size() < worth(kBacklogMaxS)) {
      backlog_.push_back(next_due_);
    }
  }
  if (stage_ == Stage::counting && backlog_.size() > worth(kHeldBacklogS)) result_.rate_held = false;
}

void Load::step(Time now) {
  if (now >= next_progress_) {
    next_progress_ = now + kProgressPeriod;
    if (hooks_.progress && !hooks_.progress(result_.committed_in_all)) broken_off_ = true;
  }
  if (options_.rate_per_s > 0) start_due(now);
  driver_->flush();
}

void Load::run_until(Time until) {
  for (auto now = Clock::now(); now < until && !broken_off_; now = Clock::now()) {
    step(now);
    auto wake = std::min(until, next_progress_);
    if (options_.rate_per_s > 0) wake = std::min(wake, next_due_);
    loop_.poll(wake);
  }
}

void Load::drain() {
  const auto bound = Clock::now() + kDrainBound;
  while (running_ > 0 || !backlog_.empty()) {
    const auto now = Clock::now();
    if (now > bound) throw std::runtime_error(std::to_string(running_) + " transactions do not end");
    step(now);
    loop_.poll(std::min(bound, next_progress_));
  }
}

}  // namespace assent::bench
