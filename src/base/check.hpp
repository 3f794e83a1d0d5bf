#pragma once

#include <cstdio>
#include <cstdlib>

namespace assent::base {

[[noreturn]] inline void check_failed(const char* file, int line, const char* expression) noexcept {
  std::fprintf(stderr, "%s:%d: broken invariant: %s\n", file, line, expression);
  std::abort();
}

}  // namespace assent::base

/// Aborts when `expression` is false, in release builds too: a coordinator that goes on with a broken invariant
/// could decide wrongly, one that stops is recovered.
#define ASSENT_CHECK(expression) \
  ((expression) ? static_cast<void>(0) : ::assent::base::check_failed(__FILE__, __LINE__, #expression))
