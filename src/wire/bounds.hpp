#pragma once

#include <cstddef>
#include <cstdint>

namespace assent::wire {

// What a field may hold, given beside its name in fields.hpp. Checked when requests are read.

enum class Chars : std::uint8_t {
  any,        ///< Valid UTF-8.
  no_nul,     ///< Without U+0000.
  one_line,   ///< Without control characters.
  printable,  ///< ASCII from blank to tilde.
};

struct TextBound {
  std::size_t bytes_min = 0;
  std::size_t bytes_max = SIZE_MAX;
  Chars chars = Chars::any;
};

struct CountBound {
  std::size_t min = 0;
  std::size_t max = SIZE_MAX;
};

struct NumberBound {
  std::uint64_t min = 0;
  std::uint64_t max = UINT64_MAX;
};

struct NoBound {};

}  // namespace assent::wire
