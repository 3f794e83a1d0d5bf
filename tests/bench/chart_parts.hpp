#pragma once

#include <string>
#include <string_view>

#include "bench/axis.hpp"
#include "bench/numbers.hpp"
#include "bench/svg.hpp"

/// What line charts and bar charts share.
namespace assent::bench {

constexpr std::string_view kGridColor = "#e3e3e3";
constexpr std::string_view kAxisColor = "#777777";
constexpr std::string_view kQuietColor = "#666666";
constexpr double kTickFont = 12;
constexpr double kNumberFont = 11;
constexpr double kGutterLeft = 66;  ///< From a chart's edge to its plot.
constexpr double kGutterTop = 30;
constexpr double kErrorBarsMax = 1.6;  ///< Of the highest value; an error bar that is longer leaves the chart.

struct FrameText {
  const std::string& title;
  const std::string& x_label;
  const std::string& y_label;
};

/// Title, grid, ticks of `y` and labels of a chart in `box` with its plot in `plot`.
void draw_frame(Svg& svg, const Box& box, const Box& plot, const Axis& y, const FrameText& text);
void draw_baseline(Svg& svg, const Box& plot);
/// A dashed line across; none where `reference` is absent.
void draw_reference(Svg& svg, const Box& plot, const Axis& y, double reference);
/// None unless both ends are present. Beyond the axis' end it is an arrow, with `max` beside it.
void draw_error_bar(Svg& svg, double x, const Axis& y, double min, double max, double half_width, const Stroke& stroke);
void draw_no_data(Svg& svg, const Box& plot);

/// Where a y axis from 0 has to end, so that error bars do not dwarf the values. `reference` may be absent.
double top_of_axis(double highest_value, double highest_error_bar, double reference);

/// " (4,100 to 4,600)", or nothing where one of them is absent.
std::string range_in_words(double min, double max);

}  // namespace assent::bench
