#include "coordinator/adopter.hpp"

#include <spdlog/spdlog.h>

#include <utility>

#include "coordinator/live_transaction.hpp"

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
      house_(make_house_without_log(participants_)),
      resolver_(std::make_shared<Resolver>(Resolver::Means{.participants = participants_,
                                                           .house = house_,
                                                           .knowledge = nullptr,
                                                           .in_anothers_place = true,
                                                           .only_three_phase = true,
                                                           .interrupted = [this] { return stopping_.load(); }})) {}

Adopter::~Adopter() {
  stop();
  house_->registry.clear();
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

std::vector<TransactionStatus> Adopter::in_doubt() const {
  std::vector<TransactionStatus> all;
  for (const auto& live : house_->registry.all()) all.push_back(live->status());
  std::erase_if(all, [](const auto& status) { return status.settled; });
  return all;
}

void Adopter::watch() {
  auto next_look = base::SteadyClock::now();
  for (;;) {
    if (base::SteadyClock::now() >= next_look) {
      look();
      next_look = base::SteadyClock::now() + kLookEvery;
    }
    for (const auto& live : house_->registry.all()) live->tick(base::SteadyClock::now());
    if (wait(house_->registry.live() > 0 ? kTick : kLookEvery)) return;
  }
}

void Adopter::look() {
  const auto silence = resolver_->surveyor().silence();
  const bool silent = silence && *silence >= after_silent_;
  if (silent != std::exchange(silent_, silent) && silence) {
    if (silent) {
      spdlog::warn("coordinator '{}' has been silent for {} ms: its transactions in three phases are finished here",
                   coordinator_id_, silence->count());
    } else {
      spdlog::info("coordinator '{}' gives signs of life again", coordinator_id_);
    }
  }
  // It finishes the rest itself, and what it has settled can no longer be looked up.
  if (!silent) return house_->registry.clear();
  resolver_->settle(resolver_->surveyor().look(nullptr));
  for (const auto& [gtrid, why] : resolver_->refused()) {
    if (complained_.insert(gtrid).second) spdlog::critical("{}: cannot be finished: {}", gtrid, why);
  }
}

bool Adopter::wait(std::chrono::milliseconds time) {
  std::unique_lock lock(mutex_);
  return wake_.wait_for(lock, time, [this] { return stopping_.load(); });
}

}  // namespace assent::coordinator
