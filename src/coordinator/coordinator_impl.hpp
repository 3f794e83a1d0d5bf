#pragma once

#include <atomic>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.hpp"
#include "base/log.hpp"
#include "coordinator/chores.hpp"
#include "coordinator/coordinator.hpp"
#include "coordinator/house.hpp"
#include "coordinator/live_transaction.hpp"
#include "coordinator/purger.hpp"
#include "coordinator/resolver.hpp"
#include "coordinator/resolver_thread.hpp"

namespace assent::coordinator {

/// What coordinator.hpp promises: taking and ending work in coordinator.cpp, answering queries in
/// coordinator_queries.cpp, what operators ask for in coordinator_recovery.cpp.
class Coordinator::Impl {
 public:
  Impl(Settings settings, ports::LogState recovered, ports::DecisionLog& log,
       std::vector<ports::Participant*> participants);
  ~Impl();
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  Status start(const StartPlan& plan);
  std::optional<std::string> displaced() const;
  void submit(Transaction transaction, SubmitDone done);
  Result<TransactionStatus> status_of_gtrid(const std::string& gtrid) const;
  Result<TransactionStatus> status_of_key(const std::string& key) const;
  std::vector<TransactionStatus> list(std::size_t max) const;
  std::vector<TransactionStatus> left_behind() const;
  std::vector<ParticipantInfo> participants() const;
  ServerInfo info() const;
  std::vector<Hazard> hazards() const;
  void show(Others others);
  void acknowledge(Acknowledgement said, ports::Done<Status> done);
  void survey(SurveyQuery query, ports::Done<Result<Survey>> done);
  void recover_now(std::string who, ports::Done<Result<std::uint64_t>> done);
  std::size_t stop();

 private:
  enum class State : std::uint8_t { starting, serving, draining, stopped };

  Status force_epoch(bool log_lost);
  Status enrol(const StartPlan& plan);
  Result<bool> wait_claimed(const ports::Participant& participant) const;
  ports::Claimant claimant(const StartPlan& plan, const std::string& participant);
  void be_displaced(const std::string& why);
  Status resume_decided();
  /// One that is new, or again. Its idempotency key is claimed.
  void run(Rerun one);
  void keep_rollback(const std::string& key, std::uint64_t print, TransactionResult result, SubmitDone done);
  void caretake();
  Status audit(const std::vector<ports::OperatorAct>& acts) const;
  void purge();
  std::size_t unanswered() const;
  /// Waits until every client has its answer. False if `bound` passed first.
  bool wait_answered(std::chrono::milliseconds bound);
  std::optional<Error> refusal() const;
  std::string state_of_service() const;

  const Settings settings_;
  const ports::LogState recovered_;
  const std::vector<ports::Participant*> participants_;
  const std::shared_ptr<House> house_;
  std::uint32_t epoch_ = 0;
  std::uint32_t first_epoch_ = 0;  ///< Abort is presumed for no older one.
  const base::SteadyTime started_at_ = base::SteadyClock::now();

  std::atomic<State> state_{State::starting};
  /// Held while a transaction gets its number and enters the registry: who holds it sees every number below
  /// `next_sequence_` either in there or over.
  std::mutex numbering_mutex_;
  std::uint64_t next_sequence_ = 1;
  std::atomic<std::uint64_t> submitted_{0};
  std::atomic<std::uint64_t> overloaded_{0};

  mutable std::mutex claims_mutex_;
  mutable std::condition_variable claims_wake_;
  // Participants, by name.
  std::set<std::string> claimed_;               ///< At any time since the start.
  std::map<std::string, std::string> refused_;  ///< Where the owner row keeps this process out now, and why.
  std::optional<std::string> displaced_;

  std::shared_ptr<const Knowledge> knowledge_;
  std::shared_ptr<Resolver> resolver_;
  std::unique_ptr<ResolverThread> resolving_;
  std::vector<std::shared_ptr<Purger>> proof_purgers_;       ///< Of this epoch.
  std::vector<std::shared_ptr<Purger>> past_proof_purgers_;  ///< Of earlier epochs of this log.
  std::vector<std::shared_ptr<Purger>> old_proof_purgers_;   ///< Of three phases, from before this log.
  std::vector<std::shared_ptr<Purger>> acceptor_purgers_;
  std::string log_begins_;    ///< At this gtrid.
  std::string epoch_begins_;  ///< At this gtrid.

  std::mutex caretaker_mutex_;
  std::condition_variable caretaker_wake_;
  std::vector<ports::Participant*> came_up_;
  bool caretaker_stop_ = false;
  std::thread caretaker_;

  mutable std::mutex others_mutex_;
  std::vector<Others> others_;
  Chores chores_;
};

}  // namespace assent::coordinator
