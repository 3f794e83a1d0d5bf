#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "assent/result.hpp"

namespace assent::participant {

/// The longest SQL text of one statement, before its values are bound.
inline constexpr std::size_t kSqlBytesMax = 256 * 1024;
/// The most `?` in one statement; the servers' own bound on prepared statements.
inline constexpr std::size_t kPlaceholdersMax = 65'535;

/// A word of a statement that may name a table.
struct NameCandidate {
  std::string schema;  ///< Empty: the session's default schema.
  std::string name;
  bool operator==(const NameCandidate&) const = default;
  auto operator<=>(const NameCandidate&) const = default;
};

/// The first keyword, as far as it matters for how a result is read.
enum class Verb : std::uint8_t { read, insert, update, remove };

/// One application statement, found harmless and made ready for sending. Immutable.
struct ScannedSql {
  std::string text;                         ///< Without comments and the trailing semicolon.
  std::vector<std::uint32_t> placeholders;  ///< Offsets of `?` in `text`, rising.
  Verb verb = Verb::read;
  /// It reads or sets user variables, which live as long as the session: that one serves nobody else afterwards.
  bool uses_variables = false;
  bool uses_last_insert_id = false;       ///< It calls LAST_INSERT_ID, and so can set it in an UPDATE.
  bool returns_rows = false;              ///< A write with RETURNING. Reads do so in any case.
  std::vector<NameCandidate> candidates;  ///< Sorted, without repetition.
};

/// Reads one statement the way both servers do under the sessions' fixed sql_mode (backslash escapes on, double quotes
/// are strings), and refuses what could control the transaction or escape it. Pure. The error says what, at which
/// character, and what to do instead. `own_schema` is Assent's own, which application SQL must not touch.
Result<ScannedSql> scan_sql(std::string_view sql, std::string_view own_schema);

/// Whether the bytes are well-formed UTF-8 (no surrogates, nothing overlong).
bool valid_utf8(std::string_view text) noexcept;

}  // namespace assent::participant
