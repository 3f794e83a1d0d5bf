#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "assent/result.hpp"
#include "assent/status.hpp"
#include "assent/survey.hpp"
#include "assent/transaction.hpp"
#include "coordinator/start_fence.hpp"
#include "ports/decision_log.hpp"
#include "ports/participant.hpp"

namespace assent::coordinator {

/// Bounds and periods; the configuration fills them in.
struct Settings {
  std::string coordinator_id;
  std::uint32_t live_transactions_max = 1024;  ///< Running, waiting and unsettled ones; more are refused as overloaded.
  std::uint32_t idempotency_keys_max = 100'000;  ///< Committed keys kept; the oldest go first.
  std::uint32_t statements_per_transaction_max = 1000;
  std::chrono::milliseconds default_timeout{5'000};
  std::chrono::milliseconds timeout_max{300'000};
  std::chrono::milliseconds sweep_period{2'000};
  std::chrono::milliseconds drain_timeout{10'000};  ///< How long stop() lets running transactions finish.
  bool log_rollbacks = false;                       ///< Each transaction that is rolled back is a line in the log.
  Protocol default_protocol = Protocol::two_phase;  ///< Of a transaction that names none.
  /// Of every transaction in three phases, by name: participants of this coordinator. Empty: those of the transaction.
  std::vector<std::string> acceptors;
  std::set<std::string> witnesses;  ///< Participants that are acceptors only.
  /// Writes down what an operator has had done, before it is; may block. An error keeps it from being done.
  std::function<Status(const std::vector<ports::OperatorAct>&)> audit;
};

/// Takes transactions, drives each by the rules of src/protocol, and settles what is left over by itself or its
/// predecessors. Thread safe.
class Coordinator {
 public:
  Coordinator(Settings settings, ports::LogState recovered, ports::DecisionLog& log,
              std::vector<ports::Participant*> participants);
  ~Coordinator();
  Coordinator(const Coordinator&) = delete;
  Coordinator& operator=(const Coordinator&) = delete;

  /// Makes the epoch durable, enrols the participants and goes on with what the log left. Participants may be down.
  /// What is planned was ruled on by plan_start() just before. Blocks for a sync.
  Status start(const StartPlan& plan);
  /// Why this process may settle nothing any more, once another one has taken a claim of its own. It takes no more work
  /// then, and must end.
  std::optional<std::string> displaced() const;

  /// Runs a transaction. `done` gets its result, or an Error when nothing was run. It is called on the loop's, one
  /// of the participants' or the log's threads, or before submit() returns, when the answer is known at once.
  void submit(Transaction transaction, ports::Done<Result<TransactionResult>> done);

  Result<TransactionStatus> status_of_gtrid(const std::string& gtrid) const;
  Result<TransactionStatus> status_of_key(const std::string& idempotency_key) const;
  /// What is live, in doubt or a hazard; oldest first, at most `max`.
  std::vector<TransactionStatus> list(std::size_t max) const;
  /// Those of them that no process is working on: they were left behind and are not settled yet, or wait for an
  /// operator.
  std::vector<TransactionStatus> left_behind() const;
  std::vector<ParticipantInfo> participants() const;
  ServerInfo info() const;

  /// What is finished here in the place of others is shown as well.
  struct Others {
    std::function<std::vector<Hazard>()> hazards;
    std::function<std::vector<TransactionStatus>()> in_doubt;
  };
  void show(Others others);

  /// The hazards that nobody has acknowledged, by gtrid and branch.
  std::vector<Hazard> hazards() const;
  /// Makes the acknowledgement durable; then the hazard is closed, and its branch counts as settled.
  /// Errc::not_found when there is no such hazard.
  void acknowledge(Acknowledgement acknowledgement, ports::Done<Status> done);

  /// Looks at what is in doubt at the participants. Errc::overloaded when too many look already. `done` is called on a
  /// thread of the coordinator's own.
  void survey(SurveyQuery query, ports::Done<Result<Survey>> done);
  /// Brings what has a certain verdict to its end now, rather than at its next turn, and writes down who wanted it.
  /// Gives how many branches that is; what becomes of them, survey() tells.
  void recover_now(std::string who, ports::Done<Result<std::uint64_t>> done);

  /// Takes no more work, lets what runs finish for at most `drain_timeout`, rolls back what is undecided then, and
  /// stops. Decided branches that could not be settled are left to the next start. Gives how many transactions were
  /// left.
  std::size_t stop();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace assent::coordinator
