#pragma once

#include <atomic>
#include <chrono>

namespace assent::coordinator {

/// When this process's claim at one participant was last known to be held. For others, the owner is alive for as long
/// as its row is young; one that was stopped for longer must have renewed it before it acts on or tells a decision
/// (protocol::may_act). Thread safe. Times are those of base::since_boot(), which go on while a process is stopped.
class Lease {
 public:
  /// By a renewal that was asked for at this time.
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
