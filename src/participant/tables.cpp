#include "participant/tables.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "base/check.hpp"
#include "base/log.hpp"
#include "participant/remedies.hpp"
#include "protocol/members.hpp"

namespace assent::participant {
namespace {

struct Column {
  std::string name;
  std::string type;          ///< As in CREATE TABLE, without what follows it.
  std::string rest;          ///< NOT NULL, DEFAULT, ...
  std::uint32_t since = 1;   ///< The schema version that brought it.
  std::uint64_t length = 0;  ///< Of text that was shorter in an older version: widened to this.
};

struct Table {
  std::string name;
  std::vector<Column> columns;
  std::string key;
};

constexpr const char* kTail = ") ENGINE=InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin";
constexpr std::uint32_t kDuplicateColumn = 1060;
/// For tables that branches in doubt, or anybody else, keep locked.
constexpr const char* kWaitShortly = "SET SESSION lock_wait_timeout=2";
constexpr const char* kWaitAsBefore = "SET SESSION lock_wait_timeout=DEFAULT";

const std::vector<Table>& tables() {
  static const std::string members = "VARCHAR(" + std::to_string(protocol::kMembersBytesMax) + ")";
  static const std::string now = "NOT NULL DEFAULT CURRENT_TIMESTAMP";
  static const std::string number = "BIGINT UNSIGNED";
  static const std::vector<Table> all = {
      {"proof",
       {{"gtrid", "VARBINARY(64)", "NOT NULL"},
        {"branch", "SMALLINT UNSIGNED", "NOT NULL"},
        {"kind", "ENUM('proof','fence')", "NOT NULL"},
        {"participants", members, "NOT NULL", 1, protocol::kMembersBytesMax},
        {"protocol", "TINYINT UNSIGNED", "NOT NULL"},
        {"label", "VARCHAR(128) CHARACTER SET utf8mb4", "NOT NULL DEFAULT ''"},
        {"created_at", "TIMESTAMP", now}},
       "gtrid, branch"},
      {"coordinator",
       {{"id", "VARCHAR(16)", "NOT NULL"},
        {"log_id", number, "NOT NULL"},
        {"epoch", "INT UNSIGNED", "NOT NULL"},
        {"host", "VARCHAR(255)", "NOT NULL"},
        {"instance", number, "NOT NULL"},
        {"claimed_at", "TIMESTAMP", now},
        {"since", "INT UNSIGNED", "NOT NULL DEFAULT 0", 2},
        {"place", number, "NOT NULL DEFAULT 0", 2},
        {"sequence", number, "NULL", 2},
        {"seen_at", "TIMESTAMP(3)", "NULL", 2}},
       "id"},
      {"session",
       {{"coordinator", "VARCHAR(16)", "NOT NULL"},
        {"instance", number, "NOT NULL"},
        {"connection", number, "NOT NULL"},
        {"server_start", "BIGINT", "NOT NULL"},
        {"host", "VARCHAR(300)", "NOT NULL"},
        {"account", "VARCHAR(128)", "NOT NULL"}},
       "coordinator, instance, connection, server_start"},
      {"server", {{"id", "TINYINT UNSIGNED", "NOT NULL"}, {"identity", "CHAR(32)", "NOT NULL"}}, "id"},
      {"acceptor",
       {{"gtrid", "VARBINARY(64)", "NOT NULL"},
        {"acceptor", "SMALLINT UNSIGNED", "NOT NULL"},
        {"promised", number, "NOT NULL"},
        {"accepted_ballot", number, "NULL"},
        {"accepted_value", "ENUM('commit','rollback')", "NULL"},
        {"members", members, "NOT NULL", 1, protocol::kMembersBytesMax},
        {"asked", "INT UNSIGNED", "NOT NULL DEFAULT 1"},
        {"created_at", "TIMESTAMP", now}},
       "gtrid, acceptor"},
      {"pulse",
       {{"coordinator", "VARCHAR(16)", "NOT NULL"},
        {"closed_below", "VARBINARY(64)", "NOT NULL"},
        {"proofs_kept", "TINYINT", "NULL"}},
       "coordinator"},
      {"purged",
       {{"coordinator", "VARCHAR(16)", "NOT NULL"},
        {"epoch", "INT UNSIGNED", "NOT NULL"},
        {"below", "VARBINARY(64)", "NOT NULL"},
        {"kept", "LONGTEXT CHARACTER SET ascii", "NOT NULL"}},
       "coordinator, epoch"},
      {"heuristic",
       {{"gtrid", "VARBINARY(64)", "NOT NULL"},
        {"value", "ENUM('commit','rollback')", "NOT NULL"},
        {"who", "VARCHAR(255) CHARACTER SET utf8mb4", "NOT NULL"},
        {"reason", "VARCHAR(1000) CHARACTER SET utf8mb4", "NOT NULL"},
        {"made_at", "TIMESTAMP", now}},
       "gtrid"},
      {"schema_version",
       {{"id", "TINYINT UNSIGNED", "NOT NULL"},
        {"version", "INT UNSIGNED", "NOT NULL"},
        {"readable_by", "INT UNSIGNED", "NOT NULL"},
        {"changed_at", "TIMESTAMP", "NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP"}},
       "id"},
  };
  return all;
}

std::string in_schema(const Config& config, const std::string& name) {
  return config.schema + "." + name;
}

std::string declared(const Column& column) {
  return column.name + " " + column.type + " " + column.rest;
}

std::string create_database(const Config& config) {
  return "CREATE DATABASE IF NOT EXISTS " + config.schema;
}

std::string create_table(const Config& config, const Table& table) {
  std::string sql = "CREATE TABLE IF NOT EXISTS " + in_schema(config, table.name) + " (";
  for (const auto& column : table.columns) sql += declared(column) + ", ";
  return sql + "PRIMARY KEY (" + table.key + ")" + kTail;
}

std::string add_column(const Config& config, const Table& table, const Column& column) {
  return "ALTER TABLE " + in_schema(config, table.name) + " ADD COLUMN " + declared(column);
}

std::string widen_column(const Config& config, const Table& table, const Column& column) {
  return "ALTER TABLE " + in_schema(config, table.name) + " MODIFY COLUMN " + declared(column);
}

std::string make_identity(const Config& config) {
  return "INSERT IGNORE INTO " + in_schema(config, "server") + " VALUES (1, REPLACE(UUID(), '-', ''))";
}

// Never back to a lower one: an older program that can use newer tables leaves what it finds.
std::string write_version(const Config& config) {
  const auto version = std::to_string(kSchemaVersion), readable_by = std::to_string(kSchemaReadableBy);
  return "INSERT INTO " + in_schema(config, "schema_version") + "(id,version,readable_by) VALUES (1," + version + "," +
         readable_by + ") ON DUPLICATE KEY UPDATE readable_by=IF(version<" + version + "," + readable_by +
         ",readable_by),version=GREATEST(version," + version + ")";
}

// Runs `change` where `is_needed` counts `count` columns: neither kind of server has a condition in ALTER that both
// know.
std::string conditional(const Config& config, const Table& table, const Column& column, const std::string& and_what,
                        const char* count, const std::string& change) {
  auto quoted_change = change;
  for (std::size_t at = 0; (at = quoted_change.find('\'', at)) != std::string::npos; at += 2) {
    quoted_change.insert(at, 1, '\'');
  }
  return "SET @assent=IF((SELECT COUNT(*) FROM information_schema.COLUMNS WHERE TABLE_SCHEMA='" + config.schema +
         "' AND TABLE_NAME='" + table.name + "' AND COLUMN_NAME='" + column.name + "'" + and_what + ")=" + count +
         ",'" + quoted_change + "','DO 0'); PREPARE assent FROM @assent; EXECUTE assent; DEALLOCATE PREPARE assent";
}

const Rows& rows_of(const PacketResult& result) {
  ASSENT_CHECK(!result.answers.empty() && result.answers.back().rows);
  return *result.answers.back().rows;
}

std::optional<SqlError> read_rows_of_schema(Session& session, const Config& config, SchemaLook& look) {
  if (look.tables.contains("server")) {
    auto row = session.run("SELECT 1 FROM " + in_schema(config, "server") + " WHERE id=1");
    // Not to be read: then making it fails as well, and says so.
    if (row.error && row.error->lost) return row.error;
    look.identity = !row.error && !rows_of(row).rows.empty();
  }
  if (look.tables.contains("schema_version")) {
    auto row = session.run("SELECT version,readable_by FROM " + in_schema(config, "schema_version") + " WHERE id=1");
    if (row.error) return row.error;
    if (!rows_of(row).rows.empty()) {
      look.version = static_cast<std::uint32_t>(int_of(rows_of(row).rows.front()[0]));
      look.readable_by = static_cast<std::uint32_t>(int_of(rows_of(row).rows.front()[1]));
    }
  }
  return std::nullopt;
}

}  // namespace

std::string all_of(const std::vector<SchemaStep>& steps) {
  std::string sql;
  for (const auto& step : steps) sql += (sql.empty() ? "" : " ") + step.sql + ";";
  return sql;
}

std::string newer_schema(const SchemaLook& look, const Config& config) {
  return "schema " + config.schema + " was made by a newer version of Assent (schema version " +
         std::to_string(look.version) + ", which programs below version " + std::to_string(look.readable_by) +
         " cannot use), and this one is of version " + std::to_string(kSchemaVersion);
}

bool SchemaLook::is_older(const Config& config) const {
  return version < kSchemaVersion && tables.contains("proof") && !missing_steps(*this, config).empty();
}

std::variant<SchemaLook, SqlError> look_at_schema(Session& session, const Config& config) {
  auto result =
      session.run("SELECT '','','',0 FROM information_schema.SCHEMATA WHERE SCHEMA_NAME='" + config.schema +
                  "' UNION ALL SELECT TABLE_NAME,COLUMN_NAME,COLUMN_TYPE,COALESCE(CHARACTER_MAXIMUM_LENGTH,0) FROM "
                  "information_schema.COLUMNS WHERE TABLE_SCHEMA='" +
                  config.schema + "'");
  if (result.error) return std::move(*result.error);
  SchemaLook look;
  for (const auto& row : rows_of(result).rows) {
    look.schema = true;
    const auto table = text_of(row[0]);
    if (table.empty()) continue;
    const auto length = int_of(row[3]);
    look.tables[table][text_of(row[1])] = {text_of(row[2]), length < 0 ? 0 : static_cast<std::uint64_t>(length)};
  }
  if (auto error = read_rows_of_schema(session, config, look)) return std::move(*error);
  return look;
}

std::vector<SchemaStep> missing_steps(const SchemaLook& look, const Config& config) {
  std::vector<SchemaStep> steps;
  if (!look.schema) steps.push_back({create_database(config), "schema " + config.schema});
  for (const auto& table : tables()) {
    const auto there = look.tables.find(table.name);
    if (there == look.tables.end()) {
      steps.push_back({create_table(config, table), "table " + table.name});
      continue;
    }
    for (const auto& column : table.columns) {
      const auto what = "column " + table.name + "." + column.name;
      const auto found = there->second.find(column.name);
      if (found == there->second.end()) {
        steps.push_back({add_column(config, table, column), what});
      } else if (found->second.length < column.length) {
        steps.push_back({widen_column(config, table, column), what, true});
      }
    }
  }
  if (!look.identity) steps.push_back({make_identity(config), "the server's identity"});
  if (look.version < kSchemaVersion) {
    steps.push_back({write_version(config), "schema version " + std::to_string(kSchemaVersion)});
  }
  return steps;
}

namespace {

// Gives what it made, or the first fault.
std::variant<std::vector<std::string>, SchemaFault> take(Session& session, const Config& config,
                                                         const SchemaLook& look) {
  const auto steps = missing_steps(look, config);
  std::vector<std::string> made;
  for (const auto& step : steps) {
    auto result = session.run(step.sql);
    if (!result.error) {
      made.push_back(step.what);
      continue;
    }
    auto& error = *result.error;
    if (error.lost) return SchemaFault{std::move(error), ""};
    // Another process is just doing the same.
    if (error.number == kDuplicateColumn) continue;
    // An account that may not create it may still use one that a DBA has made: the statement that fails last tells.
    if (step.sql == create_database(config)) continue;
    if (step.can_wait && error.number == errnos::kLockWaitTimeout) {
      spdlog::warn(
          "participant {}: {} cannot be widened while branches in doubt hold its table: it is tried again at the next "
          "connection",
          config.name, step.what);
      continue;
    }
    const auto remedy = look.tables.empty() ? schema_grants(session.dialect(), config, session.account())
                                            : all_of(missing_steps(look, config));
    return SchemaFault{std::move(error), "let a DBA run: " + remedy};
  }
  return made;
}

}  // namespace

std::variant<std::vector<std::string>, SchemaFault> bring_schema_up(Session& session, const Config& config) {
  auto looked = look_at_schema(session, config);
  if (auto* error = std::get_if<SqlError>(&looked)) return SchemaFault{std::move(*error), ""};
  const auto& look = std::get<SchemaLook>(looked);
  if (look.is_newer())
    return SchemaFault{{0, "HY000", newer_schema(look, config), false}, "run the newer version; nothing was changed"};
  std::variant<std::vector<std::string>, SchemaFault> made;
  if (!missing_steps(look, config).empty()) {
    if (auto error = session.run(kWaitShortly).error) return SchemaFault{std::move(*error), ""};
    made = take(session, config, look);
    if (auto error = session.run(kWaitAsBefore).error) return SchemaFault{std::move(*error), ""};
    if (std::holds_alternative<SchemaFault>(made)) return made;
  }
  if (auto error = probe_schema(session, config)) {
    const auto remedy =
        error->lost ? std::string() : "let a DBA run: " + schema_grants(session.dialect(), config, session.account());
    return SchemaFault{std::move(*error), remedy};
  }
  return made;
}

std::vector<std::string> schema_statements(const Config& config) {
  std::vector<std::string> statements{create_database(config)};
  for (const auto& table : tables()) statements.push_back(create_table(config, table));
  for (const auto& table : tables()) {
    for (const auto& column : table.columns) {
      if (column.since > 1) {
        statements.push_back(conditional(config, table, column, "", "0", add_column(config, table, column)));
      }
      if (column.length > 0) {
        statements.push_back(conditional(config, table, column,
                                         " AND CHARACTER_MAXIMUM_LENGTH<" + std::to_string(column.length), "1",
                                         widen_column(config, table, column)));
      }
    }
  }
  statements.push_back(make_identity(config));
  statements.push_back(write_version(config));
  return statements;
}

std::optional<SqlError> probe_schema(Session& session, const Config& config) {
  for (const auto& table : tables()) {
    std::string columns;
    for (const auto& column : table.columns) columns += (columns.empty() ? "" : ",") + column.name;
    auto result = session.run("SELECT " + columns + " FROM " + in_schema(config, table.name) + " LIMIT 0");
    if (result.error) return result.error;
  }
  // A locking read asks for more than SELECT.
  return session
      .run("SELECT gtrid FROM " + in_schema(config, "proof") + " WHERE gtrid='' AND branch=0 " +
           session.dialect().read_nowait)
      .error;
}

}  // namespace assent::participant
