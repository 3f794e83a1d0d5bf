#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "bench/numbers.hpp"
#include "bench/svg.hpp"

namespace assent::bench {

struct BarPart {
  double value = kAbsent;
  std::string_view color;
  std::string name;                    ///< For the tooltip; may be empty.
  std::string_view number_color = {};  ///< Empty: its own number does not stand in it.
};

/// Parts are stacked. The number above a bar is their sum.
struct Bar {
  std::string label;
  std::vector<BarPart> parts;
  double min = kAbsent;
  double max = kAbsent;
};

struct BarGroup {
  std::string label;
  std::string_view color;  ///< Of the marker by the label.
  Shape shape = Shape::circle;
  std::vector<Bar> bars;
};

struct BarKey {
  std::string name;
  std::string_view color;
};

struct BarChart {
  Box box;
  std::string title;
  std::string x_label = {};
  std::string y_label;
  std::string unit = {};  ///< For tooltips, as it follows a number: " ms".
  double reference = kAbsent;
  std::vector<BarKey> key = {};  ///< What the parts' colours mean.
  std::vector<BarGroup> groups = {};
};

/// Absent numbers are left out, as in line charts.
void draw(Svg& svg, const BarChart& chart);

}  // namespace assent::bench
