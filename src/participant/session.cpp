#include "participant/session.hpp"

#include <cppconn/driver.h>
#include <cppconn/exception.h>
#include <cppconn/metadata.h>
#include <cppconn/resultset.h>
#include <cppconn/resultset_metadata.h>
#include <cppconn/statement.h>
#include <mysql_connection.h>
#include <mysql_driver.h>

#include <charconv>
#include <cstdlib>
#include <map>
#include <mutex>

#include "base/check.hpp"
#include "base/failpoints.hpp"
#include "participant/socket_handle.hpp"

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

sql::mysql::MySQL_Driver* driver() {
  static std::once_flag once;
  static sql::mysql::MySQL_Driver* instance = nullptr;
  std::call_once(once, [] { instance = sql::mysql::get_mysql_driver_instance(); });
  return instance;
}

int whole_seconds(milliseconds time) {
  return static_cast<int>((time.count() + 999) / 1000);
}

SqlError to_error(const sql::SQLException& e) {
  SqlError error;
  error.number = static_cast<std::uint32_t>(e.getErrorCode());
  error.sqlstate = e.getSQLState();
  error.message = e.what();
  // The library's own complaints have no number: it is then in no state to go on.
  error.lost = error.number == 0 || loses_connection(error.number);
  return error;
}

SqlError to_error(const std::exception& e) {
  return {0, "HY000", e.what(), true};
}

sql::ConnectOptionsMap options_for(const Config& config, Session::Purpose purpose) {
  sql::ConnectOptionsMap options;
  if (config.unix_socket.empty()) {
    options["hostName"] =
        sql::SQLString("tcp://" + (config.host.find(':') == std::string::npos ? config.host : "[" + config.host + "]"));
    options["port"] = static_cast<int>(config.port);
  } else {
    options["hostName"] = sql::SQLString("unix://" + config.unix_socket);
  }
  options["userName"] = sql::SQLString(config.user);
  options["password"] = sql::SQLString(config.password);
  if (!config.database.empty()) options["schema"] = sql::SQLString(config.database);
  options["CLIENT_MULTI_STATEMENTS"] = true;
  options["OPT_CHARSET_NAME"] = sql::SQLString("utf8mb4");
  options["characterSetResults"] = sql::SQLString("utf8mb4");
  options["OPT_LOCAL_INFILE"] = 0;
  options["OPT_CONNECT_TIMEOUT"] = whole_seconds(config.connect_timeout);
  const auto answer = purpose == Session::Purpose::control ? config.control_answer_timeout : config.answer_timeout;
  options["OPT_READ_TIMEOUT"] = whole_seconds(answer);
  options["OPT_WRITE_TIMEOUT"] = whole_seconds(config.control_answer_timeout);
  // Rows are streamed, so that a SELECT without bound does not fill the memory.
  options["defaultStatementResultType"] = static_cast<int>(sql::ResultSet::TYPE_FORWARD_ONLY);
  options["OPT_CONNECT_ATTR_ADD"] = std::map<sql::SQLString, sql::SQLString>{
      {"program_name", "assentd"}, {"assent_coordinator", config.coordinator_id}};
  if (!config.tls_ca.empty()) {
    options["sslCA"] = sql::SQLString(config.tls_ca);
    options["sslVerify"] = true;
  }
  if (config.tls_required || !config.tls_ca.empty()) options["sslEnforce"] = true;
  return options;
}

enum class ColumnKind : std::uint8_t { text, blob, signed_int, unsigned_int, real, decimal, bits };

ColumnKind kind_of(sql::ResultSetMetaData& meta, unsigned column) {
  switch (meta.getColumnType(column)) {
    case sql::DataType::TINYINT:
    case sql::DataType::SMALLINT:
    case sql::DataType::MEDIUMINT:
    case sql::DataType::INTEGER:
    case sql::DataType::BIGINT: return meta.isSigned(column) ? ColumnKind::signed_int : ColumnKind::unsigned_int;
    case sql::DataType::YEAR: return ColumnKind::unsigned_int;
    case sql::DataType::REAL:
    case sql::DataType::DOUBLE: return ColumnKind::real;
    case sql::DataType::DECIMAL:
    case sql::DataType::NUMERIC: return ColumnKind::decimal;
    case sql::DataType::BIT: return ColumnKind::bits;
    case sql::DataType::BINARY:
    case sql::DataType::VARBINARY:
    case sql::DataType::LONGVARBINARY:
    case sql::DataType::GEOMETRY: return ColumnKind::blob;
    default: return ColumnKind::text;
  }
}

template <typename Int>
Value parse_int(const std::string& text) {
  Int number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size()) return text;
  return number;
}

std::string bytes_of_bits(std::uint64_t bits) {
  std::string bytes;
  for (int shift = 56; shift >= 0; shift -= 8) {
    const auto byte = static_cast<char>((bits >> shift) & 0xff);
    if (byte != 0 || !bytes.empty() || shift == 0) bytes.push_back(byte);
  }
  return bytes;
}

Value value_of(sql::ResultSet& row, unsigned column, ColumnKind kind) {
  if (row.isNull(column)) return Null{};
  if (kind == ColumnKind::bits) return Blob{bytes_of_bits(row.getUInt64(column))};
  std::string text = row.getString(column).asStdString();
  switch (kind) {
    case ColumnKind::signed_int: return parse_int<std::int64_t>(text);
    case ColumnKind::unsigned_int: return parse_int<std::uint64_t>(text);
    case ColumnKind::real: return std::strtod(text.c_str(), nullptr);
    case ColumnKind::decimal: return Decimal{std::move(text)};
    case ColumnKind::blob: return Blob{std::move(text)};
    default: return text;
  }
}

std::size_t bytes_in(const Value& value) {
  if (const auto* text = std::get_if<std::string>(&value)) return text->size();
  if (const auto* blob = std::get_if<Blob>(&value)) return blob->bytes.size();
  if (const auto* number = std::get_if<Decimal>(&value)) return number->digits.size();
  return 8;
}

}  // namespace

struct Session::Connection {
  std::unique_ptr<sql::Connection> connection;
  sql::mysql::MySQL_Connection* mysql = nullptr;
  std::unique_ptr<sql::Statement> statement;
  SocketHandle socket;

  ~Connection() {
    try {
      statement.reset();
      if (connection) connection->close();
    } catch (const std::exception&) {  // NOLINT(bugprone-empty-catch): it is closed either way
    }
  }
};

Session::Session() : connection_(std::make_unique<Connection>()) {}
Session::~Session() {
  // Without this a goodbye on a dead connection could wait.
  if (lost_) connection_->socket.shut_down();
}

Session::Opened Session::open(const Config& config, Purpose purpose) {
  std::unique_ptr<Session> session(new Session);
  auto& connection = *session->connection_;
  try {
    auto options = options_for(config, purpose);
    connection.connection.reset(driver()->connect(options));
    connection.mysql = dynamic_cast<sql::mysql::MySQL_Connection*>(connection.connection.get());
    ASSENT_CHECK(connection.mysql);
    connection.statement.reset(connection.connection->createStatement());
    session->version_ = connection.connection->getMetaData()->getDatabaseProductVersion().asStdString();
  } catch (const sql::SQLException& e) {
    auto error = to_error(e);
    error.lost = true;
    return error;
  } catch (const std::exception& e) {
    return to_error(e);
  }
  session->is_control_ = purpose == Purpose::control;
  session->dialect_ = &dialect_of(session->version_);
  if (auto error = session->set_up(config, purpose)) return std::move(*error);
  return session;
}

std::optional<SqlError> Session::set_up(const Config& config, Purpose purpose) {
  const std::string isolation = purpose == Purpose::control ? "'READ-COMMITTED'"
                                                            // The client library has set one of its own.
                                                            : "@@GLOBAL." + std::string(dialect_->isolation_variable);
  std::string packet = "SET SESSION sql_mode='" + std::string(kSqlMode) + "',wait_timeout=" + kWaitTimeoutS +
                       ",foreign_key_checks=1,unique_checks=1,completion_type=0," + dialect_->read_only_variable +
                       "=0," + dialect_->isolation_variable + "=" + isolation;
  if (purpose == Purpose::control) packet.append(",").append(kControlLockWaits);
  const bool mysql = dialect_->kind == ServerKind::mysql;
  const bool has_detach = mysql && parse_version(version_) >= ServerVersion{8, 0, 29};
  packet +=
      ";SELECT CONNECTION_ID(),VERSION(),IFNULL((SELECT HOST FROM information_schema.PROCESSLIST WHERE "
      "ID=CONNECTION_ID()),'')," +
      std::string(dialect_->start_seconds) + ",@@max_allowed_packet," + (has_detach ? "@@xa_detach_on_prepare" : "1");
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
  if (int_of(row[5]) == 0) {
    if (auto off = run("SET SESSION xa_detach_on_prepare=ON"); off.error) return off.error;
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
  if (config.unix_socket.empty() && colon != std::string::npos) {
    const auto local = std::strtoul(identity_.host.c_str() + colon + 1, nullptr, 10);
    connection_->socket = SocketHandle::find(static_cast<std::uint16_t>(local), config.port);
  }
  return std::nullopt;
}

SqlError Session::note(SqlError error) {
  if (error.lost) lost_ = true;
  return error;
}

PacketResult Session::run(const std::string& packet, std::size_t statements) {
  return run(packet, statements, kControlBudget);
}

PacketResult Session::run(const std::string& packet, std::size_t statements, RowBudget budget) {
  PacketResult result;
  if (lost_) {
    result.error = SqlError{2006, "HY000", "the connection was lost before", true};
    return result;
  }
  const auto cut = [&] {
    shut_down();
    result = {};
    result.error = note({2013, "HY000", "the connection was cut", true});
  };
  if (ASSENT_FAILS_AT(packet_unsent, shown_as(packet))) return cut(), result;
  result.answers.reserve(statements);
  try {
    auto& statement = *connection_->statement;
    bool has_rows = statement.execute(packet);
    for (std::size_t i = 0;;) {
      Answer answer;
      if (has_rows) {
        bool over = false;
        read_rows(answer.rows.emplace(), budget, over);
        if (over && !result.over_budget) result.over_budget = i;
      } else {
        answer.info = connection_->mysql->getLastStatementInfo().asStdString();
      }
      result.answers.push_back(std::move(answer));
      // There is no end marker: asking once more than there are statements would look like one more without rows.
      if (++i == statements) break;
      has_rows = statement.getMoreResults();
    }
  } catch (const sql::SQLException& e) {
    result.error = note(to_error(e));
  } catch (const std::exception& e) {
    result.error = note(to_error(e));
  }
  last_used_ = base::SteadyClock::now();
  if (ASSENT_FAILS_AT(packet_answered, shown_as(packet))) cut();
  return result;
}

void Session::read_rows(Rows& rows, RowBudget& left, bool& over) {
  const std::unique_ptr<sql::ResultSet> cursor(connection_->statement->getResultSet());
  ASSENT_CHECK(cursor);
  auto& meta = *cursor->getMetaData();
  const unsigned columns = meta.getColumnCount();
  std::vector<ColumnKind> kinds;
  kinds.reserve(columns);
  for (unsigned c = 1; c <= columns; ++c) {
    kinds.push_back(kind_of(meta, c));
    rows.columns.push_back(meta.getColumnLabel(c).asStdString());
  }
  while (cursor->next()) {
    if (over || left.rows == 0) {
      over = true;
      continue;
    }
    --left.rows;
    std::vector<Value> row;
    row.reserve(columns);
    for (unsigned c = 1; c <= columns; ++c) {
      row.push_back(value_of(*cursor, c, kinds[c - 1]));
      const auto bytes = bytes_in(row.back());
      if (bytes > left.bytes) over = true;
      left.bytes -= over ? left.bytes : bytes;
    }
    if (over) {
      rows.rows.clear();
    } else {
      rows.rows.push_back(std::move(row));
    }
  }
}

std::string Session::escape(std::string_view text) {
  try {
    return connection_->mysql->escapeString(sql::SQLString(text.data(), text.size())).asStdString();
  } catch (const std::exception&) {
    ASSENT_CHECK(!"escaping needs no server");
    return {};
  }
}

bool Session::is_dead_when_idle() {
  if (lost_) return true;
  if (connection_->socket.held()) {
    lost_ = connection_->socket.seems_dead();
  } else if (base::SteadyClock::now() - last_used_ > kIdleUntilPing) {
    run("DO 1");
  }
  return lost_;
}

void Session::shut_down() const noexcept {
  connection_->socket.shut_down();
}

ConnectorThread::ConnectorThread() {
  driver()->threadInit();
}
ConnectorThread::~ConnectorThread() {
  driver()->threadEnd();
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
