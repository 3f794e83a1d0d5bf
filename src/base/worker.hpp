#pragma once

namespace assent::base {

/// Called by a thread that gathers what many others bring, as it begins: gives it a name of at most 15 bytes, and lets
/// it not drive others off their processors (SCHED_BATCH). Where processors are scarce it then finds more to do each
/// time it runs, and where one is idle it still runs at once.
void name_worker(const char* name) noexcept;

}  // namespace assent::base
