#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "assent/result.hpp"
#include "assent/transaction.hpp"
#include "ports/done.hpp"

namespace assent::ports {

/// The decision to commit: the only record that is forced. Presumed abort (Mohan, Lindsay and Obermarck 1986):
/// a transaction without one was rolled back. In three phases it is the intention to: the acceptors decide.
struct CommitDecision {
  std::string gtrid;
  Protocol protocol = Protocol::two_phase;
  std::vector<std::string> participants;  ///< By branch: participants[0] holds branch 1.
  std::vector<std::string> acceptors{};   ///< In three phases.
  std::string idempotency_key;            ///< Empty: none.
  std::uint64_t request_fingerprint = 0;  ///< Tells a resubmission from another request under the same key.
  std::string label;
  std::int64_t decided_at_ms = 0;  ///< Wall clock, for people.
  /// Of the server behind each name, in the same order; empty, or 0 for one of them: not known.
  std::vector<std::uint64_t> identities{};
  std::vector<std::uint64_t> acceptor_identities{};
  bool operator==(const CommitDecision&) const = default;
};

/// A branch of a decided transaction is proven committed. Not forced: losing it costs a repetition.
struct BranchSettled {
  std::string gtrid;
  std::uint16_t branch = 0;  ///< Counted from 1.
  bool operator==(const BranchSettled&) const = default;
};

/// Every branch is settled. Not forced. Of a transaction that the log does not have: nothing is left of it anywhere, so
/// that what operators have said of it can be forgotten.
struct TransactionEnded {
  std::string gtrid;
  bool operator==(const TransactionEnded&) const = default;
};

/// One in three phases came to a rollback, and every branch is settled. Not forced.
struct TransactionRolledBack {
  std::string gtrid;
  bool operator==(const TransactionRolledBack&) const = default;
};

/// What a hazard shows of its transaction, also when no row does any more.
enum class HazardKind : std::uint8_t {
  lost,               ///< To commit, and gone without its proof row.
  committed_against,  ///< To be rolled back, or not decided; and committed.
};

/// A branch that came to the opposite of what was decided. Stays until BranchSettled, or until it is acknowledged; its
/// kind stays with the acknowledgement.
struct HazardFound {
  std::string gtrid;
  std::uint16_t branch = 0;
  std::string reason;
  std::int64_t found_at_ms = 0;
  HazardKind kind = HazardKind::lost;
  bool operator==(const HazardFound&) const = default;
};

/// The coordinator started: every gtrid made from now on carries this epoch.
struct EpochStarted {
  std::string coordinator;
  std::uint32_t epoch = 0;
  std::int64_t started_at_ms = 0;
  std::uint64_t instance = 0;  ///< Of this start, at random; 0: not known (written by an older version).
  /// An operator said that the log before this one is lost: abort is presumed for nothing older than this epoch.
  bool log_lost = false;
  bool operator==(const EpochStarted&) const = default;
};

/// An operator knows of the hazard, and has seen to it. Nothing more is done about the branch; its transaction is never
/// told as committed.
struct HazardAcknowledged {
  std::string gtrid;
  std::uint16_t branch = 0;
  std::string who;
  std::string reason;
  std::int64_t acknowledged_at_ms = 0;
  bool operator==(const HazardAcknowledged&) const = default;
};

/// What an operator has had the recovery tool do. For people: changes nothing.
struct OperatorAct {
  std::string act;  ///< "commit", "roll_back", "choose_commit", "choose_rollback".
  std::string gtrid;
  std::uint16_t branch = 0;  ///< From 1; 0: all of them.
  std::string who;
  std::string why;
  std::int64_t done_at_ms = 0;
  bool operator==(const OperatorAct&) const = default;
};

/// A transaction with an idempotency key was rolled back: the same answer is given again under this key until it is run
/// again and committed. Forced before anybody is told who wants that answer to stand (OnRolledBack::return_outcome);
/// nobody else needs it.
struct KeyRolledBack {
  std::string idempotency_key;
  std::string gtrid;
  std::uint64_t request_fingerprint = 0;
  std::vector<std::string> participants;
  std::optional<Cause> cause;  ///< Its message is cut at kKeptCauseBytesMax.
  std::int64_t rolled_back_at_ms = 0;
  bool operator==(const KeyRolledBack&) const = default;
};

/// Of a cause's message that the log keeps.
inline constexpr std::size_t kKeptCauseBytesMax = 1024;

using LogRecord = std::variant<CommitDecision, BranchSettled, TransactionEnded, HazardFound, EpochStarted,
                               TransactionRolledBack, HazardAcknowledged, OperatorAct, KeyRolledBack>;

/// A decided transaction (in three phases: one that may be decided) that has not ended, as the log tells it.
struct LiveDecision {
  CommitDecision decision;
  std::set<std::uint16_t> settled;
  std::map<std::uint16_t, HazardFound> hazards;
  std::map<std::uint16_t, HazardKind> acknowledged{};  ///< Hazards that an operator has acknowledged.
  bool operator==(const LiveDecision&) const = default;
};

/// A transaction whose idempotency key is still kept: committed, live, or rolled back.
struct KeptKey {
  std::string key;
  std::string gtrid;
  std::uint64_t request_fingerprint = 0;
  std::int64_t decided_at_ms = 0;
  std::vector<std::string> participants;
  bool contradicted = false;     ///< A branch of it had a hazard to the end: its outcome is unknown, for ever.
  bool rolled_back = false;      ///< As KeyRolledBack says.
  std::optional<Cause> cause{};  ///< Of the rollback.
  /// Its place in the order of the log, which is the order in which keys are given up; no clock has a say in it.
  std::uint64_t order = 0;
  bool operator==(const KeptKey&) const = default;
};

/// One start that wrote a log.
struct LogStart {
  std::uint32_t epoch = 0;
  /// The last record that it wrote: the one before the next start's first, or the log's last.
  std::uint64_t last_sequence = 0;
  bool operator==(const LogStart&) const = default;
};

/// All a coordinator needs of its log to go on where it was cut off.
struct LogState {
  std::uint64_t log_id = 0;  ///< Made at random when the log was created; tells a replaced log from the one before.
  std::string coordinator;   ///< Empty in a log that has not seen an epoch yet.
  std::uint32_t epoch = 0;   ///< The last one started; 0 in a fresh log.
  /// The first one started in this log, or since the log before it was called lost; 0 in a fresh one. Abort is
  /// presumed for no older one.
  std::uint32_t first_epoch = 0;
  std::map<std::string, LiveDecision> live;  ///< By gtrid.
  std::map<std::string, KeptKey> kept_keys;  ///< By key.
  /// Every start that wrote this log, by its instance; the oldest go when there are more than kInstanceBytesMax.
  std::map<std::uint64_t, LogStart> instances;
  std::uint32_t last_unsigned_epoch = 0;  ///< The last one started by a version that wrote no instance; 0: none.
  /// Of the last start at which the log before it was called lost (EpochStarted::log_lost); 0: none. What owners of
  /// epochs below it wrote is given up.
  std::uint32_t given_up_below = 0;
  std::uint64_t last_sequence = 0;  ///< Of the last record that was read; 0: none.
  /// Hazards of transactions that are not live, by gtrid and branch.
  std::map<std::pair<std::string, std::uint16_t>, HazardFound> hazards;
  /// Those that an operator has seen to, of transactions that have ended or were never live, until TransactionEnded is
  /// said of them once more: their rows may still stand at participants.
  std::map<std::pair<std::string, std::uint16_t>, HazardKind> acknowledged;
  bool operator==(const LogState&) const = default;
};

/// Bound on LogState::instances, by the 20 bytes that each takes in a checkpoint: more than 52,000 starts.
inline constexpr std::size_t kInstanceBytesMax = 1U << 20;

enum class LogCondition : std::uint8_t {
  accepting,
  reserve_only,  ///< The disk is full: running transactions finish in the reserved segment, new ones are refused.
  poisoned,      ///< A write or sync failed. Nothing will ever be acknowledged again; the process must stop.
};

struct LogStats {
  std::uint64_t forced_records = 0;
  std::uint64_t records = 0;
  std::uint64_t syncs = 0;
  std::uint64_t bytes_written = 0;
  std::uint64_t checkpoints = 0;
};

/// Where decisions become durable. Thread safe.
class DecisionLog {
 public:
  virtual ~DecisionLog() = default;

  /// Appends and makes durable. `done` gets success only once the record and all appended before it are on the disk;
  /// records waiting at the same time share one sync. Errc::log_indeterminate means that it may or may not be durable,
  /// for ever; every other error (log_full, overloaded, shutting_down, invalid_argument), that it surely is not.
  virtual void append_forced(LogRecord record, Done<Status> done) = 0;

  /// Appends without waiting. The record becomes durable with the next sync, or is lost in a crash.
  /// `on_durable`, if given, is called once it is durable, and never if it is not known to be.
  virtual void append(LogRecord record, std::function<void()> on_durable = nullptr) = 0;

  virtual LogCondition condition() const = 0;
  /// Every record up to this sequence is durable. Counted from 1 in a new log, without gaps, over all starts. Cheap.
  virtual std::uint64_t durable_sequence() const = 0;
  virtual LogStats stats() const = 0;
};

}  // namespace assent::ports
