#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace assent::participant {

/// Threads for what has to wait for the server and may not do so on the loop: connecting, and what a new session has to
/// ask. As many as are needed at once, up to kThreadsMax; what comes beyond waits in order, at most one task for each
/// of the caller's sessions. Thread safe.
class Lane {
 public:
  static constexpr std::size_t kThreadsMax = 8;

  Lane() = default;
  ~Lane() { stop(); }
  Lane(const Lane&) = delete;
  Lane& operator=(const Lane&) = delete;

  void post(std::function<void()> task);
  /// Runs what was posted, and joins. Idempotent. Nothing may be posted afterwards.
  void stop();

 private:
  void loop();

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> tasks_;
  std::vector<std::thread> threads_;
  std::size_t idle_ = 0;
  bool stopping_ = false;
};

}  // namespace assent::participant
