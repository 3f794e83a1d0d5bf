#pragma once

#include <spdlog/spdlog.h>

namespace assent::base {

/// Sends log lines to stderr: UTC time, level, text. `level` is one of spdlog's names: trace, debug, info, warning,
/// error, critical, off. Returns false, and changes nothing, for another word. Thread safe after the first call.
bool init_log(const std::string& level);

// Log lines never hold passwords or SQL values. spdlog::info("...", ...) and its kin are used directly.

}  // namespace assent::base
