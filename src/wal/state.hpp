#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <vector>

#include "ports/decision_log.hpp"

namespace assent::wal {

/// What a sequence of records comes to. Pure. The reader builds the recovered state with it, and the keeper the one it
/// writes into checkpoints. Each record is applied once, in the order of the log; one about a transaction that is not
/// live is of no effect, but for hazards.
class StateBuilder {
 public:
  /// Bound on what the keys take in a checkpoint, so that every checkpoint fits, whatever number of keys is allowed.
  static constexpr std::uint64_t kKeyBytesMax = 512ULL << 20;

  /// Idempotency keys beyond `kept_keys_max` go, the one decided first in the log first; clocks have no say in it. As
  /// many of transactions that were rolled back are kept beside them. When all together take more than `key_bytes_max`,
  /// those that were rolled back go first.
  explicit StateBuilder(std::uint32_t kept_keys_max, std::uint64_t key_bytes_max = kKeyBytesMax)
      : kept_keys_max_(kept_keys_max), key_bytes_max_(key_bytes_max) {}
  StateBuilder(StateBuilder&&) = default;
  StateBuilder& operator=(StateBuilder&&) = default;

  void start(std::uint64_t log_id) { state_.log_id = log_id; }
  void restore(std::string coordinator, std::uint32_t epoch, std::uint32_t first_epoch);
  void restore(ports::LiveDecision live);
  /// Of a transaction that is not live.
  void restore(ports::HazardFound hazard);
  /// The same: one that an operator has seen to.
  void restore_acknowledged(std::string gtrid, std::uint16_t branch, ports::HazardKind kind);
  /// A key that has no order comes behind all others.
  void keep(ports::KeptKey key);
  /// Starts come in their order.
  void restore(std::uint64_t instance, ports::LogStart start);
  void restore_epochs(std::uint32_t last_unsigned, std::uint32_t given_up_below);
  /// The record that is applied next is the one behind this one.
  void reached(std::uint64_t sequence) { state_.last_sequence = sequence; }
  /// Who wrote the records that are applied next, up to the next epoch, is not known.
  void forget_writer() { writer_ = nullptr; }

  void apply(ports::LogRecord&& record);
  void apply(const ports::LogRecord& record);

  const ports::LogState& state() const { return state_; }
  /// The kept keys, first decided first; those that were rolled back behind the others.
  std::vector<std::string> key_order() const;
  /// Every instance, the first one first.
  const std::deque<std::uint64_t>& instance_order() const { return instance_order_; }

 private:
  void on(ports::CommitDecision record);
  void on(const ports::BranchSettled& record);
  void on(const ports::TransactionEnded& record);
  void on(ports::HazardFound record);
  void on(const ports::EpochStarted& record);
  void on(const ports::TransactionRolledBack& record);
  void on(const ports::HazardAcknowledged& record);
  void on(const ports::OperatorAct&) {}
  void on(ports::KeyRolledBack record);
  void count();
  void end(std::map<std::string, ports::LiveDecision>::iterator live);
  bool contradict(const ports::LiveDecision& ended);
  using Keys = std::map<std::string, ports::KeptKey>;
  using Order = std::map<std::uint64_t, std::string>;
  Order& order_of(const ports::KeptKey& key) { return key.rolled_back ? rolled_back_order_ : key_order_; }
  void forget(Keys::iterator key);

  std::uint32_t kept_keys_max_;
  std::uint64_t key_bytes_max_;
  std::uint64_t key_bytes_ = 0;
  ports::LogState state_;
  // Apart, so that failures never push out what must not run twice.
  Order key_order_;
  Order rolled_back_order_;
  std::uint64_t last_order_ = 0;
  std::deque<std::uint64_t> instance_order_;
  ports::LogStart* writer_ = nullptr;  ///< Of the record that comes next; stands in the state.
};

}  // namespace assent::wal
