#pragma once

#include <cstdint>
#include <string>

namespace assent::participant {

/// What the server, or the connection to it, said instead of an answer.
struct SqlError {
  std::uint32_t number = 0;  ///< The server's errno, or the client library's (2000 to 2999), or 0 when it is ours.
  std::string sqlstate;
  std::string message;  ///< May quote the application's data: for the application only, never for a log.
  bool lost = false;    ///< The connection is unusable: what was sent may have run, wholly, partly or not at all.
};

namespace errnos {
inline constexpr std::uint32_t kDuplicateKey = 1062;
inline constexpr std::uint32_t kUnknownDatabase = 1049;
inline constexpr std::uint32_t kNoSuchTable = 1146;
inline constexpr std::uint32_t kLockWaitTimeout = 1205;
inline constexpr std::uint32_t kNoPrivilege = 1227;
inline constexpr std::uint32_t kNowait = 3572;
inline constexpr std::uint32_t kReadOnly = 1290;
inline constexpr std::uint32_t kXaUnknownXid = 1397;
inline constexpr std::uint32_t kXaRolledBack = 1402;
inline constexpr std::uint32_t kXaDuplicateXid = 1440;
inline constexpr std::uint32_t kXaRolledBackTimeout = 1613;
inline constexpr std::uint32_t kXaRolledBackDeadlock = 1614;
}  // namespace errnos

/// Whether after this error nothing more can be said over the connection.
bool loses_connection(std::uint32_t number) noexcept;

/// Whether the same transaction may succeed when it is submitted again (deadlock, timeout, a server that went away).
bool is_retryable(std::uint32_t number) noexcept;

/// For a log or a status line: the number only where the text could quote data. `1205 (HY000)`.
std::string describe(const SqlError& error);

}  // namespace assent::participant
