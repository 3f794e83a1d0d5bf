#pragma once

#include <cstdint>
#include <string>
#include <variant>

namespace assent {

/// An exact decimal number, as its digits: `-12.50`. Bound as a literal, so that arithmetic on it stays exact
/// (a plain string would be turned into a double by the server when it is added to something).
struct Decimal {
  std::string digits;
  bool operator==(const Decimal&) const = default;
};

/// Bytes that are not text.
struct Blob {
  std::string bytes;
  bool operator==(const Blob&) const = default;
};

/// SQL NULL.
using Null = std::monostate;

/// One SQL argument or one column of a row. Integers keep their full signed and unsigned 64-bit range.
/// Strings are valid UTF-8.
using Value = std::variant<Null, bool, std::int64_t, std::uint64_t, double, std::string, Decimal, Blob>;

}  // namespace assent
