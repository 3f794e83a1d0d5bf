#pragma once

#include <string>
#include <vector>

namespace assent::bench {

struct Tick {
  double value = 0;
  std::string label;
};

/// Where the values of one axis lie on the page. What is beyond its ends is drawn at them.
class Axis {
 public:
  /// From 0 to a round number at or above `max`.
  static Axis from_zero(double max);
  /// Logarithmic, between round numbers around the two, both above 0.
  static Axis logarithmic(double min, double max);
  /// With a tick at every value; `base_2`: logarithmic, for values above 0.
  static Axis of_values(std::vector<double> values, bool base_2);

  /// Pixels of the axis' low and high end.
  void place(double low, double high);
  double at(double value) const;
  double high() const { return high_; }
  const std::vector<Tick>& ticks() const { return ticks_; }

 private:
  Axis(double low, double high, bool logarithmic) : low_(low), high_(high), logarithmic_(logarithmic) {}

  double low_;
  double high_;
  bool logarithmic_;
  double low_px_ = 0;
  double high_px_ = 0;
  std::vector<Tick> ticks_;
};

}  // namespace assent::bench
