#include "bench/plots.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <ctime>
#include <functional>
#include <utility>
#include <vector>

#include "bench/bar_chart.hpp"
#include "bench/labels.hpp"
#include "bench/line_chart.hpp"
#include "bench/numbers.hpp"
#include "bench/svg.hpp"

namespace assent::bench {
namespace {

constexpr double kPageWidth = 1200;
constexpr double kMargin = 36;
constexpr double kGap = 34;
constexpr double kPanelWidth = (kPageWidth - 2 * kMargin - kGap) / 2;
constexpr double kPanelHeight = 330;
constexpr double kLegendFont = 13;
constexpr double kLegendRow = 24;
constexpr double kCaptionFont = 12;
constexpr double kCaptionLine = 17;
constexpr std::size_t kCaptionLinesMax = 4;  // Of each of its paragraphs.

// Okabe and Ito's palette without its yellow and black: told apart by the colour-blind, and on white.
constexpr std::array<std::string_view, 7> kColors = {"#0072b2", "#d55e00", "#009e73", "#cc79a7",
                                                     "#e69f00", "#56b4e9", "#5a5a5a"};
// The same, lightened, for the second bar of a pair.
constexpr std::array<std::string_view, 7> kLightColors = {"#8cc0df", "#eeb48c", "#8cd2bf", "#e8c5d8",
                                                          "#f4d38c", "#b5dcf5", "#b5b5b5"};
constexpr std::string_view kCoordinatorColor = "#3f2d6b";
constexpr std::string_view kClientColor = "#8e7cc3";
constexpr std::string_view kServersColor = "#d5cdea";

struct Mode {
  std::string name;
  std::size_t index = 0;
  std::string_view color() const { return kColors[index % kColors.size()]; }
  std::string_view light_color() const { return kLightColors[index % kLightColors.size()]; }
  // The eighth mode has the first one's colour, with another shape.
  Shape shape() const { return static_cast<Shape>((index + index / kColors.size()) % kShapes); }
};

struct PlotPoint {
  double x = 0;
  const Comparison* comparison = nullptr;
};

// What all panels of a page are drawn from.
struct Plotted {
  std::string x_label;
  bool log_x = false;
  std::vector<PlotPoint> points;  // By rising x.
  std::vector<Mode> modes;        // Of all points, in the order in which they are first met.
  std::string bare;               // Whom ratios are against.
  bool one_point() const { return points.empty() || points.front().x == points.back().x; }
};

// One of a mode's figures at one point; `x` is not set.
using Figure = std::function<Sample(const ModeResult&)>;

bool has_mode(const std::vector<Mode>& modes, const std::string& name) {
  return std::any_of(modes.begin(), modes.end(), [&](const Mode& mode) { return mode.name == name; });
}

// The raw mode that all points share as the best, or words for "whichever was best".
std::string bare_mode(const std::vector<PlotPoint>& points) {
  std::string name;
  for (const auto& [x, comparison] : points) {
    if (comparison->raw_mode.empty() || comparison->raw_mode == name) continue;
    if (!name.empty()) return "the best bare client";
    name = comparison->raw_mode;
  }
  return name.empty() ? "the bare client" : name;
}

Plotted plotted(const Sweep& sweep) {
  Plotted out;
  out.x_label = axis_label(sweep.axis);
  for (const auto& comparison : sweep.points) {
    const double x = axis_value(sweep, comparison);
    if (present(x)) out.points.push_back({x, &comparison});
  }
  std::stable_sort(out.points.begin(), out.points.end(), [](const auto& a, const auto& b) { return a.x < b.x; });
  for (const auto& point : out.points) {
    for (const auto& mode : point.comparison->modes) {
      if (!has_mode(out.modes, mode.mode)) out.modes.push_back({mode.mode, out.modes.size()});
    }
  }
  out.log_x = sweep.axis == "clients" && !out.points.empty() && out.points.front().x > 0;
  out.bare = bare_mode(out.points);
  return out;
}

// --- figures

double unless_zero(double value) {
  return value == 0 ? kAbsent : value;
}

Sample sample_of(const Spread& spread) {
  Sample out{.value = spread.median};
  if (spread.min <= spread.median && spread.median <= spread.max) {
    out.min = spread.min;
    out.max = spread.max;
  }
  return out;
}

Sample throughput(const ModeResult& mode) {
  return sample_of(mode.tx_per_s);
}

Sample ratio(const ModeResult& mode) {
  auto out = sample_of(mode.ratio_to_raw);
  out.value = unless_zero(out.value);
  return out;
}

// The median comes with the mode, its spread from the rounds.
Figure latency(double Latency::*percentile) {
  return [percentile](const ModeResult& mode) {
    Spread spread{mode.latency.*percentile, mode.latency.*percentile, mode.latency.*percentile};
    for (const auto& round : mode.rounds) {
      const double value = round.latency.*percentile;
      if (!present(value) || value == 0) continue;
      spread.min = std::min(spread.min, value);
      spread.max = std::max(spread.max, value);
    }
    auto out = sample_of(spread);
    out.value = unless_zero(out.value);
    if (mode.rounds.size() < 2) out.min = out.max = kAbsent;
    return out;
  };
}

Sample figure_at(const PlotPoint& point, const std::string& mode, const Figure& figure) {
  const auto* result = point.comparison->mode(mode);
  auto out = result == nullptr ? Sample{} : figure(*result);
  out.x = point.x;
  return out;
}

std::vector<Series> series_of(const Plotted& data, const Figure& figure) {
  std::vector<Series> out;
  for (const auto& mode : data.modes) {
    auto& series = out.emplace_back(Series{mode.name, mode.color(), mode.shape(), {}});
    for (const auto& point : data.points) series.samples.push_back(figure_at(point, mode.name, figure));
  }
  return out;
}

// The coordinator's own number is there even where bars are too many for the others.
std::vector<BarPart> cpu_parts(const ModeResult* mode, bool one_point) {
  if (mode == nullptr) return {};
  const std::string_view dark = one_point ? "#111111" : "";
  return {{mode->coordinator_cpu_us_per_tx, kCoordinatorColor, "coordinator", "#ffffff"},
          {mode->client_cpu_us_per_tx, kClientColor, "client", dark},
          {mode->server_cpu_us_per_tx, kServersColor, "servers", dark}};
}

// --- panels

LineChart lines(const Plotted& data, const Box& box, std::string title, std::string unit, const Figure& figure) {
  LineChart chart{.box = box, .title = std::move(title), .x_label = data.x_label, .y_label = unit, .unit = " " + unit};
  chart.log_x = data.log_x;
  chart.series = series_of(data, figure);
  return chart;
}

// A group for each mode, with a bar for each of `figures`: label and figure.
BarChart bars(const Plotted& data, const Box& box, std::string title, std::string unit,
              const std::vector<std::pair<std::string, Figure>>& figures) {
  BarChart chart{.box = box, .title = std::move(title), .x_label = "", .y_label = unit, .unit = " " + unit};
  for (const auto& mode : data.modes) {
    auto& group = chart.groups.emplace_back(BarGroup{mode.name, mode.color(), mode.shape(), {}});
    for (const auto& [label, figure] : figures) {
      const auto sample = figure_at(data.points.back(), mode.name, figure);
      const auto color = group.bars.empty() ? mode.color() : mode.light_color();
      group.bars.push_back({label, {{sample.value, color, "", ""}}, sample.min, sample.max});
    }
  }
  return chart;
}

void draw_cpu(Svg& svg, const Plotted& data, const Box& box) {
  BarChart chart{.box = box, .title = "CPU per committed transaction", .y_label = "µs per transaction", .unit = " µs"};
  chart.key = {{"coordinator", kCoordinatorColor}, {"client", kClientColor}, {"servers, all", kServersColor}};
  if (!data.one_point()) chart.x_label = data.x_label + ", by mode";
  for (const auto& mode : data.modes) {
    auto& group = chart.groups.emplace_back(BarGroup{mode.name, mode.color(), mode.shape(), {}});
    for (const auto& point : data.points) {
      if (data.one_point() && point.comparison != data.points.back().comparison) continue;
      group.bars.push_back(
          {data.one_point() ? "" : shown(point.x), cpu_parts(point.comparison->mode(mode.name), data.one_point())});
    }
  }
  draw(svg, chart);
}

Box panel(std::size_t column, std::size_t row, double top) {
  return {kMargin + static_cast<double>(column) * (kPanelWidth + kGap),
          top + static_cast<double>(row) * (kPanelHeight + kGap), kPanelWidth, kPanelHeight};
}

// Two charts with the same scale, so that they can be laid beside each other.
void draw_latencies(Svg& svg, const Plotted& data, double top) {
  auto p50 = lines(data, panel(0, 1, top), "Latency, median (p50)", "ms", latency(&Latency::p50_ms));
  auto p99 = lines(data, panel(1, 1, top), "Latency, 99th percentile (p99)", "ms", latency(&Latency::p99_ms));
  for (auto* chart : {&p50, &p99}) {
    chart->log_y = true;
    chart->y_label = "ms, same log scale left and right";
  }
  std::vector<double> all;
  for (const auto* chart : {&p50, &p99}) {
    for (const auto& series : chart->series) {
      for (const auto& sample : series.samples) {
        for (const double value : {sample.value, sample.min, sample.max}) {
          if (present(sample.value) && present(value) && value > 0) all.push_back(value);
        }
      }
    }
  }
  if (!all.empty()) {
    p50.y_min = p99.y_min = *std::min_element(all.begin(), all.end());
    p50.y_max = p99.y_max = *std::max_element(all.begin(), all.end());
  }
  draw(svg, p50);
  draw(svg, p99);
}

std::string ratio_title(const Plotted& data) {
  return "Throughput relative to " + data.bare;
}

// Returns where the panels end.
double draw_line_panels(Svg& svg, const Plotted& data, double top) {
  draw(svg, lines(data, panel(0, 0, top), "Throughput", "transactions/s", throughput));
  auto relative = lines(data, panel(1, 0, top), ratio_title(data), fmt::format("ratio, {} = 1", data.bare), ratio);
  relative.unit = "";
  relative.reference = 1;
  draw(svg, relative);
  draw_latencies(svg, data, top);
  const auto left = panel(0, 2, top);
  draw_cpu(svg, data, {left.x, left.y, kPageWidth - 2 * kMargin, kPanelHeight + 30});
  return left.bottom() + 30;
}

double draw_bar_panels(Svg& svg, const Plotted& data, double top) {
  draw(svg, bars(data, panel(0, 0, top), "Throughput", "transactions/s", {{"", throughput}}));
  auto relative =
      bars(data, panel(1, 0, top), ratio_title(data), fmt::format("ratio, {} = 1", data.bare), {{"", ratio}});
  relative.unit = "";
  relative.reference = 1;
  draw(svg, relative);
  draw(svg, bars(data, panel(0, 1, top), "Latency, median (p50) and 99th percentile (p99)", "ms",
                 {{"p50", latency(&Latency::p50_ms)}, {"p99", latency(&Latency::p99_ms)}}));
  draw_cpu(svg, data, panel(1, 1, top));
  return panel(0, 1, top).bottom();
}

// --- the page around them

double draw_legend(Svg& svg, const Plotted& data, double y) {
  double x = kMargin;
  for (const auto& mode : data.modes) {
    const auto name = fitted(mode.name, kPageWidth - 2 * kMargin - 60, kLegendFont);
    const double width = 34 + text_width(name, kLegendFont) + 24;
    if (x > kMargin && x + width > kPageWidth - kMargin) {
      x = kMargin;
      y += kLegendRow;
    }
    if (!data.one_point()) svg.line({x, y}, {x + 28, y}, {.color = mode.color(), .width = 2});
    svg.marker(mode.shape(), {x + 14, y}, mode.color());
    svg.text({x + 34, y + 4.5}, name, {.size = kLegendFont});
    x += width;
  }
  return y + kLegendRow;
}

std::string today() {
  return fmt::format("{:%Y-%m-%d}", fmt::gmtime(std::chrono::system_clock::now()));
}

std::string target_in_words(const Target& target) {
  return fmt::format("{} (at {} {})", target.name, target.at_most ? "most" : "least", shown(target.target));
}

// Each target that was missed once, with where: "CPU (at most 80): 96.2 at 16, 91.5 at 64 clients".
std::string missed_targets(const Sweep& sweep, const Plotted& data) {
  std::vector<std::pair<std::string, std::string>> missed;
  for (const auto& [x, comparison] : data.points) {
    for (const auto& target : comparison->targets) {
      if (target.held) continue;
      const auto name = target_in_words(target);
      auto found = std::find_if(missed.begin(), missed.end(), [&](const auto& known) { return known.first == name; });
      if (found == missed.end()) found = missed.insert(found, {name, ""});
      found->second += (found->second.empty() ? "" : ", ") + shown(target.measured);
      if (!data.one_point()) found->second += " at " + shown(x);
    }
  }
  std::vector<std::string> words;
  for (const auto& [name, where] : missed) {
    words.push_back(name + ": " + where + (data.one_point() ? "" : " " + data.x_label));
  }
  for (const auto& target : sweep.targets) {
    if (!target.held) words.push_back(target_in_words(target) + ": " + shown(target.measured));
  }
  return fmt::format("{}", fmt::join(words, "; "));
}

struct Paragraph {
  std::string text;
  bool warning = false;
};

std::vector<Paragraph> caption(const Sweep& sweep, const Plotted& data) {
  std::vector<Paragraph> out;
  if (data.points.empty()) return out;
  const auto& last = *data.points.back().comparison;
  out.push_back({"What: " + options_in_words(last.options, data.one_point() ? "" : sweep.axis) + "."});
  out.push_back({"Servers: " + servers_in_words(last) + ". Machine: " + machine_in_words(last.machine) + "."});
  out.push_back(
      {fmt::format("Points and bars are medians of the rounds, error bars the lowest and the highest. {}{} {}, "
                   "drawn {}.",
                   "Ratios are taken within each round. ", last.tool, last.version, today())});
  for (const auto& [x, comparison] : data.points) {
    const auto wrong = wrong_sums(*comparison);
    if (!wrong.empty()) out.push_back({fmt::format("WRONG SUMS ({} {}): {}", data.x_label, shown(x), wrong), true});
  }
  if (const auto missed = missed_targets(sweep, data); !missed.empty())
    out.push_back({"Targets missed: " + missed + ".", true});
  return out;
}

double draw_caption(Svg& svg, const std::vector<Paragraph>& paragraphs, double y) {
  for (const auto& paragraph : paragraphs) {
    for (const auto& line : wrapped(paragraph.text, kPageWidth - 2 * kMargin, kCaptionFont, kCaptionLinesMax)) {
      svg.text({kMargin, y}, line, {.size = kCaptionFont, .color = paragraph.warning ? "#a03000" : "#555555"});
      y += kCaptionLine;
    }
  }
  return y;
}

}  // namespace

std::string svg_of(const Sweep& sweep) {
  const auto data = plotted(sweep);
  const auto title =
      data.one_point() ? "Throughput, latency and CPU by mode" : "Throughput, latency and CPU against " + data.x_label;
  std::string subtitle;
  if (!data.points.empty()) {
    const auto& first = *data.points.front().comparison;
    subtitle = fmt::format("Workload {} on {}", first.options.workload, servers_in_words(first));
    if (data.one_point() || sweep.axis != "clients") subtitle += fmt::format(", {} clients", first.options.clients);
  }
  Svg svg;
  svg.text({kMargin, 46}, title, {.size = 22, .color = "#111111", .bold = true});
  svg.text({kMargin, 70}, fitted(subtitle, kPageWidth - 2 * kMargin, 14), {.size = 14, .color = "#444444"});
  const double top = draw_legend(svg, data, 98) + 10;
  double bottom = top;
  if (data.points.empty()) {
    svg.text({kMargin, top + 20}, "Nothing was measured.", {.size = 14});
    bottom = top + 30;
  } else {
    bottom = data.one_point() ? draw_bar_panels(svg, data, top) : draw_line_panels(svg, data, top);
  }
  bottom = draw_caption(svg, caption(sweep, data), bottom + 34);
  return svg.page(kPageWidth, bottom + 12, title, subtitle);
}

}  // namespace assent::bench
