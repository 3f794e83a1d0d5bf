#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "assent/transaction.hpp"

namespace assent::coordinator {

/// Why transactions were rolled back, for counting.
enum class RollbackReason : std::uint8_t {
  deadlock,
  lock_wait,     ///< A lock was not had in time.
  server_error,  ///< Any other error of a statement.
  connection,    ///< To a participant: not made, or lost.
  by_assent,     ///< An expectation, the deadline, a refused statement, a stop.
};
inline constexpr std::array kRollbackReasons{RollbackReason::deadlock, RollbackReason::lock_wait,
                                             RollbackReason::server_error, RollbackReason::connection,
                                             RollbackReason::by_assent};

RollbackReason reason_of(const std::optional<Cause>& cause);
/// The name of its counter in server.info.
const char* counter_of(RollbackReason reason);

}  // namespace assent::coordinator
