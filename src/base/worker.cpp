#include "base/worker.hpp"

#include <pthread.h>
#include <sched.h>

namespace assent::base {

void name_worker(const char* name) noexcept {
  ::pthread_setname_np(::pthread_self(), name);
  // Where it is not allowed, nothing is lost but speed.
  const sched_param param{};
  (void)::sched_setscheduler(0, SCHED_BATCH, &param);
}

}  // namespace assent::base
