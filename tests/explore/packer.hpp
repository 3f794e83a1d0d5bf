#pragma once

#include <cstdint>

#include "base/check.hpp"
#include "search.hpp"

namespace assent::explore {

/// Writes and reads a state's fields, in the same order.
class Packer {
 public:
  template <typename T>
  void put(T value, unsigned bits) {
    const auto number = static_cast<std::uint64_t>(value);
    ASSENT_CHECK(number >> bits == 0 && used_ + bits <= 128);
    for (unsigned i = 0; i < bits; ++i, ++used_) word(used_) |= ((number >> i) & 1U) << (used_ % 64);
  }
  Packed packed() const { return packed_; }

 private:
  std::uint64_t& word(unsigned at) { return at < 64 ? packed_.low : packed_.high; }
  Packed packed_;
  unsigned used_ = 0;
};

class Unpacker {
 public:
  explicit Unpacker(const Packed& packed) : packed_(packed) {}
  template <typename T>
  T take(unsigned bits) {
    std::uint64_t number = 0;
    for (unsigned i = 0; i < bits; ++i, ++used_) {
      number |= (((used_ < 64 ? packed_.low : packed_.high) >> (used_ % 64)) & 1U) << i;
    }
    return static_cast<T>(number);
  }

 private:
  Packed packed_;
  unsigned used_ = 0;
};

}  // namespace assent::explore
