#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "participant/config.hpp"
#include "participant/session.hpp"

namespace assent::participant {

// Assent's own tables as this version has them (schema.hpp says what is in them), and how those that an older version
// has made become so. `schema_version` says which version made them last, and the oldest one that can still use them.
//
// The tables are one list in tables.cpp. To change them, change the list: a column that is missing at a server is
// added, one that is too narrow is widened, and kSchemaVersion rises. A column is never taken away or given another
// meaning. What is added to rows that are there needs a default.

/// Rises with every change of the tables. 1: no `schema_version` yet; 2: no
/// `purged.kept`.
inline constexpr std::uint32_t kSchemaVersion = 3;
/// The lowest kSchemaVersion of a program that can still use tables of this version.
inline constexpr std::uint32_t kSchemaReadableBy = 3;

/// Why the tables cannot be used, and what a DBA can do.
struct SchemaFault {
  SqlError error;      ///< What the server said; number 0 when it is ours.
  std::string remedy;  ///< Empty: try again.
};

/// What of it is at a server.
struct SchemaLook {
  struct Column {
    std::string type;
    std::uint64_t length = 0;  ///< Of text.
  };
  bool schema = false;
  std::map<std::string, std::map<std::string, Column>> tables;  ///< Columns by table and name.
  bool identity = false;                                        ///< The row of `server`.
  std::uint32_t version = 0;                                    ///< 0: none is written.
  std::uint32_t readable_by = 0;

  /// Made by a version that this one cannot follow.
  bool is_newer() const { return readable_by > kSchemaVersion; }
  /// Every table of an older version is there, and not all of this one's.
  bool is_older(const Config& config) const;
};

/// Changes nothing.
std::variant<SchemaLook, SqlError> look_at_schema(Session& session, const Config& config);

/// One statement that is still to be run, and what it makes, in words: `table proof`, `column coordinator.place`.
struct SchemaStep {
  std::string sql;
  std::string what;
  bool can_wait = false;  ///< Serving is safe without it.
};

/// From what is there to what this version needs, in order. Empty: nothing is missing. Pure.
std::vector<SchemaStep> missing_steps(const SchemaLook& look, const Config& config);

/// Makes and migrates what is missing. Gives what was made, in the words of SchemaStep. Leaves a schema alone that a
/// newer version has made so that this one cannot use it.
std::variant<std::vector<std::string>, SchemaFault> bring_schema_up(Session& session, const Config& config);

std::string all_of(const std::vector<SchemaStep>& steps);
/// What a newer schema is refused with.
std::string newer_schema(const SchemaLook& look, const Config& config);

/// The same for a script: makes it where there is nothing, migrates it where it is older, and changes nothing where all
/// is there. For both kinds of server. One statement each.
std::vector<std::string> schema_statements(const Config& config);

/// Whether every table is there and may be read and locked. Changes nothing.
std::optional<SqlError> probe_schema(Session& session, const Config& config);

}  // namespace assent::participant
