#include "participant/killer.hpp"

#include <utility>

#include "base/log.hpp"
#include "participant/connector_session.hpp"
#include "participant/presence.hpp"

namespace assent::participant {

void Killer::start() {
  const std::lock_guard lock(mutex_);
  if (!stopping_ && !thread_.joinable()) thread_ = std::thread([this] { loop(); });
}

void Killer::kill(ConnectionIdentity who) {
  {
    const std::lock_guard lock(mutex_);
    asked_.push_back(std::move(who));
  }
  wake_.notify_one();
}

void Killer::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  if (thread_.joinable()) thread_.join();
}

void Killer::loop() {
  const ConnectorThread connector;
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    wake_.wait_for(lock, kPatrolEvery, [this] { return stopping_ || !asked_.empty(); });
    auto doomed = std::exchange(asked_, {});
    lock.unlock();
    for (auto& who : overdue_()) doomed.push_back(std::move(who));
    for (const auto& who : doomed) {
      if (stopped() || !end(who)) break;
    }
    lock.lock();
  }
  lock.unlock();
  session_.reset();
}

bool Killer::stopped() {
  const std::lock_guard lock(mutex_);
  return stopping_;
}

bool Killer::end(const ConnectionIdentity& who) {
  if (session_ && session_->is_dead_when_idle()) session_.reset();
  if (!session_) {
    auto opened = open_control_session(config_);
    // A server that cannot be reached ends the session by itself, or was the reason.
    if (const auto* error = std::get_if<SqlError>(&opened)) {
      spdlog::warn("participant {}: cannot end connection {}: {}", config_.name, who.id, describe(*error));
      return false;
    }
    session_ = std::move(std::get<0>(opened));
  }
  // After the server's restart the number may be another's.
  const auto connected = is_connected(*session_, who);
  if (const auto* living = std::get_if<bool>(&connected); living && *living) {
    session_->run("KILL " + std::to_string(who.id));
  }
  return true;
}

}  // namespace assent::participant
