#include "coordinator/adopter.hpp"

#include <spdlog/spdlog.h>

#include <utility>

namespace assent::coordinator {
namespace {

constexpr std::chrono::milliseconds kTick{10};
constexpr std::chrono::milliseconds kLookEvery{1'000};

}  // namespace

Adopter::Adopter(std::string coordinator_id, std::chrono::milliseconds after_silent,
                 std::vector<ports::Participant*> participants)
    : coordinator_id_(std::move(coordinator_id)),
      after_silent_(after_silent),
      participants_(std::move(participants)),
      recoverer_(participants_) {}

Adopter::~Adopter() {
  stop();
}

void Adopter::start() {
  thread_ = std::thread([this] { watch(); });
}

void Adopter::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  // Whatever the thread waits for is answered by that.
  for (auto* participant : participants_) participant->stop();
  if (thread_.joinable()) thread_.join();
}

void Adopter::watch() {
  auto next_look = base::SteadyClock::now();
  for (;;) {
    if (base::SteadyClock::now() >= next_look) {
      look();
      next_look = base::SteadyClock::now() + kLookEvery;
    }
    recoverer_.tick(base::SteadyClock::now());
    if (wait(recoverer_.live() > 0 ? kTick : kLookEvery)) return;
  }
}

void Adopter::look() {
  const auto silence = recoverer_.silence();
  const bool silent = silence && *silence >= after_silent_;
  if (silent != std::exchange(silent_, silent) && silence) {
    if (silent) {
      spdlog::warn("coordinator '{}' has been silent for {} ms: its transactions in three phases are finished here",
                   coordinator_id_, silence->count());
    } else {
      spdlog::info("coordinator '{}' gives signs of life again", coordinator_id_);
    }
  }
  // It finishes the rest itself, and what it has settled cannot be looked up any more.
  if (!silent) return recoverer_.let_go();
  const auto left = recoverer_.look();
  recoverer_.finish_closed(left);
  for (const auto& [gtrid, why] : recoverer_.take_up(left)) {
    if (complained_.insert(gtrid).second) spdlog::critical("{}: cannot be finished: {}", gtrid, why);
  }
}

bool Adopter::wait(std::chrono::milliseconds time) {
  std::unique_lock lock(mutex_);
  return wake_.wait_for(lock, time, [this] { return stopping_; });
}

}  // namespace assent::coordinator
