#include "coordinator/rollbacks.hpp"

namespace assent::coordinator {

RollbackReason reason_of(const std::optional<Cause>& cause) {
  if (!cause || cause->server_errno == 0) return RollbackReason::by_assent;
  switch (cause->server_errno) {
    case 1213:  // ER_LOCK_DEADLOCK
    case 1614:  // ER_XA_RBDEADLOCK
      return RollbackReason::deadlock;
    case 1205:  // ER_LOCK_WAIT_TIMEOUT
    case 1613:  // ER_XA_RBTIMEOUT
    case 3572:  // ER_LOCK_NOWAIT
      return RollbackReason::lock_wait;
    default: break;
  }
  // The client library's own numbers.
  const bool of_the_connection = cause->server_errno >= 2000 && cause->server_errno < 3000;
  return of_the_connection ? RollbackReason::connection : RollbackReason::server_error;
}

const char* counter_of(RollbackReason reason) {
  switch (reason) {
    case RollbackReason::deadlock: return "rolled_back_deadlock";
    case RollbackReason::lock_wait: return "rolled_back_lock_wait";
    case RollbackReason::server_error: return "rolled_back_server_error";
    case RollbackReason::connection: return "rolled_back_connection";
    case RollbackReason::by_assent: return "rolled_back_by_assent";
  }
  return "";
}

}  // namespace assent::coordinator
