#include "participant/dialect.hpp"

#include <charconv>

#include "base/check.hpp"

namespace assent::participant {
namespace {

// Both subtract the same two numbers that Uptime was made from, so clock jumps cancel out.
constexpr Dialect kMariadb = {
    .kind = ServerKind::mariadb,
    .name = "MariaDB",
    .isolation_variable = "tx_isolation",
    .read_only_variable = "tx_read_only",
    .start_seconds =
        "(SELECT UNIX_TIMESTAMP()-VARIABLE_VALUE FROM information_schema.GLOBAL_STATUS WHERE VARIABLE_NAME='UPTIME')",
    .recover = "XA RECOVER",
    .read_nowait = "LOCK IN SHARE MODE NOWAIT",
    .engine_status = "SHOW ENGINE INNODB STATUS",
    .prepared_stays = true,
};

constexpr Dialect kMysql = {
    .kind = ServerKind::mysql,
    .name = "MySQL",
    .isolation_variable = "transaction_isolation",
    .read_only_variable = "transaction_read_only",
    .start_seconds =
        "(SELECT UNIX_TIMESTAMP()-VARIABLE_VALUE FROM performance_schema.global_status WHERE VARIABLE_NAME='Uptime')",
    .recover = "XA RECOVER CONVERT XID",
    .read_nowait = "FOR SHARE NOWAIT",
    .engine_status = "SHOW ENGINE INNODB STATUS",
    .prepared_stays = false,
};

}  // namespace

const Dialect& dialect_of(std::string_view version) noexcept {
  return version.find("MariaDB") != std::string_view::npos ? kMariadb : kMysql;
}

const char* isolation_words(Isolation isolation) noexcept {
  switch (isolation) {
    case Isolation::read_uncommitted: return "READ UNCOMMITTED";
    case Isolation::read_committed: return "READ COMMITTED";
    case Isolation::repeatable_read: return "REPEATABLE READ";
    case Isolation::serializable: return "SERIALIZABLE";
    case Isolation::server_default: break;
  }
  ASSENT_CHECK(!"the server's default isolation is not set by name");
  return "";
}

ServerVersion parse_version(std::string_view version) noexcept {
  // MariaDB greets old replicas with this prefix.
  if (version.starts_with("5.5.5-")) version.remove_prefix(6);
  ServerVersion parsed;
  const char* at = version.data();
  const char* const end = at + version.size();
  for (auto* part : {&parsed.major, &parsed.minor, &parsed.patch}) {
    const auto [next, error] = std::from_chars(at, end, *part);
    if (error != std::errc{}) break;
    at = next;
    if (at == end || *at != '.') break;
    ++at;
  }
  return parsed;
}

}  // namespace assent::participant
