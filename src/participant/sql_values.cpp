#include "participant/sql_values.hpp"

#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>

#include "base/check.hpp"

namespace assent::participant {
namespace {

template <typename... Cases>
struct Overloaded : Cases... {
  using Cases::operator()...;
};
template <typename... Cases>
Overloaded(Cases...) -> Overloaded<Cases...>;

template <typename Int>
void append_int(std::string& out, Int value) {
  std::array<char, 24> digits;
  out.append(digits.data(), std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr);
}

// 17 digits bring every double back unchanged; without an exponent the servers would read an exact decimal.
void append_double(std::string& out, double value) {
  std::array<char, 40> digits;
  const auto size = std::snprintf(digits.data(), digits.size(), "%.16e", value);
  ASSENT_CHECK(size > 0 && static_cast<std::size_t>(size) < digits.size());
  out.append(digits.data(), static_cast<std::size_t>(size));
}

void append_blob(std::string& out, std::string_view bytes) {
  constexpr const char* kHex = "0123456789abcdef";
  out.append("_binary x'");
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    out.push_back(kHex[byte >> 4]);
    out.push_back(kHex[byte & 0xf]);
  }
  out.push_back('\'');
}

bool valid_decimal(std::string_view text) {
  if (!text.empty() && (text.front() == '-' || text.front() == '+')) text.remove_prefix(1);
  std::size_t digits = 0;
  std::size_t points = 0;
  for (const char c : text) {
    if (c == '.') {
      ++points;
    } else if (c >= '0' && c <= '9') {
      ++digits;
    } else {
      return false;
    }
  }
  return digits >= 1 && digits <= kDecimalDigitsMax && points <= 1;
}

const char* fault_of(const Value& value) {
  return std::visit(
      Overloaded{
          [](double number) { return std::isfinite(number) ? nullptr : "is not a finite number"; },
          [](const std::string& text) { return valid_utf8(text) ? nullptr : "is not valid UTF-8: pass it as a blob"; },
          [](const Decimal& number) {
            return valid_decimal(number.digits) ? nullptr : "is not a decimal number of at most 65 digits";
          },
          [](const auto&) { return static_cast<const char*>(nullptr); },
      },
      value);
}

void append_literal(std::string& out, const Value& value, const Escape& escape) {
  std::visit(Overloaded{
                 [&](Null) { out.append("NULL"); },
                 [&](bool flag) { out.append(flag ? "TRUE" : "FALSE"); },
                 [&](std::int64_t number) { append_int(out, number); },
                 [&](std::uint64_t number) { append_int(out, number); },
                 [&](double number) { append_double(out, number); },
                 [&](const std::string& text) { out.append("'").append(escape(text)).append("'"); },
                 // The point makes it exact even where it has no fraction and passes the integers' range.
                 [&](const Decimal& number) {
                   out.append(number.digits);
                   if (number.digits.find('.') == std::string::npos) out.push_back('.');
                 },
                 [&](const Blob& blob) { append_blob(out, blob.bytes); },
             },
             value);
}

}  // namespace

Status check_values(const ScannedSql& sql, std::span<const Value> values) {
  if (values.size() != sql.placeholders.size()) {
    return Error{Errc::invalid_argument,
                 "it has " + std::to_string(sql.placeholders.size()) + " placeholders and " +
                     std::to_string(values.size()) + " arguments: pass one argument for each ? outside quotes",
                 false};
  }
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (const auto* fault = fault_of(values[i])) {
      return Error{Errc::invalid_argument, "argument " + std::to_string(i) + " " + fault, false};
    }
  }
  return Ok{};
}

void append_bound(std::string& out, const ScannedSql& sql, std::span<const Value> values, const Escape& escape) {
  ASSENT_CHECK(values.size() == sql.placeholders.size());
  std::size_t from = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const std::size_t at = sql.placeholders[i];
    out.append(sql.text, from, at - from);
    append_literal(out, values[i], escape);
    from = at + 1;
  }
  out.append(sql.text, from);
}

}  // namespace assent::participant
