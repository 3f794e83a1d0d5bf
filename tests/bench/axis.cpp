#include "bench/axis.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "bench/numbers.hpp"

namespace assent::bench {
namespace {

constexpr int kTicksWanted = 7;
constexpr std::size_t kLogTicksMax = 12;
constexpr double kSlack = 1e-9;  // What rounding may cost a tick at an axis' end.

// The least of 1, 2 and 5 times a power of ten that is at least `value`, or the greatest at most.
double round_up(double value) {
  const double power = std::pow(10, std::floor(std::log10(value)));
  for (const double digit : {1, 2, 5}) {
    if (digit * power >= value * (1 - kSlack)) return digit * power;
  }
  return 10 * power;
}

double round_down(double value) {
  const double power = std::pow(10, std::floor(std::log10(value) + kSlack));
  for (const double digit : {5, 2}) {
    if (digit * power <= value * (1 + kSlack)) return digit * power;
  }
  return power;
}

std::string tick_label(double value, double step) {
  if (value >= 1e4 || step >= 1) return shown(value);
  const int decimals = std::min(6, static_cast<int>(std::ceil(-std::log10(step) - kSlack)));
  return fmt::format("{:.{}f}", value, decimals);
}

}  // namespace

Axis Axis::from_zero(double max) {
  const double top = std::isfinite(max) && max > 1e-6 ? max : 1;
  const double step = round_up(top / kTicksWanted);
  const auto steps = static_cast<int>(std::ceil(top / step - kSlack));
  Axis axis(0, steps * step, false);
  for (int i = 0; i <= steps; ++i) axis.ticks_.push_back({i * step, tick_label(i * step, step)});
  return axis;
}

Axis Axis::logarithmic(double min, double max) {
  double low = round_down(min);
  double high = round_up(max);
  if (high / low < 3) high = round_up(high * 2);
  Axis axis(low, high, true);
  const auto add = [&axis](double value) { axis.ticks_.push_back({value, shown(value)}); };
  for (double power = round_down(low) / 10; power < high * 10; power = round_up(power * 1.5)) {
    if (power >= low * (1 - kSlack) && power <= high * (1 + kSlack)) add(power);
  }
  if (axis.ticks_.size() <= kLogTicksMax) return axis;
  axis.ticks_.clear();
  const int first = static_cast<int>(std::ceil(std::log10(low) - kSlack));
  const int last = static_cast<int>(std::floor(std::log10(high) + kSlack));
  const int every = 1 + (last - first) / static_cast<int>(kLogTicksMax);
  for (int power = first; power <= last; power += every) add(std::pow(10, power));
  return axis;
}

Axis Axis::of_values(std::vector<double> values, bool base_2) {
  std::sort(values.begin(), values.end());
  values.erase(std::unique(values.begin(), values.end()), values.end());
  if (values.empty()) values.push_back(1);
  Axis axis(values.front(), values.back(), base_2);
  for (const double value : values) axis.ticks_.push_back({value, shown(value)});
  return axis;
}

void Axis::place(double low, double high) {
  low_px_ = low;
  high_px_ = high;
}

double Axis::at(double value) const {
  const double within = std::clamp(value, low_, high_);
  if (high_ <= low_) return (low_px_ + high_px_) / 2;
  const double share =
      logarithmic_ ? std::log(within / low_) / std::log(high_ / low_) : (within - low_) / (high_ - low_);
  return low_px_ + share * (high_px_ - low_px_);
}

}  // namespace assent::bench
