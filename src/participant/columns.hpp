#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "assent/transaction.hpp"
#include "participant/session.hpp"

namespace assent::participant {

/// What a column of a result holds, as far as its values are told apart.
enum class ColumnKind : std::uint8_t { text, blob, signed_int, unsigned_int, real, decimal, bits };

/// A value as the server sends it, which is text. Not for bits.
Value to_value(std::string text, ColumnKind kind);

/// A BIT column's value, most significant byte first, without leading zeroes.
std::string bytes_of_bits(std::uint64_t bits);

/// False when the value does not fit into what is left of the budget, which is then used up.
bool take_from(RowBudget& left, const Value& value);

}  // namespace assent::participant
