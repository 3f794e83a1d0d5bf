#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

namespace assent::coordinator {

/// A thread for what is asked for now and then and blocks: one chore after the other, at most kWaitingMax waiting.
/// Thread safe.
class Chores {
 public:
  static constexpr std::size_t kWaitingMax = 16;

  Chores() = default;
  ~Chores() { stop(); }
  Chores(const Chores&) = delete;
  Chores& operator=(const Chores&) = delete;

  /// False when too many wait, or after stop(): then the chore is not done.
  bool post(std::function<void()> chore);
  /// Lets those that wait be done, and joins. Idempotent; not from a chore.
  void stop();

 private:
  void loop();

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> waiting_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace assent::coordinator
