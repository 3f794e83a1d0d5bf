#include "wire/tape.hpp"

#include <nlohmann/json.hpp>

#include "base/check.hpp"

namespace assent::wire {
namespace {

/// Above these, the memory of a large frame is given back rather than kept for the next one.
constexpr std::size_t kKeptNodes = 4'096;
constexpr std::size_t kKeptTextBytes = 64 * 1024;

}  // namespace

/// Lays what the parser meets on the tape, in the order of the text; a false ends the parse.
class Tape::Builder : public nlohmann::json_sax<nlohmann::json> {
 public:
  Builder(Tape& tape, std::size_t nesting_max) : tape_(tape), nesting_max_(nesting_max) {}

  std::string take_fault() { return std::move(fault_); }

  bool null() override { return counted(Kind::null); }
  bool boolean(bool value) override {
    counted(Kind::boolean);
    tape_.nodes_.back().boolean = value;
    return true;
  }
  bool number_integer(std::int64_t value) override {
    // The parser calls a zero with a minus an integer too.
    if (value >= 0) return number_unsigned(static_cast<std::uint64_t>(value));
    counted(Kind::negative);
    tape_.nodes_.back().negative = value;
    return true;
  }
  bool number_unsigned(std::uint64_t value) override {
    counted(Kind::natural);
    tape_.nodes_.back().natural = value;
    return true;
  }
  bool number_float(double value, const std::string& literal) override {
    // An integer that 64 bits cannot hold comes as a double, silently rounded: only its text tells.
    if (literal.find_first_of(".eE") == std::string::npos) return counted(Kind::big_integer);
    counted(Kind::real);
    tape_.nodes_.back().real = value;
    return true;
  }
  bool string(std::string& value) override {
    counted(Kind::string);
    return text(value);
  }
  bool binary(nlohmann::json::binary_t&) override { return false; }  // JSON has none.

  bool start_object(std::size_t) override { return open(Kind::object); }
  bool key(std::string& value) override {
    ++tape_.nodes_[open_.back()].count;
    add(Kind::string);
    return text(value);
  }
  bool end_object() override { return close(); }
  bool start_array(std::size_t) override { return open(Kind::array); }
  bool end_array() override { return close(); }

  bool parse_error(std::size_t byte, const std::string&, const nlohmann::json::exception& error) override {
    const std::string_view what = error.what();
    if (what.find("UTF-8") != std::string_view::npos) {
      fault_ = "has bytes that are not valid UTF-8";
    } else if (error.id == kNumberOverflow) {
      fault_ = "has a number too large for a double";
    } else {
      fault_ = "is not valid JSON";
    }
    // Without the parser's own text, which quotes the input.
    fault_ += " near byte " + std::to_string(byte);
    return false;
  }

 private:
  static constexpr int kNumberOverflow = 406;

  void add(Kind kind) {
    Node& node = tape_.nodes_.emplace_back();
    node.kind = kind;
    node.end = static_cast<std::uint32_t>(tape_.nodes_.size());
  }

  /// Adds a value, and counts it as an element if it stands in an array; members are counted by their keys.
  bool counted(Kind kind) {
    if (!open_.empty() && tape_.nodes_[open_.back()].kind == Kind::array) ++tape_.nodes_[open_.back()].count;
    add(kind);
    return true;
  }

  bool text(const std::string& value) {
    Node& node = tape_.nodes_.back();
    node.text_at = static_cast<std::uint32_t>(tape_.text_.size());
    node.count = static_cast<std::uint32_t>(value.size());
    tape_.text_ += value;
    return true;
  }

  bool open(Kind kind) {
    if (open_.size() == nesting_max_) {
      fault_ = "is nested deeper than " + std::to_string(nesting_max_) + " levels";
      return false;
    }
    counted(kind);
    open_.push_back(tape_.nodes_.size() - 1);
    return true;
  }

  bool close() {
    tape_.nodes_[open_.back()].end = static_cast<std::uint32_t>(tape_.nodes_.size());
    open_.pop_back();
    return true;
  }

  Tape& tape_;
  const std::size_t nesting_max_;
  std::vector<std::size_t> open_;  ///< The arrays and objects around the next value.
  std::string fault_;
};

std::string Tape::parse(std::string_view json, std::size_t nesting_max) {
  ASSENT_CHECK(json.size() < UINT32_MAX);
  nodes_.clear();
  text_.clear();
  if (nodes_.capacity() > kKeptNodes) nodes_.shrink_to_fit();
  if (text_.capacity() > kKeptTextBytes) text_.shrink_to_fit();

  // The parser would skip a byte order mark.
  if (json.starts_with("\xef\xbb\xbf")) return "begins with a byte order mark, and is to be plain UTF-8";
  if (json.find('\0') != std::string_view::npos) return "has a NUL byte, and is to be plain UTF-8";
  Builder builder(*this, nesting_max);
  nlohmann::json::sax_parse(json.begin(), json.end(), &builder);
  return builder.take_fault();
}

}  // namespace assent::wire
