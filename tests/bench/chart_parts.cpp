#include "bench/chart_parts.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace assent::bench {

std::string range_in_words(double min, double max) {
  return present(min) && present(max) ? fmt::format(" ({} to {})", three_digits(min), three_digits(max)) : "";
}

void draw_frame(Svg& svg, const Box& box, const Box& plot, const Axis& y, const FrameText& text) {
  svg.text({box.x, box.y + 14}, fitted(text.title, box.width, 15), {.size = 15, .color = "#111111", .bold = true});
  for (const auto& tick : y.ticks()) {
    const double at = y.at(tick.value);
    svg.line({plot.x, at}, {plot.right(), at}, {.color = kGridColor});
    svg.text({plot.x - 7, at + 4}, tick.label, {.size = kTickFont, .anchor = Anchor::end});
  }
  svg.text({box.x + 12, plot.y + plot.height / 2}, fitted(text.y_label, plot.height, kTickFont),
           {.size = kTickFont, .color = kQuietColor, .anchor = Anchor::middle, .upwards = true});
  svg.text({plot.x + plot.width / 2, box.bottom() - 4}, fitted(text.x_label, plot.width, kTickFont),
           {.size = kTickFont, .color = kQuietColor, .anchor = Anchor::middle});
}

void draw_baseline(Svg& svg, const Box& plot) {
  svg.line({plot.x, plot.bottom()}, {plot.right(), plot.bottom()}, {.color = kAxisColor});
}

void draw_reference(Svg& svg, const Box& plot, const Axis& y, double reference) {
  if (!present(reference)) return;
  svg.line({plot.x, y.at(reference)}, {plot.right(), y.at(reference)}, {.color = "#999999", .dashes = "5 4"});
}

void draw_error_bar(Svg& svg, double x, const Axis& y, double min, double max, double half_width,
                    const Stroke& stroke) {
  if (!present(min) || !present(max)) return;
  const double top = y.at(max);
  const double bottom = y.at(min);
  svg.line({x, top}, {x, bottom}, stroke);
  svg.line({x - half_width, bottom}, {x + half_width, bottom}, stroke);
  if (max <= y.high() * (1 + 1e-6)) {
    svg.line({x - half_width, top}, {x + half_width, top}, stroke);
    return;
  }
  svg.polyline({{x - 4, top + 7}, {x, top}, {x + 4, top + 7}}, stroke);
  svg.text({x - 7, top + 10}, "to " + shown(max), {.size = kNumberFont, .anchor = Anchor::end, .halo = true});
}

void draw_no_data(Svg& svg, const Box& plot) {
  svg.text({plot.x + plot.width / 2, plot.y + plot.height / 2}, "no data",
           {.size = 14, .color = kQuietColor, .anchor = Anchor::middle});
}

double top_of_axis(double highest_value, double highest_error_bar, double reference) {
  if (!present(highest_value)) return 1;
  const double bars = present(highest_error_bar) ? highest_error_bar : highest_value;
  const double limit = highest_value > 0 ? highest_value * kErrorBarsMax : bars;
  return std::max({highest_value, std::min(bars, limit), present(reference) ? reference : 0});
}

}  // namespace assent::bench
