#include "wire/tape.hpp"

#include <charconv>
#include <cmath>
#include <cstdlib>
#include <system_error>

#include "base/check.hpp"
#include "wire/text.hpp"

// A general JSON library took most of the time that a request costs here, and had to be told about a byte order mark,
// NUL bytes and large integers besides; it is what the tests compare this scanner with.

namespace assent::wire {
namespace {

/// Above these, the memory of a large frame is given back rather than kept for the next one.
constexpr std::size_t kKeptNodes = 4'096;
constexpr std::size_t kKeptTextBytes = 64 * 1024;

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

void append_utf8(std::string& out, std::uint32_t point) {
  const auto put = [&](std::uint32_t byte) { out += static_cast<char>(byte); };
  if (point < 0x80) return put(point);
  if (point < 0x800) {
    put(0xc0 | point >> 6);
  } else {
    if (point < 0x10000) {
      put(0xe0 | point >> 12);
    } else {
      put(0xf0 | point >> 18);
      put(0x80 | (point >> 12 & 0x3f));
    }
    put(0x80 | (point >> 6 & 0x3f));
  }
  put(0x80 | (point & 0x3f));
}

}  // namespace

/// Recursive descent, one function per rule of the grammar; each returns false after fail().
class Tape::Scanner {
 public:
  Scanner(Tape& tape, std::string_view json, std::size_t nesting_max)
      : tape_(tape), json_(json), nesting_max_(nesting_max) {}

  std::string run() {
    if (value(0)) {
      skip_blanks();
      if (at_ != json_.size()) fail();
    }
    return std::move(fault_);
  }

 private:
  /// The next character, or NUL (which no rule takes) at the end.
  char peek() const { return at_ < json_.size() ? json_[at_] : '\0'; }

  bool fail(std::string_view what = "is not valid JSON") {
    fault_ = std::string(what) + " near byte " + std::to_string(at_ + 1);
    return false;
  }

  void skip_blanks() {
    while (at_ < json_.size()) {
      const char c = json_[at_];
      if (c != ' ' && c != '\t' && c != '\n' && c != '\r') return;
      ++at_;
    }
  }

  bool take(char c) {
    if (peek() != c) return false;
    ++at_;
    return true;
  }

  /// The reference is valid until the next call.
  Node& add(Kind kind) {
    Node& node = tape_.nodes_.emplace_back();
    node.kind = kind;
    node.end = static_cast<std::uint32_t>(tape_.nodes_.size());
    return node;
  }

  bool value(std::size_t level) {
    skip_blanks();
    switch (peek()) {
      case '{': return object(level);
      case '[': return array(level);
      case '"': return string();
      case 't': return word("true") && (add(Kind::boolean).boolean = true);
      case 'f': return word("false") && !(add(Kind::boolean).boolean = false);
      case 'n': return word("null") && (add(Kind::null), true);
      default: return number();
    }
  }

  bool word(std::string_view expected) {
    if (!json_.substr(at_).starts_with(expected)) return fail();
    at_ += expected.size();
    return true;
  }

  bool object(std::size_t level) {
    return nested(Kind::object, '}', level, [&] {
      if (peek() != '"') return fail();
      if (!string()) return false;
      skip_blanks();
      return take(':') ? value(level + 1) : fail();
    });
  }

  bool array(std::size_t level) {
    return nested(Kind::array, ']', level, [&] { return value(level + 1); });
  }

  template <typename Element>
  bool nested(Kind kind, char close, std::size_t level, Element element) {
    if (level == nesting_max_) return fail("is nested deeper than " + std::to_string(nesting_max_) + " levels");
    ++at_;
    const std::size_t index = tape_.nodes_.size();
    add(kind);
    skip_blanks();
    std::uint32_t count = 0;
    if (!take(close)) {
      do {
        skip_blanks();
        if (!element()) return false;
        ++count;
        skip_blanks();
      } while (take(','));
      if (!take(close)) return fail();
    }
    tape_.nodes_[index].count = count;
    tape_.nodes_[index].end = static_cast<std::uint32_t>(tape_.nodes_.size());
    return true;
  }

  bool number() {
    const std::size_t from = at_;
    const bool minus = take('-');
    if (!take('0') && !digits()) return fail();
    bool real = false;
    if (take('.')) {
      real = true;
      if (!digits()) return fail();
    }
    if (take('e') || take('E')) {
      real = true;
      if (!take('+')) take('-');
      if (!digits()) return fail();
    }
    const char* const first = json_.data() + from;
    const char* const last = json_.data() + at_;
    if (real) return real_number(first, last);
    std::uint64_t natural = 0;
    if (std::from_chars(first + (minus ? 1 : 0), last, natural).ec != std::errc()) {
      add(Kind::big_integer);
    } else if (!minus || natural == 0) {
      add(Kind::natural).natural = natural;
    } else if (natural <= std::uint64_t{1} << 63) {
      add(Kind::negative).negative = static_cast<std::int64_t>(0 - natural);
    } else {
      add(Kind::big_integer);
    }
    return true;
  }

  bool real_number(const char* first, const char* last) {
    double real = 0;
    if (std::from_chars(first, last, real).ec != std::errc()) {
      // Too large, or so small that it is zero: from_chars does not say which.
      real = std::strtod(std::string(first, last).c_str(), nullptr);
      if (!std::isfinite(real)) return fail("has a number too large for a double");
    }
    add(Kind::real).real = real;
    return true;
  }

  /// At least one.
  bool digits() {
    const std::size_t from = at_;
    while (is_digit(peek())) ++at_;
    return at_ > from;
  }

  bool string() {
    ++at_;
    const std::size_t text_at = tape_.text_.size();
    while (true) {
      const std::size_t from = at_;
      while (at_ < json_.size() && plain_in_json(json_[at_])) ++at_;
      tape_.text_.append(json_, from, at_ - from);
      if (at_ == json_.size()) return fail();
      if (take('"')) break;
      if (!(json_[at_] == '\\' ? escape() : not_ascii())) return false;
    }
    Node& node = add(Kind::string);
    node.text_at = static_cast<std::uint32_t>(text_at);
    node.count = static_cast<std::uint32_t>(tape_.text_.size() - text_at);
    return true;
  }

  bool not_ascii() {
    if (static_cast<unsigned char>(json_[at_]) < 0x20) return fail();
    const std::size_t bytes = utf8_sequence_bytes(json_.substr(at_));
    if (bytes == 0) return fail("has bytes that are not valid UTF-8");
    tape_.text_.append(json_, at_, bytes);
    at_ += bytes;
    return true;
  }

  bool escape() {
    ++at_;
    char plain = '\0';
    switch (peek()) {
      case '"': plain = '"'; break;
      case '\\': plain = '\\'; break;
      case '/': plain = '/'; break;
      case 'b': plain = '\b'; break;
      case 'f': plain = '\f'; break;
      case 'n': plain = '\n'; break;
      case 'r': plain = '\r'; break;
      case 't': plain = '\t'; break;
      case 'u': return unicode_escape();
      default: return fail();
    }
    ++at_;
    tape_.text_ += plain;
    return true;
  }

  bool unicode_escape() {
    std::uint32_t point = 0;
    if (!four_hex(point)) return fail();
    if (point >= 0xdc00 && point < 0xe000) return fail();
    if (point >= 0xd800 && point < 0xdc00) {
      std::uint32_t low = 0;
      if (!take('\\') || !four_hex(low) || low < 0xdc00 || low >= 0xe000) return fail();
      point = 0x10000 + ((point - 0xd800) << 10) + (low - 0xdc00);
    }
    append_utf8(tape_.text_, point);
    return true;
  }

  bool four_hex(std::uint32_t& point) {
    if (!take('u') || json_.size() - at_ < 4) return false;
    const char* const first = json_.data() + at_;
    // from_chars takes a minus for signed types only, and no blank, plus or 0x.
    const auto [last, error] = std::from_chars(first, first + 4, point, 16);
    at_ += 4;
    return error == std::errc() && last == first + 4;
  }

  Tape& tape_;
  std::string_view json_;
  std::size_t nesting_max_;
  std::size_t at_ = 0;
  std::string fault_;
};

std::string Tape::parse(std::string_view json, std::size_t nesting_max) {
  ASSENT_CHECK(json.size() < UINT32_MAX);
  nodes_.clear();
  text_.clear();
  if (nodes_.capacity() > kKeptNodes) nodes_.shrink_to_fit();
  if (text_.capacity() > kKeptTextBytes) text_.shrink_to_fit();

  if (json.starts_with("\xef\xbb\xbf")) return "begins with a byte order mark; send plain UTF-8";
  if (json.find('\0') != std::string_view::npos) return "has a NUL byte; send plain UTF-8";
  return Scanner(*this, json, nesting_max).run();
}

}  // namespace assent::wire
