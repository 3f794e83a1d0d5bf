#pragma once

#include <limits>
#include <string>

namespace assent::bench {

/// Measured numbers are finite, not negative, and at most kValueMax. All else is absent.
constexpr double kAbsent = std::numeric_limits<double>::quiet_NaN();
constexpr double kValueMax = 1e12;

bool present(double value);

/// As short as three digits tell it: "4,370", "12.5", "0.853", "1.2M"; "–" for what is absent.
std::string shown(double value);

/// The same, with the zeroes that three digits may end in: "1.00", "96.0".
std::string three_digits(double value);

/// The greater one of those that are present.
double highest(double a, double b);

}  // namespace assent::bench
