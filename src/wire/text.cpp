#include "wire/text.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include <nlohmann/json.hpp>

#include "base/check.hpp"
#include "wire/limits.hpp"

namespace assent::wire {
namespace {

/// What may stand in a JSON string as it is: ASCII from the blank on, without the quote and the backslash.
constexpr std::array<bool, 256> make_plain() {
  std::array<bool, 256> plain{};
  for (std::size_t c = 0x20; c < 0x80; ++c) plain[c] = c != '"' && c != '\\';
  return plain;
}
constexpr auto kPlain = make_plain();

}  // namespace

bool append_json_string(std::string& out, std::string_view text) {
  // Most texts need no escapes.
  if (std::all_of(text.begin(), text.end(), [](char c) { return kPlain[static_cast<unsigned char>(c)]; })) {
    out += '"';
    out += text;
    out += '"';
    return true;
  }
  const nlohmann::json json(text);
  try {
    out += json.dump();
    return true;
  } catch (const nlohmann::json::type_error&) {
    out += json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
    return false;
  }
}

void append_json_double(std::string& out, double value) {
  ASSENT_CHECK(std::isfinite(value));
  out += nlohmann::json(value).dump();
}

bool valid_decimal(std::string_view digits) {
  if (digits.starts_with('-')) digits.remove_prefix(1);
  std::size_t count = 0;
  std::size_t points = 0;
  for (const char c : digits) {
    if (c == '.') {
      if (++points > 1) return false;
    } else if (c >= '0' && c <= '9') {
      ++count;
    } else {
      return false;
    }
  }
  return count >= 1 && count <= kDecimalDigitsMax && digits.front() != '.' && digits.back() != '.';
}

}  // namespace assent::wire
