#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace assent::wire {

/// RFC 4648 section 4: the alphabet with `+` and `/`, padded with `=`.
void append_base64(std::string& out, std::string_view bytes);

/// Nothing unless `text` is what append_base64 would write for some bytes: no blanks, whole padding, and the unused
/// bits of the last digit zero, so that equal bytes have exactly one spelling.
std::optional<std::string> decode_base64(std::string_view text);

}  // namespace assent::wire
