#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>

#include "coordinator/admission.hpp"
#include "coordinator/idempotency.hpp"
#include "coordinator/registry.hpp"
#include "ports/decision_log.hpp"

namespace assent::coordinator {

/// What all transactions of a coordinator share. Kept alive by whichever transaction still waits for an answer of the
/// log or of a participant. The log must outlive the last append. Thread safe.
struct House {
  ports::DecisionLog& log;
  Admission admission;
  Registry registry;
  IdempotencyIndex keys;

  // Notified at every answer, for whoever waits for the last one.
  std::mutex answered_mutex{};
  std::condition_variable answered_wake{};

  std::atomic<std::uint64_t> committed{0};
  std::atomic<std::uint64_t> rolled_back{0};
  std::atomic<std::uint64_t> unknown{0};
  std::atomic<std::uint64_t> hazards_found{0};
  std::atomic<std::uint64_t> settle_retries{0};
  std::atomic<std::uint64_t> orphans_rolled_back{0};
  std::atomic<std::uint64_t> proof_rows_purged{0};
};

}  // namespace assent::coordinator
