#pragma once

#include <cstdint>

#include "base/check.hpp"
#include "search.hpp"

namespace assent::explore {

/// Writes and reads a state's fields, in the same order. A field has at most 32 bits.
class Packer {
 public:
  template <typename T>
  void put(T value, unsigned bits) {
    const auto number = static_cast<std::uint64_t>(value);
    ASSENT_CHECK(number >> bits == 0 && used_ + bits <= Packed::kBits);
    const auto at = used_ % 64;
    packed_.words[used_ / 64] |= number << at;
    if (at + bits > 64) packed_.words[used_ / 64 + 1] |= number >> (64 - at);
    used_ += bits;
  }
  const Packed& packed() const { return packed_; }

 private:
  Packed packed_;
  unsigned used_ = 0;
};

class Unpacker {
 public:
  explicit Unpacker(const Packed& packed) : packed_(packed) {}
  template <typename T>
  T take(unsigned bits) {
    const auto at = used_ % 64;
    auto number = packed_.words[used_ / 64] >> at;
    if (at + bits > 64) number |= packed_.words[used_ / 64 + 1] << (64 - at);
    used_ += bits;
    return static_cast<T>(number & ((std::uint64_t{1} << bits) - 1));
  }

 private:
  Packed packed_;
  unsigned used_ = 0;
};

}  // namespace assent::explore
