#pragma once

#include <memory>
#include <span>
#include <string>

#include "participant/config.hpp"
#include "participant/session.hpp"
#include "participant/sql_scan.hpp"
#include "ports/participant.hpp"

namespace assent::participant {

/// A branch's statements, scanned, in order.
using ScannedBranch = std::vector<std::shared_ptr<const ScannedSql>>;

enum class Ending : std::uint8_t { prepare, commit_one_phase };

/// How a branch went on its session, and what it left there.
struct BranchRun {
  ports::Vote vote;
  bool holds_branch = false;  ///< The session has prepared it, and alone should settle it.
  bool reusable = false;      ///< Without the branch, or after it is settled, the session is as good as new.
  bool never_ran = false;  ///< The server had closed the session before it read anything: the branch may be run again.
};

struct RunOptions {
  Ending ending = Ending::prepare;
  /// The server's remark on an UPDATE comes through, so its count needs no statement of its own.
  bool update_remarks = true;
};

/// Runs one branch, from XA START to its vote, in one packet (one phase with expectations: in two). Every failed
/// statement dooms it. Blocks.
BranchRun run_branch(Session& session, const Config& config, const ports::BranchWork& work,
                     const ScannedBranch& statements, RunOptions options);

/// A refusal with a cause of ours.
ports::Vote refuse(const std::string& participant, std::string message, bool retryable);

/// The rows changed, from the server's remark on an UPDATE. Without a remark nothing matched.
std::uint64_t changed_rows(std::string_view remark) noexcept;

}  // namespace assent::participant
