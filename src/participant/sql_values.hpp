#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "assent/result.hpp"
#include "assent/value.hpp"
#include "participant/sql_scan.hpp"

namespace assent::participant {

/// Digits a DECIMAL of either server can hold.
inline constexpr std::size_t kDecimalDigitsMax = 65;

/// Escapes text for use between single quotes in a literal; the session's own.
using Escape = std::function<std::string(std::string_view)>;

/// Whether every value can be bound exactly: finite doubles, decimals that are digits, strings that are UTF-8, and as
/// many values as there are placeholders. Pure. The error names the argument by its position, never its content.
Status check_values(const ScannedSql& sql, std::span<const Value> values);

/// Appends the statement with its values as literals. They must have passed check_values.
void append_bound(std::string& out, const ScannedSql& sql, std::span<const Value> values, const Escape& escape);

}  // namespace assent::participant
