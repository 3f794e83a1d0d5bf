#pragma once

#include <chrono>
#include <string>

#include "assent/status.hpp"

namespace assent::app {

/// Nothing safe depends on clocks: they are in ages, in the times of log lines, and in `created_at` of rows.
inline constexpr std::chrono::milliseconds kClocksApartMax{2'000};

/// `ahead`: of the participant's server, of this host.
DoctorFinding judge_clock(const std::string& participant, std::chrono::milliseconds ahead);

}  // namespace assent::app
