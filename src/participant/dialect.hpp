#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "assent/transaction.hpp"

namespace assent::participant {

enum class ServerKind : std::uint8_t { mariadb, mysql };

/// What differs between the servers. Stateless; one per kind. Texts are without a trailing semicolon.
struct Dialect {
  ServerKind kind;
  const char* name;  ///< "MariaDB" or "MySQL".
  const char* isolation_variable;
  const char* read_only_variable;  ///< The session's, for transactions.
  const char*
      start_seconds;    ///< An expression: when the server started, in seconds since 1970. The same in every session.
  const char* recover;  ///< XA RECOVER in a form that keeps binary XIDs: columns format, lengths, data.
  const char* read_nowait;    ///< Ends a SELECT that locks and does not wait.
  const char* engine_status;  ///< The third column lists InnoDB's transactions; needs the privilege PROCESS.
  bool prepared_stays;        ///< With its session, until that has left the engine. Else it is detached at once.
};

/// By the version text that the server greets with. Nothing fits both: MariaDB says so.
const Dialect& dialect_of(std::string_view version) noexcept;

/// `READ COMMITTED`, as SET TRANSACTION ISOLATION LEVEL takes it. Not for server_default.
const char* isolation_words(Isolation isolation) noexcept;

struct ServerVersion {
  std::uint32_t major = 0;
  std::uint32_t minor = 0;
  std::uint32_t patch = 0;
  auto operator<=>(const ServerVersion&) const = default;
};

/// Reads `10.11.19-MariaDB-...` and `8.0.36`, and MariaDB's `5.5.5-10.11...`. Zeroes where there are no numbers.
ServerVersion parse_version(std::string_view version) noexcept;

}  // namespace assent::participant
