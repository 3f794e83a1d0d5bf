#include "bench/bar_chart.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "bench/axis.hpp"
#include "bench/chart_parts.hpp"

namespace assent::bench {
namespace {

constexpr double kNumberFontMin = 9;
constexpr double kNumbersApart = 2.5;
constexpr double kKeyHeight = 20;
constexpr double kLineHeight = 14;
constexpr double kBarWidthMax = 46;
constexpr double kSlotMax = 130;
constexpr double kBarShare = 0.8;  // Of its slot.
constexpr double kGroupGap = 0.7;  // Between groups, in slots.
constexpr double kGroupLabelsApart = 4;
constexpr std::size_t kGroupLabelLinesMax = 3;

double sum(const Bar& bar) {
  double total = kAbsent;
  for (const auto& part : bar.parts) {
    if (present(part.value)) total = (present(total) ? total : 0) + part.value;
  }
  return total;
}

double top_of(const Bar& bar) {
  const double total = sum(bar);
  return present(bar.max) && present(total) ? std::max(bar.max, total) : total;
}

bool any_bar_label(const BarChart& chart) {
  return std::any_of(chart.groups.begin(), chart.groups.end(), [](const auto& group) {
    return std::any_of(group.bars.begin(), group.bars.end(), [](const auto& bar) { return !bar.label.empty(); });
  });
}

// Sizes; 0 where such texts do not fit and are left out.
struct Fonts {
  double number = 0;
  double part = 0;
  double label = 0;
};

// The largest font in which every text of a bar fits; 0 when none does.
template <typename TextOf>
double fitting_font(const BarChart& chart, double width, const TextOf& text_of) {
  double widest = 0;
  for (const auto& group : chart.groups) {
    for (const auto& bar : group.bars) widest = std::max(widest, text_width(text_of(bar), 1));
  }
  const double font = widest > 0 ? std::min(kNumberFont, std::floor(width / widest)) : kNumberFont;
  return font < kNumberFontMin ? 0 : font;
}

// Of the numbers that stand in a bar.
std::string widest_part(const Bar& bar) {
  std::string widest;
  for (const auto& part : bar.parts) {
    const auto number = three_digits(part.value);
    if (!part.number_color.empty() && text_width(number, 1) > text_width(widest, 1)) widest = number;
  }
  return widest;
}

double bar_width(double slot) {
  return std::min(slot * kBarShare, kBarWidthMax);
}

Fonts fonts_for(const BarChart& chart, double slot) {
  return {fitting_font(chart, slot - kNumbersApart, [](const Bar& bar) { return three_digits(sum(bar)); }),
          fitting_font(chart, bar_width(slot), widest_part),
          fitting_font(chart, slot - kNumbersApart, [](const Bar& bar) { return bar.label; })};
}

void draw_parts(Svg& svg, const BarChart& chart, const std::string& name, const Bar& bar, const Axis& y, double x,
                double width, double font) {
  double below = 0;
  for (const auto& part : bar.parts) {
    if (!present(part.value) || part.value <= 0) continue;
    const double bottom = y.at(below);
    const double top = y.at(below + part.value);
    svg.rect({x - width / 2, top, width, bottom - top}, part.color,
             fmt::format("{}{}{}: {}{}{}", name, part.name.empty() ? "" : ", ", part.name, three_digits(part.value),
                         range_in_words(bar.min, bar.max), chart.unit));
    if (font > 0 && !part.number_color.empty() && bottom - top > font + 3) {
      svg.text({x, (top + bottom) / 2 + 4}, three_digits(part.value),
               {.size = font, .color = part.number_color, .anchor = Anchor::middle});
    }
    below += part.value;
  }
}

void draw_bar(Svg& svg, const BarChart& chart, const BarGroup& group, const Bar& bar, const Axis& y, const Box& slot,
              const Fonts& fonts) {
  const double width = bar_width(slot.width);
  const double x = slot.x + slot.width / 2;
  draw_parts(svg, chart, bar.label.empty() ? group.label : group.label + ", " + bar.label, bar, y, x, width,
             fonts.part);
  if (present(sum(bar))) {
    draw_error_bar(svg, x, y, bar.min, bar.max, std::min(6.0, width / 4), {.color = "#222222", .width = 1.3});
  }
  if (fonts.number > 0) {
    const double top = present(top_of(bar)) ? y.at(top_of(bar)) : slot.bottom();
    svg.text({x, top - 5}, three_digits(sum(bar)), {.size = fonts.number, .anchor = Anchor::middle, .halo = true});
  }
}

void draw_group_label(Svg& svg, const BarGroup& group, const Box& area) {
  const double middle = area.x + area.width / 2;
  svg.marker(group.shape, {middle, area.y + 8}, group.color);
  double y = area.y + 26;
  for (const auto& line : wrapped(group.label, area.width, kTickFont, kGroupLabelLinesMax)) {
    svg.text({middle, y}, line, {.size = kTickFont, .anchor = Anchor::middle});
    y += kLineHeight;
  }
}

void draw_bar_labels(Svg& svg, const BarGroup& group, double x, double y, double slot, double font) {
  double taken_to = -1;
  for (const auto& bar : group.bars) {
    const auto label = fitted(bar.label, std::max(slot, 30.0), font);
    const double half = text_width(label, font) / 2;
    if (x + slot / 2 - half >= taken_to) {
      svg.text({x + slot / 2, y}, label, {.size = font, .color = kQuietColor, .anchor = Anchor::middle});
      taken_to = x + slot / 2 + half + 2;
    }
    x += slot;
  }
}

void draw_key(Svg& svg, const BarChart& chart) {
  double x = chart.box.x + kGutterLeft;
  for (const auto& entry : chart.key) {
    svg.rect({x, chart.box.y + kGutterTop - 5, 12, 12}, entry.color);
    svg.text({x + 17, chart.box.y + kGutterTop + 5}, entry.name, {.size = kTickFont});
    x += 17 + text_width(entry.name, kTickFont) + 14;
  }
}

double slot_width(const BarChart& chart, double width) {
  double slots = 0;
  for (const auto& group : chart.groups) slots += static_cast<double>(group.bars.size()) + kGroupGap;
  return std::min(kSlotMax, width / std::max(slots, 1.0));
}

double group_width(const BarGroup& group, double slot) {
  return (static_cast<double>(group.bars.size()) + kGroupGap) * slot;
}

double group_label_lines(const BarChart& chart) {
  const double slot = slot_width(chart, chart.box.width - kGutterLeft);
  std::size_t most = 1;
  for (const auto& group : chart.groups) {
    const double width = group_width(group, slot) - kGroupLabelsApart;
    most = std::max(most, wrapped(group.label, width, kTickFont, kGroupLabelLinesMax).size());
  }
  return static_cast<double>(most);
}

void draw_groups(Svg& svg, const BarChart& chart, const Box& plot, const Axis& y) {
  const double slot = slot_width(chart, plot.width);
  const auto fonts = fonts_for(chart, slot);
  const double labels = any_bar_label(chart) ? kLineHeight + 4 : 4;
  double all = 0;
  for (const auto& group : chart.groups) all += group_width(group, slot);
  double x = plot.x + (plot.width - all) / 2;
  for (const auto& group : chart.groups) {
    const double first = x + kGroupGap / 2 * slot;
    const double width = group_width(group, slot);
    for (std::size_t i = 0; i < group.bars.size(); ++i) {
      draw_bar(svg, chart, group, group.bars[i], y, {first + static_cast<double>(i) * slot, plot.y, slot, plot.height},
               fonts);
    }
    draw_bar_labels(svg, group, first, plot.bottom() + kLineHeight, slot,
                    fonts.label > 0 ? fonts.label : kNumberFontMin);
    draw_group_label(svg, group, {x, plot.bottom() + labels, width - kGroupLabelsApart, 0});
    x += width;
  }
}

}  // namespace

void draw(Svg& svg, const BarChart& chart) {
  const double key = chart.key.empty() ? 0 : kKeyHeight;
  const double labels = any_bar_label(chart) ? kLineHeight : 0;
  const double bottom = 26 + labels + kLineHeight * group_label_lines(chart) + (chart.x_label.empty() ? 0 : 16);
  const Box plot{chart.box.x + kGutterLeft, chart.box.y + kGutterTop + key, chart.box.width - kGutterLeft,
                 chart.box.height - kGutterTop - key - bottom};
  double value = kAbsent;
  double error_bar = kAbsent;
  for (const auto& group : chart.groups) {
    for (const auto& bar : group.bars) {
      value = highest(value, sum(bar));
      error_bar = highest(error_bar, top_of(bar));
    }
  }
  // A number stands above the highest bar.
  auto y = Axis::from_zero(top_of_axis(value, error_bar, chart.reference) * 1.06);
  y.place(plot.bottom(), plot.y);
  draw_frame(svg, chart.box, plot, y, {chart.title, chart.x_label, chart.y_label});
  draw_key(svg, chart);
  if (present(value)) {
    draw_reference(svg, plot, y, chart.reference);
    draw_groups(svg, chart, plot, y);
  } else {
    draw_no_data(svg, plot);
  }
  draw_baseline(svg, plot);
}

}  // namespace assent::bench
