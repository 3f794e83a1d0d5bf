#include "participant/connector_session.hpp"

#include <cppconn/driver.h>
#include <cppconn/exception.h>
#include <cppconn/metadata.h>
#include <cppconn/resultset.h>
#include <cppconn/resultset_metadata.h>
#include <cppconn/statement.h>
#include <mysql_connection.h>
#include <mysql_driver.h>

#include <map>
#include <mutex>

#include "base/check.hpp"
#include "participant/columns.hpp"

namespace assent::participant {
namespace {

sql::mysql::MySQL_Driver* driver() {
  static std::once_flag once;
  static sql::mysql::MySQL_Driver* instance = nullptr;
  std::call_once(once, [] { instance = sql::mysql::get_mysql_driver_instance(); });
  return instance;
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

sql::ConnectOptionsMap options_for(const Config& config) {
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
  options["OPT_READ_TIMEOUT"] = whole_seconds(config.control_answer_timeout);
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

Value value_of(sql::ResultSet& row, unsigned column, ColumnKind kind) {
  if (row.isNull(column)) return Null{};
  if (kind == ColumnKind::bits) return Blob{bytes_of_bits(row.getUInt64(column))};
  return to_value(row.getString(column).asStdString(), kind);
}

}  // namespace

class ConnectorSession final : public Session {
 public:
  ConnectorSession() : Session(Purpose::control) {}
  ~ConnectorSession() override {
    // Without this a goodbye on a dead connection could wait.
    if (lost_) socket_.shut_down();
    try {
      statement_.reset();
      if (connection_) connection_->close();
    } catch (const std::exception&) {  // NOLINT(bugprone-empty-catch): it is closed either way
    }
  }

  std::optional<SqlError> open(const Config& config);
  std::string escape(std::string_view text) override;

 private:
  PacketResult exchange(const std::string& packet, std::size_t statements, RowBudget budget) override;
  void read_rows(Rows& rows, RowBudget& left, bool& over);

  std::unique_ptr<sql::Connection> connection_;
  sql::mysql::MySQL_Connection* mysql_ = nullptr;
  std::unique_ptr<sql::Statement> statement_;
};

Session::Opened open_control_session(const Config& config) {
  auto session = std::make_unique<ConnectorSession>();
  if (auto error = session->open(config)) return std::move(*error);
  return session;
}

std::optional<SqlError> ConnectorSession::open(const Config& config) {
  std::string version;
  try {
    auto options = options_for(config);
    connection_.reset(driver()->connect(options));
    mysql_ = dynamic_cast<sql::mysql::MySQL_Connection*>(connection_.get());
    ASSENT_CHECK(mysql_);
    statement_.reset(connection_->createStatement());
    version = connection_->getMetaData()->getDatabaseProductVersion().asStdString();
  } catch (const sql::SQLException& e) {
    auto error = to_error(e);
    error.lost = true;
    return error;
  } catch (const std::exception& e) {
    return to_error(e);
  }
  return set_up(config, version);
}

PacketResult ConnectorSession::exchange(const std::string& packet, std::size_t statements, RowBudget budget) {
  PacketResult result;
  result.answers.reserve(statements);
  try {
    auto& statement = *statement_;
    bool has_rows = statement.execute(packet);
    for (std::size_t i = 0;;) {
      Answer answer;
      if (has_rows) {
        bool over = false;
        read_rows(answer.rows.emplace(), budget, over);
        if (over && !result.over_budget) result.over_budget = i;
      }
      result.answers.push_back(std::move(answer));
      // There is no end marker: asking once more than there are statements would look like one more without rows.
      if (++i == statements) break;
      has_rows = statement.getMoreResults();
    }
  } catch (const sql::SQLException& e) {
    result.error = to_error(e);
  } catch (const std::exception& e) {
    result.error = to_error(e);
  }
  return result;
}

void ConnectorSession::read_rows(Rows& rows, RowBudget& left, bool& over) {
  const std::unique_ptr<sql::ResultSet> cursor(statement_->getResultSet());
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
      if (!take_from(left, row.back())) over = true;
    }
    if (over) {
      rows.rows.clear();
    } else {
      rows.rows.push_back(std::move(row));
    }
  }
}

std::string ConnectorSession::escape(std::string_view text) {
  try {
    return mysql_->escapeString(sql::SQLString(text.data(), text.size())).asStdString();
  } catch (const std::exception&) {
    ASSENT_CHECK(!"escaping needs no server");
    return {};
  }
}

ConnectorThread::ConnectorThread() {
  driver()->threadInit();
}
ConnectorThread::~ConnectorThread() {
  driver()->threadEnd();
}

}  // namespace assent::participant
