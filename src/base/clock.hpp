#pragma once

#include <chrono>
#include <cstdint>

namespace assent::base {

/// For deadlines and waits: never jumps.
using SteadyClock = std::chrono::steady_clock;
using SteadyTime = SteadyClock::time_point;

/// Milliseconds since the Unix epoch, for people. Safety never depends on it: it may jump.
inline std::int64_t wall_clock_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}

}  // namespace assent::base
