#include "bench/numbers.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace assent::bench {

bool present(double value) {
  return std::isfinite(value) && value >= 0 && value <= kValueMax;
}

std::string shown(double value) {
  if (!present(value)) return "–";
  if (value == 0) return "0";
  if (value >= 999.5e6) return fmt::format("{:.3g}G", value / 1e9);
  if (value >= 999.5e3) return fmt::format("{:.3g}M", value / 1e6);
  if (value < 999.5) return fmt::format("{:.3g}", value);
  const auto whole = static_cast<long>(std::lround(value));
  return fmt::format("{},{:03}", whole / 1000, whole % 1000);
}

std::string three_digits(double value) {
  if (!present(value) || value < 0.0995 || value >= 999.5) return shown(value);
  const int decimals = value < 0.9995 ? 3 : value < 9.995 ? 2 : value < 99.95 ? 1 : 0;
  return fmt::format("{:.{}f}", value, decimals);
}

double highest(double a, double b) {
  return present(a) && present(b) ? std::max(a, b) : present(a) ? a : b;
}

}  // namespace assent::bench
