#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "assent/transaction.hpp"
#include "base/clock.hpp"
#include "participant/config.hpp"
#include "participant/dialect.hpp"
#include "participant/socket_handle.hpp"
#include "participant/sql_error.hpp"

namespace assent::participant {

/// Names one connection at a server for ever: its number alone would be used again after the server's restart.
struct ConnectionIdentity {
  std::uint64_t id = 0;
  std::string host;  ///< Our end, as the server's process list shows it: `10.0.0.7:51234`, or `localhost`.
  std::int64_t server_start_s = 0;
  bool operator==(const ConnectionIdentity&) const = default;
};

/// What came back for one statement of a packet.
struct Answer {
  std::optional<Rows> rows;
  std::uint64_t affected = 0;  ///< Rows changed, without rows to read. Only from a BranchSession.
};

/// Bounds on the rows of one packet together.
struct RowBudget {
  std::uint64_t rows = 0;
  std::uint64_t bytes = 0;
};

/// How a packet went. Statement `answers.size()` is the one that failed, if one did; none after it was run.
struct PacketResult {
  std::vector<Answer> answers;
  std::optional<SqlError> error;
  std::optional<std::size_t> over_budget;  ///< The statement whose rows passed the budget. They were read, not kept.
};

/// A connection to a participant's server. Two kinds: over Connector/C++ for Assent's own work (connector_session.hpp),
/// and over the client library beneath it for branches, of which one thread runs many (branch_session.hpp). Used by one
/// thread at a time; only shut_down() may be called by others.
class Session {
 public:
  using Opened = std::variant<std::unique_ptr<Session>, SqlError>;

  virtual ~Session() = default;
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  /// Sends `packet`, which holds `statements` statements, and reads every answer. Blocks.
  PacketResult run(const std::string& packet, std::size_t statements, RowBudget budget);
  PacketResult run(const std::string& packet, std::size_t statements = 1);

  virtual std::string escape(std::string_view text) = 0;

  /// Whether the connection is known to be dead before anything is sent: costs no round trip where the socket is at
  /// hand, and otherwise one when the session has been idle for long.
  bool is_dead_when_idle();

  /// Makes a run() that waits for the server return with a lost connection.
  void shut_down() const noexcept { socket_.shut_down(); }

  bool lost() const noexcept { return lost_; }
  const ConnectionIdentity& identity() const noexcept { return identity_; }
  /// The account that the server has taken us for, `'user'@'host'` as GRANT takes it.
  const std::string& account() const noexcept { return account_; }
  const Dialect& dialect() const noexcept { return *dialect_; }
  const std::string& version() const noexcept { return version_; }
  std::size_t packet_bytes_max() const noexcept { return packet_bytes_max_; }

  std::uint32_t lock_wait_s = 0;    ///< What innodb_lock_wait_timeout was last set to here; 0: not known.
  bool insert_id_is_stale = false;  ///< LAST_INSERT_ID() may tell what an earlier branch inserted.

 protected:
  enum class Purpose : std::uint8_t { branches, control };

  explicit Session(Purpose purpose) : purpose_(purpose) {}

  virtual PacketResult exchange(const std::string& packet, std::size_t statements, RowBudget budget) = 0;

  /// After connecting: everything that a session of Assent's needs, in one round trip.
  std::optional<SqlError> set_up(const Config& config, const std::string& greeted_version);

  /// Before and after an exchange: what a test has asked to fail there.
  bool fails_before(const std::string& packet) const;
  bool fails_after(const std::string& packet) const;
  /// The result of a packet that a test cut off.
  PacketResult cut();
  SqlError note(SqlError error);

  const Purpose purpose_;
  SocketHandle socket_;
  base::SteadyTime last_used_{};
  bool lost_ = false;

 private:
  const Dialect* dialect_ = nullptr;
  ConnectionIdentity identity_;
  std::string account_;
  std::string version_;
  std::size_t packet_bytes_max_ = 0;
};

/// What the client library's limits on waiting take.
int whole_seconds(std::chrono::milliseconds time) noexcept;

/// `'...'` with the text escaped by the session.
std::string quoted(Session& session, std::string_view text);

/// The text or number in a row's column, as text; empty for NULL.
std::string text_of(const Value& value);
std::int64_t int_of(const Value& value);

}  // namespace assent::participant
