#pragma once

#include <array>
#include <chrono>
#include <concepts>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "assent/transaction.hpp"
#include "assent/value.hpp"
#include "wire/bounds.hpp"
#include "wire/contradictions.hpp"
#include "wire/names.hpp"
#include "wire/tape.hpp"

namespace assent::wire {

/// Reads typed values from a tape by the table in fields.hpp. The first thing that is wrong is kept with its path, and
/// everything after it is skipped; so a caller checks failed() once, at the end.
class Reader {
 public:
  enum class Unknown : std::uint8_t {
    refused,  ///< Requests: a misspelt field must not be dropped in silence.
    ignored,  ///< Answers: a newer server may say more.
  };

  /// `root` is the first word of every path: "params" or "result".
  Reader(const Tape& tape, std::string_view root, Unknown unknown) : tape_(tape), root_(root), unknown_(unknown) {}

  bool failed() const { return !what_.empty(); }
  const std::string& path() const { return path_; }
  /// A clause that follows the path: "must be a string".
  const std::string& what() const { return what_; }

  template <typename T, typename Bound = NoBound>
  void read(std::size_t index, T& into, Bound bound = {});

  void fail(std::string what);

 private:
  class Members;
  struct Step {
    std::string_view name;  ///< Empty for an element of an array.
    std::size_t index = 0;
  };

  bool expect(std::size_t index, Tape::Kind kind, const char* what);
  void check(std::string_view text, TextBound bound);

  void read_value(std::size_t index, Value& into);
  void read_tagged_value(std::size_t index, Value& into);
  void read_expect(std::size_t index, AffectedRange& into);
  template <typename T>
  void read_object(std::size_t index, T& into);
  template <typename T>
  void refuse_contradiction(const T& whole);
  template <typename T, typename Bound>
  void read_list(std::size_t index, std::vector<T>& into, Bound bound);
  template <typename Int>
  void read_integer(std::size_t index, Int& into, NumberBound bound);
  template <typename Enum>
  void read_name(std::size_t index, Enum& into);

  const Tape& tape_;
  std::string_view root_;
  Unknown unknown_;
  std::vector<Step> steps_;
  std::string path_;
  std::string what_;
};

/// The members of one object, taken one by one by name, in any order. Writers leave fields in the order of the table,
/// which is found without a search.
class Reader::Members {
 public:
  Members(Reader& reader, std::size_t object) : reader_(reader), object_(object), next_(object + 1) {}

  template <typename T, typename Bound = NoBound>
  void required(std::string_view name, T& into, Bound bound = {}) {
    if (reader_.failed()) return;
    if (const auto value = take(name)) {
      read(name, *value, into, bound);
    } else {
      reader_.fail("lacks the field \"" + std::string(name) + '"');
    }
  }

  /// Absent: `into` stays as it is.
  template <typename T, typename Bound = NoBound>
  void optional(std::string_view name, T& into, Bound bound = {}) {
    if (reader_.failed()) return;
    if (const auto value = take(name)) read(name, *value, into, bound);
  }

  /// As optional(); the writer always writes it.
  template <typename T, typename Bound = NoBound>
  void defaulted(std::string_view name, T& into, Bound bound = {}) {
    optional(name, into, bound);
  }

  /// Index of the member's value.
  std::optional<std::size_t> take(std::string_view name);

  /// Call last: refuses what nobody took.
  void finish();

 private:
  static constexpr std::size_t kFieldsMax = 24;

  template <typename T, typename Bound>
  void read(std::string_view name, std::size_t value, T& into, Bound bound) {
    reader_.steps_.push_back({name});
    reader_.read(value, into, bound);
    if (!reader_.failed()) reader_.steps_.pop_back();
  }

  Reader& reader_;
  std::size_t object_;
  std::size_t next_;  ///< The key behind the last one taken.
  std::size_t taken_ = 0;
  std::size_t asked_ = 0;
  std::array<std::string_view, kFieldsMax> names_;
};

template <typename T>
inline constexpr bool kIsVector = false;
template <typename T>
inline constexpr bool kIsVector<std::vector<T>> = true;
template <typename T>
inline constexpr bool kIsOptional = false;
template <typename T>
inline constexpr bool kIsOptional<std::optional<T>> = true;

template <typename T, typename Bound>
void Reader::read(std::size_t index, T& into, Bound bound) {
  if constexpr (std::same_as<T, std::string>) {
    if (!expect(index, Tape::Kind::string, "must be a string")) return;
    const auto text = tape_.text(tape_.at(index));
    if constexpr (std::same_as<Bound, TextBound>) check(text, bound);
    into = text;
  } else if constexpr (std::same_as<T, bool>) {
    if (expect(index, Tape::Kind::boolean, "must be true or false")) into = tape_.at(index).boolean;
  } else if constexpr (std::integral<T>) {
    if constexpr (std::same_as<Bound, NumberBound>) {
      read_integer(index, into, bound);
    } else {
      read_integer(index, into, {});
    }
  } else if constexpr (std::same_as<T, std::chrono::milliseconds>) {
    std::int64_t count = 0;
    read_integer(index, count, bound);
    into = std::chrono::milliseconds(count);
  } else if constexpr (std::is_enum_v<T>) {
    read_name(index, into);
  } else if constexpr (kIsOptional<T>) {
    read(index, into.emplace(), bound);
  } else if constexpr (kIsVector<T>) {
    read_list(index, into, bound);
  } else if constexpr (std::same_as<T, Value>) {
    read_value(index, into);
  } else if constexpr (std::same_as<T, AffectedRange>) {
    read_expect(index, into);
  } else if constexpr (std::same_as<T, std::map<std::string, std::uint64_t>>) {
    if (!expect(index, Tape::Kind::object, "must be an object")) return;
    std::size_t key = index + 1;
    while (key < tape_.at(index).end && !failed()) {
      read(key + 1, into[std::string(tape_.text(tape_.at(key)))]);
      key = tape_.at(key + 1).end;
    }
  } else {
    read_object(index, into);
  }
}

template <typename T>
void Reader::read_object(std::size_t index, T& into) {
  if (!expect(index, Tape::Kind::object, "must be an object")) return;
  Members members(*this, index);
  fields(members, into);
  members.finish();
  refuse_contradiction(into);
}

template <typename T>
void Reader::refuse_contradiction(const T& whole) {
  if constexpr (requires { contradiction(whole); }) {
    if (failed()) return;
    if (auto what = contradiction(whole); !what.empty()) fail(std::move(what));
  }
}

template <typename T, typename Bound>
void Reader::read_list(std::size_t index, std::vector<T>& into, Bound bound) {
  if (!expect(index, Tape::Kind::array, "must be an array")) return;
  const std::size_t count = tape_.at(index).count;
  if constexpr (std::same_as<Bound, CountBound>) {
    if (count < bound.min) return fail("must have at least " + std::to_string(bound.min) + " element(s)");
    if (count > bound.max) return fail("must have at most " + std::to_string(bound.max) + " elements");
  }
  into.resize(count);
  std::size_t element = index + 1;
  for (std::size_t i = 0; i < count; ++i) {
    steps_.push_back({{}, i});
    read(element, into[i]);
    if (failed()) return;
    steps_.pop_back();
    element = tape_.at(element).end;
  }
  refuse_contradiction(into);
}

template <typename Int>
void Reader::read_integer(std::size_t index, Int& into, NumberBound bound) {
  const auto& node = tape_.at(index);
  if constexpr (std::signed_integral<Int>) {
    if (node.kind == Tape::Kind::negative && bound.min == 0 && bound.max == UINT64_MAX) {
      into = static_cast<Int>(node.negative);
      return;
    }
  }
  bound.max = std::min(bound.max, static_cast<std::uint64_t>(std::numeric_limits<Int>::max()));
  if (node.kind != Tape::Kind::natural || node.natural < bound.min || node.natural > bound.max) {
    return fail("must be an integer from " + std::to_string(bound.min) + " to " + std::to_string(bound.max));
  }
  into = static_cast<Int>(node.natural);
}

template <typename Enum>
void Reader::read_name(std::size_t index, Enum& into) {
  if (!expect(index, Tape::Kind::string, "must be a string")) return;
  const auto text = tape_.text(tape_.at(index));
  for (const Enum value : kValuesOf<Enum>) {
    if (text == to_string(value)) {
      into = value;
      return;
    }
  }
  std::string what = "must be one of";
  for (const Enum value : kValuesOf<Enum>) what += std::string(" \"") + to_string(value) + '"';
  fail(std::move(what));
}

}  // namespace assent::wire
