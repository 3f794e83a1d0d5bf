#pragma once

#include <sys/types.h>

#include <string>

#include "bench/bench_results.hpp"

namespace assent::bench {

/// What the kernel says of a process; all 0 when there is none. pid 0 stands for "not known" and reads as 0.
struct Memory {
  double rss_mib = 0;
  double peak_mib = 0;
};
/// User and system time of a process and its threads, ended ones too, in microseconds (in steps of a clock tick, 10
/// ms).
double cpu_us(pid_t pid);
/// The same of this process, exact.
double own_cpu_us();
Memory memory_of(pid_t pid);

/// `folder`: where the servers' data is; its file system is looked at, and syncs are timed in it.
Machine look_at_machine(const std::string& folder);

}  // namespace assent::bench
