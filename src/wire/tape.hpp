#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace assent::wire {

/// One parsed JSON text (RFC 8259, strictly), as a flat list of nodes in the order of the text. Kept between frames, so
/// that parsing one needs few allocations. Unlike a tree of JSON values it keeps apart what a tree would blur:
/// integers outside 64 bits, and keys that appear twice. Not thread safe.
class Tape {
 public:
  enum class Kind : std::uint8_t {
    null,
    boolean,
    negative,     ///< An integer below zero.
    natural,      ///< An integer from zero on.
    big_integer,  ///< An integer literal that 64 bits cannot hold. Its value is not kept.
    real,
    string,
    array,   ///< `count` elements follow.
    object,  ///< `count` members follow, each a string node (its key) and a value.
  };

  struct Node {
    Kind kind = Kind::null;
    std::uint32_t count = 0;  ///< Of elements or members; of bytes in a string.
    std::uint32_t end = 0;    ///< Index of the first node behind this one and all within it.
    union {
      bool boolean;
      std::int64_t negative;
      std::uint64_t natural = 0;
      double real;
      std::uint32_t text_at;  ///< Where a string's bytes begin in the text.
    };
  };

  /// Replaces the contents. Empty when `json` was valid JSON of at most `nesting_max` levels; else a clause that says
  /// what was wrong and where, without quoting the input.
  std::string parse(std::string_view json, std::size_t nesting_max);

  /// The root is node 0.
  const Node& at(std::size_t index) const { return nodes_[index]; }
  std::string_view text(const Node& node) const { return {text_.data() + node.text_at, node.count}; }

 private:
  class Builder;
  std::vector<Node> nodes_;
  std::string text_;  ///< All strings and keys, unescaped, one after the other.
};

}  // namespace assent::wire
