#include "bench/line_chart.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "bench/axis.hpp"
#include "bench/chart_parts.hpp"

namespace assent::bench {
namespace {

constexpr double kSeriesApart = 2.5;  // So that error bars at one x stand side by side.
constexpr double kGutterBottom = 44;

bool plotted(const LineChart& chart, double value) {
  return present(value) && (!chart.log_y || value > 0);
}

// Lowest and highest of all that the y axis has to hold.
std::optional<std::pair<double, double>> extent(const LineChart& chart) {
  std::optional<std::pair<double, double>> found;
  const auto take = [&](double value) {
    if (!plotted(chart, value)) return;
    if (!found) found = {value, value};
    found->first = std::min(found->first, value);
    found->second = std::max(found->second, value);
  };
  for (const auto& series : chart.series) {
    for (const auto& sample : series.samples) {
      if (!plotted(chart, sample.value)) continue;
      for (const double value : {sample.value, sample.min, sample.max}) take(value);
    }
  }
  if (!found) return found;
  for (const double value : {chart.y_min, chart.y_max, chart.reference}) take(value);
  return found;
}

double highest_of(const LineChart& chart) {
  double value = kAbsent;
  double error_bar = kAbsent;
  for (const auto& series : chart.series) {
    for (const auto& sample : series.samples) {
      if (!present(sample.value)) continue;
      value = highest(value, sample.value);
      error_bar = highest(error_bar, sample.max);
    }
  }
  return top_of_axis(value, highest(error_bar, value), chart.reference);
}

Axis x_axis(const LineChart& chart) {
  std::vector<double> values;
  for (const auto& series : chart.series) {
    for (const auto& sample : series.samples) values.push_back(sample.x);
  }
  return Axis::of_values(std::move(values), chart.log_x);
}

void draw_x_ticks(Svg& svg, const Box& plot, const Axis& x) {
  double taken_to = -1;
  for (const auto& tick : x.ticks()) {
    const double at = x.at(tick.value);
    svg.line({at, plot.bottom()}, {at, plot.bottom() + 5}, {.color = kAxisColor});
    const double half = text_width(tick.label, kTickFont) / 2;
    if (at - half < taken_to) continue;
    svg.text({at, plot.bottom() + 19}, tick.label, {.size = kTickFont, .anchor = Anchor::middle});
    taken_to = at + half + 4;
  }
}

void draw_series(Svg& svg, const LineChart& chart, const Series& series, const Axis& x, const Axis& y, double shift) {
  std::vector<Point> run;
  const auto end_run = [&] {
    if (run.size() > 1) svg.polyline(run, {.color = series.color, .width = 2});
    run.clear();
  };
  for (const auto& sample : series.samples) {
    if (!plotted(chart, sample.value)) {
      end_run();
      continue;
    }
    const double at = x.at(sample.x) + shift;
    run.push_back({at, y.at(sample.value)});
    draw_error_bar(svg, at, y, sample.min, sample.max, 3, {.color = series.color, .width = 1.3});
  }
  end_run();
  for (const auto& sample : series.samples) {
    if (!plotted(chart, sample.value)) continue;
    svg.marker(series.shape, {x.at(sample.x) + shift, y.at(sample.value)}, series.color,
               fmt::format("{}, {} {}: {}{}{}", series.name, chart.x_label, shown(sample.x), three_digits(sample.value),
                           range_in_words(sample.min, sample.max), chart.unit));
  }
}

}  // namespace

void draw(Svg& svg, const LineChart& chart) {
  const Box plot{chart.box.x + kGutterLeft, chart.box.y + kGutterTop, chart.box.width - kGutterLeft,
                 chart.box.height - kGutterTop - kGutterBottom};
  const auto held = extent(chart);
  auto y = chart.log_y ? Axis::logarithmic(held ? held->first : 1, held ? held->second : 10)
                       : Axis::from_zero(highest_of(chart));
  y.place(plot.bottom(), plot.y);
  auto x = x_axis(chart);
  x.place(plot.x + 24, plot.right() - 24);
  draw_frame(svg, chart.box, plot, y, {chart.title, chart.x_label, chart.y_label});
  draw_baseline(svg, plot);
  draw_x_ticks(svg, plot, x);
  draw_reference(svg, plot, y, chart.reference);
  if (!held) draw_no_data(svg, plot);
  for (std::size_t i = 0; i < chart.series.size(); ++i) {
    const double from_middle = static_cast<double>(i) - static_cast<double>(chart.series.size() - 1) / 2;
    draw_series(svg, chart, chart.series[i], x, y, from_middle * kSeriesApart);
  }
}

}  // namespace assent::bench
