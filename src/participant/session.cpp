#include "participant/session.hpp"

#include <cstdlib>

#include "base/check.hpp"
#include "base/failpoints.hpp"
#include "participant/remedies.hpp"

namespace assent::participant {
namespace {

using std::chrono::milliseconds;

/// Where the socket is not at hand, a session idle for longer is asked whether it still lives before it is used.
constexpr std::chrono::seconds kIdleUntilPing{5};
/// Assent's own statements: more rows than this is a fault.
constexpr RowBudget kControlBudget{.rows = 1'000'000, .bytes = 256 * 1024 * 1024};
/// The servers' own upper bound on wait_timeout; an idle session is kept.
constexpr const char* kWaitTimeoutS = "31536000";
constexpr const char* kSqlMode =
    "STRICT_TRANS_TABLES,STRICT_ALL_TABLES,NO_ZERO_IN_DATE,NO_ZERO_DATE,ERROR_FOR_DIVISION_BY_ZERO,"
    "NO_ENGINE_SUBSTITUTION";
/// Fences and purges wait this long for a lock, and for a schema lock.
constexpr const char* kControlLockWaits = "innodb_lock_wait_timeout=1,lock_wait_timeout=5";

// What failpoints see of a packet.
[[maybe_unused]] std::string shown_as(bool is_control, const std::string& packet) {
  return (is_control ? "control:" : "branches:") + packet;
}

}  // namespace

std::optional<SqlError> Session::set_up(const Config& config, const std::string& greeted_version) {
  dialect_ = &dialect_of(greeted_version);
  version_ = greeted_version;
  const std::string isolation = purpose_ == Purpose::control ? "'READ-COMMITTED'"
                                                             // Connector/C++ has set one of its own.
                                                             : "@@GLOBAL." + std::string(dialect_->isolation_variable);
  std::string packet = "SET SESSION sql_mode='" + std::string(kSqlMode) + "',wait_timeout=" + kWaitTimeoutS +
                       ",autocommit=1,foreign_key_checks=1,unique_checks=1,completion_type=0," +
                       dialect_->read_only_variable + "=0," + dialect_->isolation_variable + "=" + isolation;
  if (purpose_ == Purpose::control) packet.append(",").append(kControlLockWaits);
  const bool mysql = dialect_->kind == ServerKind::mysql;
  const bool has_detach = mysql && parse_version(version_) >= ServerVersion{8, 0, 29};
  packet +=
      ";SELECT CONNECTION_ID(),VERSION(),IFNULL((SELECT HOST FROM information_schema.PROCESSLIST WHERE "
      "ID=CONNECTION_ID()),'')," +
      std::string(dialect_->start_seconds) + ",@@max_allowed_packet," + (has_detach ? "@@xa_detach_on_prepare" : "1") +
      ",CURRENT_USER()";
  auto result = run(packet, 2);
  if (result.error) return result.error;
  const auto& rows = result.answers[1].rows;
  if (!rows || rows->rows.size() != 1) return SqlError{0, "HY000", "the server did not describe the connection", true};
  const auto& row = rows->rows.front();
  identity_.id = static_cast<std::uint64_t>(int_of(row[0]));
  version_ = text_of(row[1]);
  identity_.host = text_of(row[2]);
  identity_.server_start_s = std::strtoll(text_of(row[3]).c_str(), nullptr, 10);
  packet_bytes_max_ = static_cast<std::size_t>(int_of(row[4]));
  account_ = account_name(text_of(row[6]));
  if (int_of(row[5]) == 0) {
    // Where the account may not, a session for branches is none; the doctor, on a control session, tells the remedy.
    auto off = run("SET SESSION xa_detach_on_prepare=ON");
    if (off.error && (off.error->lost || purpose_ == Purpose::branches)) return off.error;
  }
  // The client library goes on in the clear when a server has no TLS to offer.
  if (config.tls_required || !config.tls_ca.empty()) {
    auto cipher = run("SHOW SESSION STATUS LIKE 'Ssl_cipher'");
    if (cipher.error) return cipher.error;
    const auto& found = cipher.answers.front().rows->rows;
    if (found.empty() || text_of(found.front()[1]).empty()) {
      return SqlError{2026, "HY000", "the server offers no TLS, which the configuration requires", true};
    }
  }
  const auto colon = identity_.host.rfind(':');
  if (!socket_.held() && config.unix_socket.empty() && colon != std::string::npos) {
    const auto local = std::strtoul(identity_.host.c_str() + colon + 1, nullptr, 10);
    socket_ = SocketHandle::find(static_cast<std::uint16_t>(local), config.port);
  }
  return std::nullopt;
}

int whole_seconds(milliseconds time) noexcept {
  return static_cast<int>((time.count() + 999) / 1000);
}

SqlError Session::note(SqlError error) {
  if (error.lost) lost_ = true;
  return error;
}

bool Session::fails_before([[maybe_unused]] const std::string& packet) const {
  return ASSENT_FAILS_AT(packet_unsent, shown_as(purpose_ == Purpose::control, packet));
}

bool Session::fails_after([[maybe_unused]] const std::string& packet) const {
  return ASSENT_FAILS_AT(packet_answered, shown_as(purpose_ == Purpose::control, packet));
}

PacketResult Session::cut() {
  shut_down();
  PacketResult result;
  result.error = note({2013, "HY000", "the connection was cut", true});
  return result;
}

PacketResult Session::run(const std::string& packet, std::size_t statements) {
  return run(packet, statements, kControlBudget);
}

PacketResult Session::run(const std::string& packet, std::size_t statements, RowBudget budget) {
  if (lost_) {
    PacketResult result;
    result.error = SqlError{2006, "HY000", "the connection was lost before", true};
    return result;
  }
  if (fails_before(packet)) return cut();
  auto result = exchange(packet, statements, budget);
  if (result.error) note(*result.error);
  last_used_ = base::SteadyClock::now();
  return fails_after(packet) ? cut() : std::move(result);
}

bool Session::is_dead_when_idle() {
  if (lost_) return true;
  if (socket_.held()) {
    lost_ = socket_.seems_dead();
  } else if (base::SteadyClock::now() - last_used_ > kIdleUntilPing) {
    run("DO 1");
  }
  return lost_;
}

std::string quoted(Session& session, std::string_view text) {
  return "'" + session.escape(text) + "'";
}

std::string text_of(const Value& value) {
  if (const auto* text = std::get_if<std::string>(&value)) return *text;
  if (const auto* blob = std::get_if<Blob>(&value)) return blob->bytes;
  if (const auto* number = std::get_if<Decimal>(&value)) return number->digits;
  if (const auto* number = std::get_if<std::int64_t>(&value)) return std::to_string(*number);
  if (const auto* number = std::get_if<std::uint64_t>(&value)) return std::to_string(*number);
  if (const auto* number = std::get_if<double>(&value)) return std::to_string(*number);
  return {};
}

std::int64_t int_of(const Value& value) {
  if (const auto* number = std::get_if<std::int64_t>(&value)) return *number;
  if (const auto* number = std::get_if<std::uint64_t>(&value)) return static_cast<std::int64_t>(*number);
  return std::strtoll(text_of(value).c_str(), nullptr, 10);
}

}  // namespace assent::participant
