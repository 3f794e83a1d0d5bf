#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "assent/value.hpp"

namespace assent {

/// The commit protocol of a transaction. The number is part of its gtrid and of the log.
enum class Protocol : std::uint8_t { two_phase = 2, three_phase = 3 };

/// How a transaction ended, as far as it is known. A caller must handle the third.
enum class Outcome : std::uint8_t { committed, rolled_back, unknown };

enum class Isolation : std::uint8_t {
  server_default,
  read_uncommitted,
  read_committed,
  repeatable_read,
  serializable,
};

/// What sending a transaction again under its idempotency key does, once it was rolled back.
enum class OnRolledBack : std::uint8_t {
  return_outcome,  ///< Gives that rollback again, through restarts of the coordinator, too.
  run_again,       ///< Runs it once more under the same key.
};

/// Bounds on the rows a statement may affect, both included. Outside them the whole transaction rolls back.
struct AffectedRange {
  std::uint64_t min = 0;
  std::uint64_t max = UINT64_MAX;
  bool operator==(const AffectedRange&) const = default;
};

struct Statement {
  std::string sql;          ///< One statement; `?` stands for the next argument.
  std::vector<Value> args;  ///< As many as there are `?` in `sql`.
  std::optional<AffectedRange> expect_affected;
};

/// What is to be done at one participant. A participant appears at most once in a transaction.
struct Branch {
  std::string participant;
  std::vector<Statement> statements;  ///< Run in order.
};

/// A whole transaction, as an application submits it.
struct Transaction {
  std::optional<Protocol> protocol;  ///< Nothing: the coordinator's default.
  /// Counted from its arrival. Before the decision its passing rolls back; afterwards it only ends the wait for
  /// `settled`. Zero means the coordinator's default.
  std::chrono::milliseconds timeout{0};
  Isolation isolation = Isolation::server_default;
  std::string idempotency_key;  ///< Empty: none. A resubmission returns the first outcome while it is kept.
  OnRolledBack on_rolled_back = OnRolledBack::return_outcome;  ///< Only with an idempotency key.
  std::string label;  ///< For people: shown by listings and tools. May be empty.
  std::vector<Branch> branches;
};

/// Rows of a SELECT. Every row has as many values as there are columns.
struct Rows {
  std::vector<std::string> columns;
  std::vector<std::vector<Value>> rows;
};

struct StatementResult {
  std::uint64_t affected = 0;  ///< Rows changed; 0 for a SELECT.
  std::optional<std::uint64_t> last_insert_id;
  std::optional<Rows> rows;  ///< Present for a SELECT, even when no row came.
};

enum class BranchState : std::uint8_t {
  active,        ///< Running, or waiting to run.
  prepared,      ///< Voted yes; waits for the decision.
  committed,     ///< Proven committed.
  rolled_back,   ///< Rolled back, or never started.
  in_doubt,      ///< Its vote or its settling was lost; being looked up or retried.
  unproven,      ///< Committed by all that was said, but no proof row was kept to show it.
  acknowledged,  ///< Was a hazard, and an operator has seen to it.
  hazard,        ///< Decided commit, and the branch is gone without its proof row. An operator must look.
};

struct BranchResult {
  std::string participant;
  BranchState state = BranchState::active;
  std::vector<StatementResult> statements;  ///< Filled when the branch ran and the transaction committed.
};

/// Why a transaction rolled back. `server_errno` and `sqlstate` are the server's, or 0 and empty when the reason is
/// ours.
struct Cause {
  std::string participant;
  std::optional<std::uint32_t> statement;  ///< Counted from 0 within the branch.
  std::uint32_t server_errno = 0;
  std::string sqlstate;
  std::string message;     ///< May quote the server, and so the application's own data.
  bool retryable = false;  ///< True when the same transaction may succeed if submitted again.
  bool operator==(const Cause&) const = default;
};

struct TransactionResult {
  std::string gtrid;
  Outcome outcome = Outcome::unknown;
  bool settled = false;       ///< Whether every branch was known settled when this was said.
  bool rows_omitted = false;  ///< The rows of SELECTs were left out: with them the answer was over the server's bound.
  std::vector<BranchResult> branches;
  std::optional<Cause> cause;  ///< Only when rolled back.
};

// Lower-case names, as on the wire and in listings.

constexpr const char* to_string(Protocol protocol) noexcept {
  switch (protocol) {
    case Protocol::two_phase: return "2pc";
    case Protocol::three_phase: return "3pc";
  }
  return "";
}

constexpr const char* to_string(Outcome outcome) noexcept {
  switch (outcome) {
    case Outcome::committed: return "committed";
    case Outcome::rolled_back: return "rolled_back";
    case Outcome::unknown: return "unknown";
  }
  return "";
}

constexpr const char* to_string(OnRolledBack what) noexcept {
  switch (what) {
    case OnRolledBack::return_outcome: return "return";
    case OnRolledBack::run_again: return "run_again";
  }
  return "?";
}

constexpr const char* to_string(Isolation isolation) noexcept {
  switch (isolation) {
    case Isolation::server_default: return "server_default";
    case Isolation::read_uncommitted: return "read_uncommitted";
    case Isolation::read_committed: return "read_committed";
    case Isolation::repeatable_read: return "repeatable_read";
    case Isolation::serializable: return "serializable";
  }
  return "";
}

constexpr const char* to_string(BranchState state) noexcept {
  switch (state) {
    case BranchState::active: return "active";
    case BranchState::prepared: return "prepared";
    case BranchState::committed: return "committed";
    case BranchState::rolled_back: return "rolled_back";
    case BranchState::in_doubt: return "in_doubt";
    case BranchState::unproven: return "unproven";
    case BranchState::acknowledged: return "acknowledged";
    case BranchState::hazard: return "hazard";
  }
  return "";
}

}  // namespace assent
