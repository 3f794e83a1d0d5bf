#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "coordinator/resolver.hpp"

namespace assent::coordinator {

/// Has a resolver go its rounds: one each period, and one at once when it is woken, or when the last one has settled
/// something and left more. Thread safe.
class ResolverThread {
 public:
  ResolverThread(Resolver& resolver, std::chrono::milliseconds period) : resolver_(resolver), period_(period) {}
  ~ResolverThread() { stop(); }
  ResolverThread(const ResolverThread&) = delete;
  ResolverThread& operator=(const ResolverThread&) = delete;

  void start();
  void wake();
  /// Nothing more is begun. What it waits for at participants is answered once they are stopped; then stop() joins.
  void interrupt();
  void stop();
  bool is_stopping() const { return stopping_.load(); }

 private:
  void loop();

  Resolver& resolver_;
  const std::chrono::milliseconds period_;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool woken_ = false;
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace assent::coordinator
