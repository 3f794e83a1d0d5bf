#pragma once

#include <array>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "coordinator/admission.hpp"
#include "coordinator/hazard_book.hpp"
#include "coordinator/idempotency.hpp"
#include "coordinator/lease.hpp"
#include "coordinator/registry.hpp"
#include "coordinator/rollbacks.hpp"
#include "ports/decision_log.hpp"
#include "ports/participant.hpp"

namespace assent::coordinator {

/// A transaction that met a duplicate of its XID and did nothing: to be run once more, under another gtrid.
struct Rerun {
  Transaction transaction;
  std::uint64_t fingerprint = 0;
  base::SteadyTime deadline;
  SubmitDone done;
  std::uint32_t attempt = 0;
};

/// Where a branch runs, or an acceptor is kept.
struct Place {
  ports::Participant* participant = nullptr;
  Admission::ParticipantIndex index = 0;
  bool keeps_proofs = true;
  Lease* lease = nullptr;
};

/// What all transactions of a coordinator share. Kept alive by whichever transaction still waits for an answer of the
/// log or of a participant. The log must outlive the last append. Thread safe.
struct House {
  ports::DecisionLog& log;
  Admission admission;
  Registry registry;
  IdempotencyIndex keys;
  HazardBook hazards{};
  std::map<std::string, Place> places;  ///< By the participant's name.
  std::map<std::string, Lease> leases{};
  /// Another process has taken a claim. This one may settle nothing any more, and the only outcome that it may report
  /// is unknown.
  std::atomic<bool> displaced{false};
  /// Whether it must hold claims to act. A process that finishes another coordinator's transactions holds none: what it
  /// does was decided by the acceptors, the rows or an operator.
  bool acts_by_claims = true;
  /// Since the start, before anything is brought back. See is_outcome().
  std::uint32_t given_up_below = 0;
  std::function<void(Rerun)> rerun;
  bool log_rollbacks = false;  ///< A line in the log for each.

  /// Of the participants, by branch. An error when one of them, or a majority of the acceptors, is not known.
  Result<std::vector<Place>> places_of(const protocol::Members& members) const;

  // Notified at every answer. stop() waits for the last one.
  std::mutex answered_mutex{};
  std::condition_variable answered_wake{};

  std::atomic<std::uint64_t> committed{0};
  std::atomic<std::uint64_t> rolled_back{0};
  std::array<std::atomic<std::uint64_t>, kRollbackReasons.size()> rollbacks{};  ///< Of these, by RollbackReason.
  std::atomic<std::uint64_t> unknown{0};
  std::atomic<std::uint64_t> hazards_found{0};
  std::atomic<std::uint64_t> settle_retries{0};
  std::atomic<std::uint64_t> sweeps{0};
  std::atomic<std::uint64_t> full_sweeps{0};  ///< That have come round to all there is.
  std::atomic<std::uint64_t> orphans_rolled_back{0};
  std::atomic<std::uint64_t> orphans_committed{0};
  std::atomic<std::uint64_t> orphan_retries{0};
  std::atomic<std::uint64_t> proof_rows_purged{0};
  std::atomic<std::uint64_t> acceptor_rows_purged{0};
  std::atomic<std::uint64_t> pre_commits_outbid{0};
  std::atomic<std::uint64_t> terminated_commit{0};
  std::atomic<std::uint64_t> terminated_rollback{0};
};

/// With places for all of them. `keys_max`: as IdempotencyIndex; `live_max`: as Registry.
std::shared_ptr<House> make_house(ports::DecisionLog& log, const std::vector<ports::Participant*>& participants,
                                  std::size_t live_max, std::size_t keys_max);

}  // namespace assent::coordinator
