#include "participant/columns.hpp"

#include <charconv>
#include <cstdlib>
#include <utility>

namespace assent::participant {
namespace {

template <typename Int>
Value parse_int(const std::string& text) {
  Int number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size()) return text;
  return number;
}

std::size_t bytes_in(const Value& value) {
  if (const auto* text = std::get_if<std::string>(&value)) return text->size();
  if (const auto* blob = std::get_if<Blob>(&value)) return blob->bytes.size();
  if (const auto* number = std::get_if<Decimal>(&value)) return number->digits.size();
  return 8;
}

}  // namespace

std::string bytes_of_bits(std::uint64_t bits) {
  std::string bytes;
  for (int shift = 56; shift >= 0; shift -= 8) {
    const auto byte = static_cast<char>((bits >> shift) & 0xff);
    if (byte != 0 || !bytes.empty() || shift == 0) bytes.push_back(byte);
  }
  return bytes;
}

Value to_value(std::string text, ColumnKind kind) {
  switch (kind) {
    case ColumnKind::signed_int: return parse_int<std::int64_t>(text);
    case ColumnKind::unsigned_int: return parse_int<std::uint64_t>(text);
    case ColumnKind::real: return std::strtod(text.c_str(), nullptr);
    case ColumnKind::decimal: return Decimal{std::move(text)};
    case ColumnKind::blob: return Blob{std::move(text)};
    default: return text;
  }
}

bool take_from(RowBudget& left, const Value& value) {
  const auto bytes = bytes_in(value);
  const bool fits = bytes <= left.bytes;
  left.bytes -= fits ? bytes : left.bytes;
  return fits;
}

}  // namespace assent::participant
