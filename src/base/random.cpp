#include "base/random.hpp"

#include <sys/random.h>

#include <array>

#include "base/check.hpp"

namespace assent::base {

std::uint64_t random_64() {
  thread_local std::array<std::uint64_t, 32> pool;
  thread_local std::size_t left = 0;
  if (left == 0) {
    ASSENT_CHECK(::getrandom(pool.data(), sizeof(pool), 0) == static_cast<ssize_t>(sizeof(pool)));
    left = pool.size();
  }
  return pool[--left];
}

std::uint64_t process_instance() {
  static const std::uint64_t instance = [] {
    std::uint64_t random = 0;
    while (random == 0) random = random_64();
    return random;
  }();
  return instance;
}

}  // namespace assent::base
