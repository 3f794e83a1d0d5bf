#pragma once

#include <cstdint>

namespace assent::protocol {

/// A set of the values of a small enum, for the cells of a rule table: `any_of(Proof::absent, Proof::fenced)`.
template <typename Enum>
class Cell {
 public:
  template <typename... Values>
  static constexpr Cell of(Values... values) {
    return Cell((bit(values) | ...));
  }
  static constexpr Cell all() { return Cell(~std::uint32_t{0}); }
  static constexpr Cell all_but(Enum value) { return Cell(~bit(value)); }
  constexpr bool has(Enum value) const { return (bits_ & bit(value)) != 0; }

 private:
  explicit constexpr Cell(std::uint32_t bits) : bits_(bits) {}
  static constexpr std::uint32_t bit(Enum value) { return std::uint32_t{1} << static_cast<unsigned>(value); }
  std::uint32_t bits_;
};

template <typename Enum, typename... More>
constexpr Cell<Enum> is(Enum first, More... more) {
  return Cell<Enum>::of(first, more...);
}

template <typename Enum>
constexpr Cell<Enum> is_not(Enum value) {
  return Cell<Enum>::all_but(value);
}

/// Converts to a cell of any enum that holds every value.
struct Any {
  template <typename Enum>
  constexpr operator Cell<Enum>() const {
    return Cell<Enum>::all();
  }
};
inline constexpr Any kAny{};

}  // namespace assent::protocol
