#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace assent::app {

/// Text from outside as it may go to a terminal: control characters and bytes that are not UTF-8 become `\x1b`.
std::string printable(std::string_view text);

/// How many letters must be added, taken away or replaced to make one of the other.
std::size_t edit_distance(std::string_view a, std::string_view b);

/// "830 ms", "12 s", "3 min", "5 h", "2 d".
std::string shown_age(std::int64_t age_ms);

/// Columns padded to their widest cell, two spaces between them, one line per row, nothing after the last cell.
/// Cells are made printable.
std::string aligned(const std::vector<std::vector<std::string>>& rows);

/// `orders,stock`.
std::string joined(const std::vector<std::string>& items);

}  // namespace assent::app
