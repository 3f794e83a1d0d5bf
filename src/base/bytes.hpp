#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace assent::base {

// Fixed-width little-endian integers, and strings preceded by their length, for what is written to disk.

template <typename Int>
void put_int(std::string& out, Int value) {
  for (std::size_t i = 0; i < sizeof(Int); ++i) {
    out.push_back(static_cast<char>((static_cast<std::uint64_t>(value) >> (8 * i)) & 0xff));
  }
}

inline void put_string(std::string& out, std::string_view text) {
  put_int(out, static_cast<std::uint32_t>(text.size()));
  out.append(text);
}

/// Reads what put_int and put_string wrote. After a short read `ok()` is false and every further read gives zero or
/// an empty string, so that a decoder checks once, at its end. Views point into the given bytes.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : left_(bytes) {}

  template <typename Int>
  Int take_int() {
    if (left_.size() < sizeof(Int)) return fail(), Int{};
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < sizeof(Int); ++i) {
      value |= static_cast<std::uint64_t>(static_cast<unsigned char>(left_[i])) << (8 * i);
    }
    left_.remove_prefix(sizeof(Int));
    return static_cast<Int>(value);
  }

  std::string_view take_string() {
    const auto size = take_int<std::uint32_t>();
    if (left_.size() < size) return fail(), std::string_view{};
    const auto text = left_.substr(0, size);
    left_.remove_prefix(size);
    return text;
  }

  bool ok() const { return ok_; }
  std::size_t left() const { return left_.size(); }

 private:
  void fail() {
    ok_ = false;
    left_ = {};
  }
  std::string_view left_;
  bool ok_ = true;
};

}  // namespace assent::base
