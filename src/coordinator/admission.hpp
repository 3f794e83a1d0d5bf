#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

namespace assent::coordinator {

/// Bounds how many branches are in flight at each participant. A transaction starts once it holds a slot at every one
/// of its participants, so that none runs and waits for another's session.
///
/// No deadlock: a ticket queues at all its participants in one step, so it waits only for tickets that came before it,
/// and the oldest waits for nobody that waits. No starvation: each queue is first come, first served.
/// Queues are bounded by the coordinator's bound on live transactions. Thread safe.
class Admission {
 public:
  using ParticipantIndex = std::uint32_t;

  /// One transaction's claim.
  struct Ticket;

  /// `slots`: how many branches may be in flight, by participant.
  explicit Admission(const std::vector<std::uint32_t>& slots);

  /// A claim on one slot at every one of `participants`. `start` is called once it is complete, at most once.
  static std::shared_ptr<Ticket> ticket(std::vector<ParticipantIndex> participants, std::function<void()> start);

  /// Queues. `start` is called before admit() returns, or later on a thread that releases a slot.
  void admit(const std::shared_ptr<Ticket>& ticket);

  /// Gives up waiting. True if `start` was not called and never will be; its slots are then free again. Also before
  /// admit().
  bool cancel(const std::shared_ptr<Ticket>& ticket);

  /// Gives back one slot of a started transaction.
  void release(ParticipantIndex participant);

 private:
  struct Queue {
    std::uint32_t free = 0;
    std::deque<std::shared_ptr<Ticket>> waiting;
  };

  /// Hands the slot to the next in line, or keeps it free. Collects a ticket that is now complete. Needs the mutex.
  void pass_on(ParticipantIndex participant, std::vector<std::shared_ptr<Ticket>>& complete);
  static void run(const std::vector<std::shared_ptr<Ticket>>& complete);

  std::mutex mutex_;
  std::vector<Queue> queues_;
};

}  // namespace assent::coordinator
