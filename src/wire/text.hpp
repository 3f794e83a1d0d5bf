#pragma once

#include <string>
#include <string_view>

namespace assent::wire {

/// Length of the well-formed sequence that `text` starts with (RFC 3629: no surrogates, no overlong forms, nothing
/// above U+10FFFF), or 0. `text` is not empty.
std::size_t utf8_sequence_bytes(std::string_view text);

/// What may stand in a JSON string as it is: ASCII from the blank on, without the quote and the backslash.
bool plain_in_json(char c);

/// Appends `text` as a JSON string with its quotes. Bytes that are not UTF-8 become U+FFFD, so that the frame is
/// always valid; false says that this happened.
bool append_json_string(std::string& out, std::string_view text);

/// Appends the shortest spelling that reads back as the same double, always with a fraction or an exponent so that it
/// stays a double (`1.0`, `1e+300`). `value` must be finite.
void append_json_double(std::string& out, double value);

/// -?digits[.digits], with at most kDecimalDigitsMax digits.
bool valid_decimal(std::string_view digits);

}  // namespace assent::wire
