#pragma once

#include <cstdint>
#include <deque>
#include <string>

#include "ports/decision_log.hpp"

namespace assent::wal {

/// What a sequence of records comes to. Pure. The reader builds the recovered state with it, and the keeper the one it
/// writes into checkpoints. Each record is applied once, in the order of the log; one about a transaction that is not
/// live is of no effect, but for hazards.
class StateBuilder {
 public:
  /// Idempotency keys beyond `kept_keys_max` go, the one decided first in the log first; clocks have no say in it.
  explicit StateBuilder(std::uint32_t kept_keys_max) : kept_keys_max_(kept_keys_max) {}

  void start(std::uint64_t log_id) { state_.log_id = log_id; }
  void restore(std::string coordinator, std::uint32_t epoch, std::uint32_t first_epoch);
  void restore(ports::LiveDecision live);
  /// Of a transaction that is not live.
  void restore(ports::HazardFound hazard);
  /// Keys come in the order in which they were decided.
  void keep(ports::KeptKey key);

  void apply(ports::LogRecord&& record);
  void apply(const ports::LogRecord& record);

  const ports::LogState& state() const { return state_; }
  /// The kept keys, first decided first.
  const std::deque<std::string>& key_order() const { return key_order_; }

 private:
  void on(ports::CommitDecision record);
  void on(const ports::BranchSettled& record);
  void on(const ports::TransactionEnded& record);
  void on(ports::HazardFound record);
  void on(const ports::EpochStarted& record);
  void on(const ports::TransactionRolledBack& record);
  void on(const ports::HazardAcknowledged& record);
  void on(const ports::OperatorAct&) {}
  bool contradict(const ports::LiveDecision& ended);

  std::uint32_t kept_keys_max_;
  ports::LogState state_;
  std::deque<std::string> key_order_;
};

}  // namespace assent::wal
