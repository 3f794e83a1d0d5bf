#include "wire/reader.hpp"

#include <algorithm>

#include "base/check.hpp"
#include "wire/base64.hpp"
#include "wire/fields.hpp"
#include "wire/text.hpp"

namespace assent::wire {

void Reader::fail(std::string what) {
  if (failed()) return;
  what_ = std::move(what);
  path_ = root_;
  for (const auto& step : steps_) {
    if (step.name.empty()) {
      path_ += '[' + std::to_string(step.index) + ']';
    } else {
      if (!path_.empty()) path_ += '.';
      path_ += step.name;
    }
  }
}

bool Reader::expect(std::size_t index, Tape::Kind kind, const char* what) {
  if (tape_.at(index).kind == kind) return true;
  fail(what);
  return false;
}

void Reader::check(std::string_view text, TextBound bound) {
  if (text.size() < bound.bytes_min) return fail("must not be empty");
  if (text.size() > bound.bytes_max) return fail("must be at most " + std::to_string(bound.bytes_max) + " bytes");
  const auto all = [&](auto fits) { return std::all_of(text.begin(), text.end(), fits); };
  switch (bound.chars) {
    case Chars::any: return;
    case Chars::no_nul:
      if (text.find('\0') != std::string_view::npos) fail("must not hold U+0000");
      return;
    case Chars::one_line:
      if (!all([](unsigned char c) { return c >= 0x20 && c != 0x7f; })) fail("must not hold control characters");
      return;
    case Chars::printable:
      if (!all([](unsigned char c) { return c >= 0x20 && c < 0x7f; })) fail("must be printable ASCII");
      return;
  }
}

void Reader::read_value(std::size_t index, Value& into) {
  const auto& node = tape_.at(index);
  switch (node.kind) {
    case Tape::Kind::null: into = Null{}; return;
    case Tape::Kind::boolean: into = node.boolean; return;
    case Tape::Kind::negative: into = node.negative; return;
    case Tape::Kind::natural:
      if (node.natural <= static_cast<std::uint64_t>(INT64_MAX)) {
        into = static_cast<std::int64_t>(node.natural);
      } else {
        into = node.natural;
      }
      return;
    case Tape::Kind::big_integer:
      return fail("is an integer that 64 bits do not hold; send it as {\"decimal\":\"...\"}");
    case Tape::Kind::real: into = node.real; return;
    case Tape::Kind::string: into.emplace<std::string>(tape_.text(node)); return;
    case Tape::Kind::object: return read_tagged_value(index, into);
    case Tape::Kind::array: return fail("must be a single value, not an array");
  }
}

void Reader::read_tagged_value(std::size_t index, Value& into) {
  const auto& node = tape_.at(index);
  const auto tag = node.count == 1 ? tape_.text(tape_.at(index + 1)) : std::string_view{};
  if (tag != "decimal" && tag != "base64") {
    return fail("must be {\"decimal\":\"...\"} or {\"base64\":\"...\"} when it is an object");
  }
  steps_.push_back({tag});
  if (!expect(index + 2, Tape::Kind::string, "must be a string")) return;
  const auto text = tape_.text(tape_.at(index + 2));
  if (tag == "decimal") {
    if (!valid_decimal(text))
      return fail("must be an optional minus, digits, and perhaps a point and more digits; at most " +
                  std::to_string(kDecimalDigitsMax) + " digits");
    into.emplace<Decimal>().digits = text;
  } else {
    auto bytes = decode_base64(text);
    if (!bytes) return fail("must be base64 with its padding and without blanks");
    into.emplace<Blob>().bytes = *std::move(bytes);
  }
  steps_.pop_back();
}

/// {"affected": n} or {"affected": {"min": n, "max": n}}.
void Reader::read_expect(std::size_t index, AffectedRange& into) {
  if (!expect(index, Tape::Kind::object, "must be an object")) return;
  Members members(*this, index);
  const auto affected = members.take("affected");
  if (!affected) return fail("lacks the field \"affected\"");
  steps_.push_back({"affected"});
  if (tape_.at(*affected).kind == Tape::Kind::object) {
    if (tape_.at(*affected).count == 0) return fail("must have \"min\", \"max\" or both");
    read_object(*affected, into);
  } else {
    read_integer(*affected, into.min, {});
    into.max = into.min;
  }
  if (failed()) return;
  steps_.pop_back();
  members.finish();
}

std::optional<std::size_t> Reader::Members::take(std::string_view name) {
  ASSENT_CHECK(asked_ < kFieldsMax);
  names_[asked_++] = name;
  const auto& tape = reader_.tape_;
  const auto& object = tape.at(object_);
  const auto found = [&](std::size_t key) {
    ++taken_;
    next_ = tape.at(key + 1).end;
    return key + 1;
  };
  if (next_ < object.end && tape.text(tape.at(next_)) == name) return found(next_);
  if (taken_ == object.count) return std::nullopt;
  for (std::size_t key = object_ + 1; key < object.end; key = tape.at(key + 1).end) {
    if (tape.text(tape.at(key)) == name) return found(key);
  }
  return std::nullopt;
}

void Reader::Members::finish() {
  const auto& tape = reader_.tape_;
  const auto& object = tape.at(object_);
  if (reader_.failed() || taken_ == object.count || reader_.unknown_ == Unknown::ignored) return;
  std::array<bool, kFieldsMax> seen{};
  for (std::size_t key = object_ + 1; key < object.end; key = tape.at(key + 1).end) {
    const auto name = tape.text(tape.at(key));
    const auto known = std::find(names_.begin(), names_.begin() + static_cast<std::ptrdiff_t>(asked_), name);
    const auto place = static_cast<std::size_t>(known - names_.begin());
    if (place < asked_ && !seen[place]) {
      seen[place] = true;
      continue;
    }
    reader_.steps_.push_back({name});
    reader_.fail(place < asked_ ? "appears twice" : "is not a field of this object");
    return;
  }
}

}  // namespace assent::wire
