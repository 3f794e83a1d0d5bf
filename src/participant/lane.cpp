#include "participant/lane.hpp"

#include <utility>

#include "base/check.hpp"

namespace assent::participant {

void Lane::post(std::function<void()> task) {
  {
    const std::lock_guard lock(mutex_);
    ASSENT_CHECK(!stopping_);
    tasks_.push_back(std::move(task));
    if (idle_ < tasks_.size() && threads_.size() < kThreadsMax) threads_.emplace_back([this] { loop(); });
  }
  wake_.notify_one();
}

void Lane::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  for (auto& thread : threads_) {
    if (thread.joinable()) thread.join();
  }
}

void Lane::loop() {
  std::unique_lock lock(mutex_);
  for (;;) {
    ++idle_;
    wake_.wait(lock, [this] { return stopping_ || !tasks_.empty(); });
    --idle_;
    if (tasks_.empty()) return;
    const auto task = std::move(tasks_.front());
    tasks_.pop_front();
    lock.unlock();
    task();
    lock.lock();
  }
}

}  // namespace assent::participant
