#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "coordinator/resolver.hpp"

namespace assent::coordinator {

/// Watches another coordinator's signs of life, and finishes its transactions in three phases once it has been silent
/// for long at every participant that can be reached. Wrong about that, it does no harm: see Recoverer. Thread safe.
class Adopter {
 public:
  /// `participants` have the identity of the other one, `coordinator_id`, have not enrolled, and outlive this.
  Adopter(std::string coordinator_id, std::chrono::milliseconds after_silent,
          std::vector<ports::Participant*> participants);
  ~Adopter();
  Adopter(const Adopter&) = delete;
  Adopter& operator=(const Adopter&) = delete;

  void start();
  /// The hazards of the transactions that it has taken up, and those transactions that are in doubt or have a hazard.
  /// Nothing of them is stored here: the next process that looks finds them in the participants' rows. Thread safe.
  std::vector<Hazard> hazards() const { return house_->hazards.all(); }
  std::vector<TransactionStatus> in_doubt() const;
  /// Stops the participants as well. Idempotent.
  void stop();

 private:
  void watch();
  void look();
  bool wait(std::chrono::milliseconds time);

  const std::string coordinator_id_;
  const std::chrono::milliseconds after_silent_;
  const std::vector<ports::Participant*> participants_;
  const std::shared_ptr<House> house_;
  const std::shared_ptr<Resolver> resolver_;
  // The thread's own.
  bool silent_ = false;               ///< It was when it was last looked for.
  std::set<std::string> complained_;  ///< Gtrids.

  std::mutex mutex_;
  std::condition_variable wake_;
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace assent::coordinator
