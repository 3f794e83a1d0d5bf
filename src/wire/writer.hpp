#pragma once

#include <charconv>
#include <chrono>
#include <concepts>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "assent/transaction.hpp"
#include "assent/value.hpp"
#include "wire/text.hpp"

namespace assent::wire {

/// Appends JSON by the table in fields.hpp.
class Writer {
 public:
  explicit Writer(std::string& out) : out_(out) {}

  /// A clause that says what JSON could not hold as it was, or an empty string. Text that is not UTF-8 is written with
  /// U+FFFD in place of what is wrong (as a value of a row or an argument: as base64), a double that is no number as
  /// null. Answers may go out so, since they must go out; requests may not.
  const char* damage() const { return damage_; }

  template <typename T>
  void write(const T& value);

  // As fields.hpp calls them, for the members of one object.

  template <typename T, typename Bound = int>
  void required(std::string_view name, const T& value, Bound = {}) {
    if (out_.back() != '{') out_ += ',';
    out_ += '"';
    out_ += name;
    out_ += "\":";
    write(value);
  }
  template <typename T, typename Bound = int>
  void optional(std::string_view name, const T& value, Bound = {}) {
    if (!holds_nothing(value)) required(name, value);
  }
  template <typename T, typename Bound = int>
  void defaulted(std::string_view name, const T& value, Bound = {}) {
    required(name, value);
  }

 private:
  template <typename T>
  static bool holds_nothing(const T& value) {
    if constexpr (requires { value.has_value(); }) {
      return !value.has_value();
    } else if constexpr (requires { value.empty(); }) {
      return value.empty();
    } else {
      return value == T{};
    }
  }

  template <typename Int>
  void write_integer(Int value) {
    char digits[24];
    const auto end = std::to_chars(digits, digits + sizeof digits, value).ptr;
    out_.append(digits, end);
  }
  void write_text(std::string_view text);
  void write_value(const Value& value);
  void write_expect(const AffectedRange& range);

  std::string& out_;
  const char* damage_ = "";
};

template <typename T>
void Writer::write(const T& value) {
  if constexpr (std::convertible_to<T, std::string_view>) {
    write_text(value);
  } else if constexpr (std::same_as<T, bool>) {
    out_ += value ? "true" : "false";
  } else if constexpr (std::integral<T>) {
    write_integer(value);
  } else if constexpr (std::same_as<T, std::chrono::milliseconds>) {
    write_integer(value.count());
  } else if constexpr (std::is_enum_v<T>) {
    out_ += '"';
    out_ += to_string(value);
    out_ += '"';
  } else if constexpr (requires { value.has_value(); }) {
    write(*value);
  } else if constexpr (std::same_as<T, Value>) {
    write_value(value);
  } else if constexpr (std::same_as<T, AffectedRange>) {
    write_expect(value);
  } else if constexpr (std::same_as<T, std::map<std::string, std::uint64_t>>) {
    out_ += '{';
    for (const auto& [key, number] : value) {
      if (out_.back() != '{') out_ += ',';
      write_text(key);
      out_ += ':';
      write_integer(number);
    }
    out_ += '}';
  } else if constexpr (requires { value.begin(); }) {
    out_ += '[';
    bool first = true;
    for (const auto& element : value) {
      if (!first) out_ += ',';
      first = false;
      write(element);
    }
    out_ += ']';
  } else {
    out_ += '{';
    fields(*this, value);
    out_ += '}';
  }
}

}  // namespace assent::wire
