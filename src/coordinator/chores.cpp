#include "coordinator/chores.hpp"

#include <utility>

namespace assent::coordinator {

bool Chores::post(std::function<void()> chore) {
  {
    const std::lock_guard lock(mutex_);
    if (stopping_ || waiting_.size() >= kWaitingMax) return false;
    if (!thread_.joinable()) thread_ = std::thread([this] { loop(); });
    waiting_.push_back(std::move(chore));
  }
  wake_.notify_one();
  return true;
}

void Chores::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  if (thread_.joinable()) thread_.join();
}

void Chores::loop() {
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
    if (waiting_.empty()) return;
    const auto chore = std::move(waiting_.front());
    waiting_.pop_front();
    lock.unlock();
    chore();
    lock.lock();
  }
}

}  // namespace assent::coordinator
