#pragma once

#include <atomic>
#include <chrono>

namespace assent::coordinator {

/// When this process's claim at one participant was last known to be held. Other processes take the owner for alive as
/// long as its row is young. A process that was stopped for longer than that must renew its claim before it acts on a
/// decision or reports one (protocol::may_act). Thread safe. Times are those of base::since_boot(), a clock that goes
/// on while a process is stopped.
class Lease {
 public:
  /// A renewal that was sent at this time has succeeded.
  void held(std::chrono::milliseconds asked_at) { asked_at_.store(asked_at.count(), std::memory_order_relaxed); }
  std::chrono::milliseconds since_renewal(std::chrono::milliseconds now) const {
    return now - std::chrono::milliseconds(asked_at_.load(std::memory_order_relaxed));
  }

 private:
  /// Before it was ever claimed: longer ago than anything.
  static constexpr std::chrono::milliseconds kNever = -std::chrono::hours(24 * 365);
  std::atomic<std::chrono::milliseconds::rep> asked_at_{kNever.count()};
};

}  // namespace assent::coordinator
