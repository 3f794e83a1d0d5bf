#pragma once

#include <string_view>

namespace assent::participant {

/// Whether the upper-case word is reserved at both kinds of server, so that unquoted it never names a table.
bool is_reserved_word(std::string_view upper_case) noexcept;

/// Why a call of this function is refused ("takes a lock that outlives the transaction"), or null when it is harmless.
const char* why_function_is_refused(std::string_view upper_case) noexcept;

}  // namespace assent::participant
