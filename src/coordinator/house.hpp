#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>

#include "base/clock.hpp"
#include "coordinator/admission.hpp"
#include "coordinator/idempotency.hpp"
#include "coordinator/registry.hpp"
#include "ports/decision_log.hpp"

namespace assent::coordinator {

/// A transaction that met a duplicate of its XID and did nothing: to be run once more, under another gtrid.
struct Rerun {
  Transaction transaction;
  std::uint64_t fingerprint = 0;
  base::SteadyTime deadline;
  SubmitDone done;
  std::uint32_t attempt = 0;
};

/// What all transactions of a coordinator share. Kept alive by whichever transaction still waits for an answer of the
/// log or of a participant. The log must outlive the last append. Thread safe.
struct House {
  ports::DecisionLog& log;
  Admission admission;
  Registry registry;
  IdempotencyIndex keys;
  std::function<void(Rerun)> rerun;

  // Notified at every answer, for whoever waits for the last one.
  std::mutex answered_mutex{};
  std::condition_variable answered_wake{};

  std::atomic<std::uint64_t> committed{0};
  std::atomic<std::uint64_t> rolled_back{0};
  std::atomic<std::uint64_t> unknown{0};
  std::atomic<std::uint64_t> hazards_found{0};
  std::atomic<std::uint64_t> settle_retries{0};
  std::atomic<std::uint64_t> sweeps{0};
  std::atomic<std::uint64_t> orphans_rolled_back{0};
  std::atomic<std::uint64_t> orphans_committed{0};
  std::atomic<std::uint64_t> orphan_retries{0};
  std::atomic<std::uint64_t> proof_rows_purged{0};
};

}  // namespace assent::coordinator
