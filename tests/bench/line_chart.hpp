#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "bench/numbers.hpp"
#include "bench/svg.hpp"

namespace assent::bench {

/// `min` and `max` are its error bar; absent: none.
struct Sample {
  double x = 0;
  double value = kAbsent;
  double min = kAbsent;
  double max = kAbsent;
};

struct Series {
  std::string name;
  std::string_view color;
  Shape shape = Shape::circle;
  std::vector<Sample> samples;  ///< By rising x. The line is broken where a value is absent.
};

struct LineChart {
  Box box;
  std::string title;
  std::string x_label = {};
  std::string y_label;
  std::string unit = {};   ///< Of y, for tooltips, as it follows a number: " ms".
  bool log_x = false;      ///< To the base 2; every x must then be above 0.
  bool log_y = false;      ///< Values of 0 are left out. Otherwise the axis begins at 0.
  double y_min = kAbsent;  ///< With log_y: what the axis has to hold beside the series, so that charts can share it.
  double y_max = kAbsent;
  double reference = kAbsent;  ///< A dashed line across.
  std::vector<Series> series = {};
};

/// Absent numbers are left out. An error bar that would dwarf all else leaves the chart as an arrow, with its end as a
/// number.
void draw(Svg& svg, const LineChart& chart);

}  // namespace assent::bench
