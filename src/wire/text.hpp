#pragma once

#include <string>
#include <string_view>

namespace assent::wire {

/// Appends `text` as a JSON string with its quotes. Bytes that are not UTF-8 become U+FFFD, so that the frame is
/// always valid; false says that this happened.
bool append_json_string(std::string& out, std::string_view text);

/// Appends the shortest spelling that reads back as the same double, always with a fraction or an exponent so that it
/// stays a double (`1.0`, `1e+300`). `value` must be finite.
void append_json_double(std::string& out, double value);

/// -?digits[.digits], with at most kDecimalDigitsMax digits.
bool valid_decimal(std::string_view digits);

}  // namespace assent::wire
