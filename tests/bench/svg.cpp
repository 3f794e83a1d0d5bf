#include "bench/svg.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <numbers>

#include "app/text.hpp"
#include "base/check.hpp"

namespace assent::bench {
namespace {

constexpr double kMarkerRadius = 4.5;
constexpr const char* kFonts = "Helvetica, Arial, 'Liberation Sans', 'DejaVu Sans', sans-serif";

// Nothing can be drawn at infinity, and a viewer rejects the whole page for it.
double drawable(double value) {
  ASSENT_CHECK(std::isfinite(value));
  return value;
}

std::string at(Point point) {
  return fmt::format("{:.1f},{:.1f}", drawable(point.x), drawable(point.y));
}

std::string attributes(const Stroke& stroke) {
  auto out = fmt::format(R"(stroke="{}" stroke-width="{:.1f}")", stroke.color, drawable(stroke.width));
  if (!stroke.dashes.empty()) out += fmt::format(R"( stroke-dasharray="{}")", stroke.dashes);
  return out;
}

// The element's end, with the tooltip inside.
std::string closed(std::string_view element, std::string_view tooltip) {
  if (tooltip.empty()) return "/>\n";
  return fmt::format("><title>{}</title></{}>\n", escaped(tooltip), element);
}

// Corners of a regular polygon around `center`, the first at `turn` radians from the right, clockwise.
std::vector<Point> polygon(Point center, int corners, double radius, double turn) {
  std::vector<Point> points;
  for (int i = 0; i < corners; ++i) {
    const double angle = turn + 2 * std::numbers::pi * i / corners;
    points.push_back({center.x + radius * std::cos(angle), center.y + radius * std::sin(angle)});
  }
  return points;
}

// An upright cross with thick arms.
std::vector<Point> cross(Point center, double radius) {
  const double arm = radius * 0.4;
  std::vector<Point> points;
  for (const auto& [x, y] : {Point{-arm, -radius}, Point{arm, -radius}, Point{arm, -arm}, Point{radius, -arm},
                             Point{radius, arm}, Point{arm, arm}, Point{arm, radius}, Point{-arm, radius},
                             Point{-arm, arm}, Point{-radius, arm}, Point{-radius, -arm}, Point{-arm, -arm}}) {
    points.push_back({center.x + x, center.y + y});
  }
  return points;
}

std::vector<Point> outline(Shape shape, Point center) {
  constexpr double kUp = -std::numbers::pi / 2;
  const double r = kMarkerRadius;
  switch (shape) {
    case Shape::circle: break;
    case Shape::square: return polygon(center, 4, r * 1.3, std::numbers::pi / 4);
    case Shape::triangle: return polygon(center, 3, r * 1.35, kUp);
    case Shape::diamond: return polygon(center, 4, r * 1.35, 0);
    case Shape::wedge: return polygon(center, 3, r * 1.35, -kUp);
    case Shape::pentagon: return polygon(center, 5, r * 1.2, kUp);
    case Shape::cross: return cross(center, r * 1.25);
  }
  return {};
}

// In hundredths of the font's size, as DejaVu Sans has it: Helvetica and Arial are narrower.
double glyph_width(char c) {
  static constexpr std::string_view kNarrow = "iljtfrI.,:;|!'()[] -/";
  static constexpr std::string_view kWide = "mwMW%@";
  if ((static_cast<unsigned char>(c) & 0xc0) == 0x80) return 0;  // Inside a code point.
  if (kNarrow.find(c) != std::string_view::npos) return 0.38;
  if (kWide.find(c) != std::string_view::npos) return 0.95;
  return (c >= 'A' && c <= 'Z') || static_cast<unsigned char>(c) >= 0x80 ? 0.72 : 0.62;
}

// The text's pieces between which a line may be broken; spaces and hyphens stay at the end of theirs.
std::vector<std::string> pieces(std::string_view text) {
  std::vector<std::string> out(1);
  for (const char c : text) {
    out.back() += c;
    if (c == ' ' || c == '-') out.emplace_back();
  }
  return out;
}

void trim_end(std::string& text) {
  text.erase(text.find_last_not_of(' ') + 1);
}

}  // namespace

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : app::printable(text)) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      case '\'': out += "&#39;"; break;
      default: out += c;
    }
  }
  // U+FFFE and U+FFFF are UTF-8, but no XML.
  for (const auto* no_character : {"\xef\xbf\xbe", "\xef\xbf\xbf"}) {
    for (auto found = out.find(no_character); found != std::string::npos; found = out.find(no_character)) {
      out.replace(found, 3, "?");
    }
  }
  return out;
}

double text_width(std::string_view text, double font_size) {
  double width = 0;
  for (const char c : text) width += glyph_width(c);
  return width * font_size;
}

std::string fitted(std::string_view text, double width, double font_size) {
  if (text_width(text, font_size) <= width) return std::string(text);
  const auto limit = width - text_width("…", font_size);
  std::string out;
  double used = 0;
  for (const char c : text) {
    used += glyph_width(c) * font_size;
    if (used > limit && (static_cast<unsigned char>(c) & 0xc0) != 0x80) break;
    out += c;
  }
  trim_end(out);
  return out + "…";
}

std::vector<std::string> wrapped(std::string_view text, double width, double font_size, std::size_t lines_max) {
  std::vector<std::string> lines(1);
  for (const auto& piece : pieces(text)) {
    auto shown = lines.back() + piece;
    trim_end(shown);
    if (!lines.back().empty() && text_width(shown, font_size) > width && lines.size() < lines_max) lines.emplace_back();
    lines.back() += piece;
  }
  for (auto& line : lines) {
    trim_end(line);
    line = fitted(line, width, font_size);
  }
  return lines;
}

void Svg::line(Point from, Point to, const Stroke& stroke) {
  body_ += fmt::format("<line x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\" {}/>\n", drawable(from.x),
                       drawable(from.y), drawable(to.x), drawable(to.y), attributes(stroke));
}

void Svg::polyline(const std::vector<Point>& points, const Stroke& stroke) {
  std::string path;
  for (const auto& point : points) path += (path.empty() ? "" : " ") + at(point);
  body_ +=
      fmt::format("<polyline points=\"{}\" fill=\"none\" stroke-linejoin=\"round\" {}/>\n", path, attributes(stroke));
}

void Svg::rect(const Box& box, std::string_view fill, std::string_view tooltip) {
  body_ += fmt::format(R"(<rect x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}" fill="{}")", drawable(box.x),
                       drawable(box.y), std::max(0.0, drawable(box.width)), std::max(0.0, drawable(box.height)), fill) +
           closed("rect", tooltip);
}

void Svg::marker(Shape shape, Point center, std::string_view fill, std::string_view tooltip) {
  // The white rim parts markers that lie on each other.
  const auto paint = fmt::format(R"(fill="{}" stroke="#ffffff" stroke-width="1")", fill);
  if (shape == Shape::circle) {
    body_ += fmt::format(R"(<circle cx="{:.1f}" cy="{:.1f}" r="{:.1f}" {})", drawable(center.x), drawable(center.y),
                         kMarkerRadius, paint) +
             closed("circle", tooltip);
    return;
  }
  std::string path;
  for (const auto& point : outline(shape, center)) path += (path.empty() ? "" : " ") + at(point);
  body_ += fmt::format(R"(<polygon points="{}" {})", path, paint) + closed("polygon", tooltip);
}

void Svg::text(Point at, std::string_view text, const Font& font) {
  static constexpr const char* kAnchors[] = {"start", "middle", "end"};
  body_ += fmt::format(R"(<text x="{:.1f}" y="{:.1f}" font-size="{:.0f}" fill="{}" text-anchor="{}")", drawable(at.x),
                       drawable(at.y), font.size, font.color, kAnchors[static_cast<std::size_t>(font.anchor)]);
  if (font.bold) body_ += R"( font-weight="bold")";
  if (font.upwards) body_ += fmt::format(" transform=\"rotate(-90 {:.1f} {:.1f})\"", at.x, at.y);
  if (font.halo) body_ += R"( paint-order="stroke" stroke="#ffffff" stroke-width="3" stroke-linejoin="round")";
  body_ += fmt::format(">{}</text>\n", escaped(text));
}

std::string Svg::page(double width, double height, std::string_view title, std::string_view description) const {
  return fmt::format(
             "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
             "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0:.0f}\" height=\"{1:.0f}\" "
             "viewBox=\"0 0 {0:.0f} {1:.0f}\" role=\"img\" font-family=\"{2}\">\n"
             "<title>{3}</title>\n<desc>{4}</desc>\n<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n",
             drawable(width), drawable(height), kFonts, escaped(title), escaped(description)) +
         body_ + "</svg>\n";
}

}  // namespace assent::bench
