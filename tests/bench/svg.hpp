#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

/// Drawing an SVG page, nothing more: no scales, no data. Lengths are in the page's pixels, y grows downwards.
namespace assent::bench {

struct Point {
  double x = 0;
  double y = 0;
};

struct Box {
  double x = 0;
  double y = 0;
  double width = 0;
  double height = 0;
  double right() const { return x + width; }
  double bottom() const { return y + height; }
};

struct Stroke {
  std::string_view color;
  double width = 1;
  std::string_view dashes = {};  ///< As stroke-dasharray takes them; empty: an unbroken line.
};

enum class Anchor { start, middle, end };

struct Font {
  double size = 12;
  std::string_view color = "#333333";
  Anchor anchor = Anchor::start;
  bool bold = false;
  bool upwards = false;  ///< Turned, to be read from below.
  bool halo = false;     ///< White around it, where it may stand on lines.
};

enum class Shape { circle, square, triangle, diamond, wedge, pentagon, cross };
constexpr std::size_t kShapes = 7;

/// Text as it may stand in XML, between tags and in attributes: escaped, and what XML cannot hold as `\x1b`.
std::string escaped(std::string_view text);

/// How wide `text` can get, in the widest of the fonts that the page asks for.
double text_width(std::string_view text, double font_size);

/// `text` with its end replaced by an ellipsis where it is wider than `width`.
std::string fitted(std::string_view text, double width, double font_size);

/// `text` in lines of at most `width`, broken at spaces and after hyphens. At most `lines_max`, the last one fitted.
std::vector<std::string> wrapped(std::string_view text, double width, double font_size, std::size_t lines_max);

/// A page that is drawn from back to front. Every number must be finite.
class Svg {
 public:
  void line(Point from, Point to, const Stroke& stroke);
  void polyline(const std::vector<Point>& points, const Stroke& stroke);
  /// `tooltip` is shown when the pointer rests on it; empty: none.
  void rect(const Box& box, std::string_view fill, std::string_view tooltip = {});
  void marker(Shape shape, Point center, std::string_view fill, std::string_view tooltip = {});
  void text(Point at, std::string_view text, const Font& font);

  /// The whole document. `description` is for those who cannot see it.
  std::string page(double width, double height, std::string_view title, std::string_view description) const;

 private:
  std::string body_;
};

}  // namespace assent::bench
