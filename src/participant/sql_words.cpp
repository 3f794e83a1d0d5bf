#include "participant/sql_words.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace assent::participant {
namespace {

// Sorted. Only words that both MariaDB 10.6 and MySQL 8.0 reserve; a word missing here costs one more look-up.
constexpr std::array<std::string_view, 118> kReserved = {
    "ADD",
    "ALL",
    "AND",
    "AS",
    "ASC",
    "BETWEEN",
    "BIGINT",
    "BINARY",
    "BLOB",
    "BOTH",
    "BY",
    "CASCADE",
    "CASE",
    "CHAR",
    "CHARACTER",
    "COLLATE",
    "COLUMN",
    "CONVERT",
    "CROSS",
    "CURRENT_DATE",
    "CURRENT_TIME",
    "CURRENT_TIMESTAMP",
    "CURRENT_USER",
    "DATABASE",
    "DEC",
    "DECIMAL",
    "DEFAULT",
    "DELETE",
    "DESC",
    "DISTINCT",
    "DISTINCTROW",
    "DIV",
    "DOUBLE",
    "DUAL",
    "ELSE",
    "ESCAPED",
    "EXCEPT",
    "EXISTS",
    "FALSE",
    "FLOAT",
    "FOR",
    "FORCE",
    "FROM",
    "FULLTEXT",
    "GROUP",
    "HAVING",
    "HIGH_PRIORITY",
    "IF",
    "IGNORE",
    "IN",
    "INDEX",
    "INNER",
    "INSERT",
    "INT",
    "INTEGER",
    "INTERSECT",
    "INTERVAL",
    "INTO",
    "IS",
    "JOIN",
    "KEY",
    "LEADING",
    "LEFT",
    "LIKE",
    "LIMIT",
    "LOCALTIME",
    "LOCALTIMESTAMP",
    "LOCK",
    "LONGBLOB",
    "LONGTEXT",
    "LOW_PRIORITY",
    "MATCH",
    "MEDIUMINT",
    "MOD",
    "NATURAL",
    "NOT",
    "NULL",
    "NUMERIC",
    "ON",
    "OR",
    "ORDER",
    "OUTER",
    "OVER",
    "PARTITION",
    "PRECISION",
    "PRIMARY",
    "PROCEDURE",
    "RANGE",
    "RECURSIVE",
    "REGEXP",
    "REPLACE",
    "RIGHT",
    "RLIKE",
    "ROWS",
    "SELECT",
    "SET",
    "SMALLINT",
    "STRAIGHT_JOIN",
    "TABLE",
    "THEN",
    "TINYINT",
    "TO",
    "TRAILING",
    "TRUE",
    "UNION",
    "UNIQUE",
    "UNSIGNED",
    "UPDATE",
    "USE",
    "USING",
    "UTC_DATE",
    "UTC_TIME",
    "UTC_TIMESTAMP",
    "VALUES",
    "VARBINARY",
    "VARCHAR",
    "WHEN",
    "WHERE",
};

constexpr bool sorted(const auto& words) {
  return std::is_sorted(words.begin(), words.end());
}
static_assert(sorted(kReserved));

constexpr const char* kLocks = "works on a lock that outlives the transaction";
constexpr const char* kWaits = "waits for replication with locks held";
constexpr const char* kFiles = "reads a file of the server";

constexpr std::array<std::pair<std::string_view, const char*>, 10> kRefusedFunctions = {{
    {"GET_LOCK", kLocks},
    {"RELEASE_LOCK", kLocks},
    {"RELEASE_ALL_LOCKS", kLocks},
    {"LOAD_FILE", kFiles},
    {"MASTER_POS_WAIT", kWaits},
    {"SOURCE_POS_WAIT", kWaits},
    {"MASTER_GTID_WAIT", kWaits},
    {"WAIT_FOR_EXECUTED_GTID_SET", kWaits},
    {"WAIT_UNTIL_SQL_THREAD_AFTER_GTIDS", kWaits},
    {"SERVICE_GET_WRITE_LOCKS", kLocks},
}};

}  // namespace

bool is_reserved_word(std::string_view upper_case) noexcept {
  return std::binary_search(kReserved.begin(), kReserved.end(), upper_case);
}

const char* why_function_is_refused(std::string_view upper_case) noexcept {
  for (const auto& [name, reason] : kRefusedFunctions) {
    if (name == upper_case) return reason;
  }
  return nullptr;
}

}  // namespace assent::participant
