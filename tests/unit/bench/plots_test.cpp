#include "bench/plots.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <map>
#include <regex>
#include <sstream>
#include <string>
#include <vector>

#include <boost/property_tree/ptree.hpp>
#include <boost/property_tree/xml_parser.hpp>

#include "unit/bench/results_sample.hpp"

namespace assent::bench {
namespace {

using boost::property_tree::ptree;
using testing::AllOf;
using testing::Contains;
using testing::ContainsRegex;
using testing::HasSubstr;
using testing::Not;

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

// A page that a parser has read.
struct Page {
  std::vector<std::string> texts;  // What is written on it, without tooltips.
  std::vector<std::string> tooltips;
  std::map<std::string, int> elements;
  double width = 0;
  double height = 0;
  std::vector<std::pair<std::string, std::string>> attributes;
};

void collect(const ptree& tree, Page& page) {
  for (const auto& [name, child] : tree) {
    if (name == "<xmlattr>") {
      for (const auto& [key, value] : child) page.attributes.emplace_back(key, value.data());
      continue;
    }
    ++page.elements[name];
    if (name == "text") page.texts.push_back(child.data());
    if (name == "title") page.tooltips.push_back(child.data());
    collect(child, page);
  }
}

Page parsed(const std::string& svg) {
  std::istringstream in(svg);
  ptree tree;
  boost::property_tree::read_xml(in, tree);  // Throws when it is not well-formed, which fails the test.
  Page page;
  collect(tree.get_child("svg"), page);
  page.width = tree.get<double>("svg.<xmlattr>.width");
  page.height = tree.get<double>("svg.<xmlattr>.height");
  return page;
}

std::string joined(const std::vector<std::string>& texts) {
  std::string out;
  for (const auto& text : texts) out += text + "\n";
  return out;
}

// Every coordinate is a number, and lies on the page.
void expect_on_the_page(const std::string& svg) {
  const auto page = parsed(svg);
  const std::map<std::string, double> bounds{{"x", page.width},   {"x1", page.width}, {"x2", page.width},
                                             {"cx", page.width},  {"y", page.height}, {"y1", page.height},
                                             {"y2", page.height}, {"cy", page.height}};
  for (const auto& [name, value] : page.attributes) {
    if (name == "points") {
      EXPECT_TRUE(std::regex_match(value, std::regex(R"([0-9. ,]+)"))) << value;
    }
    if (!bounds.contains(name)) continue;
    ASSERT_TRUE(std::regex_match(value, std::regex(R"([0-9]+(\.[0-9]+)?)"))) << name << "=" << value;
    EXPECT_LE(std::stod(value), bounds.at(name)) << name;
  }
  for (const auto& text : page.texts) EXPECT_THAT(text, Not(ContainsRegex("(^|[^a-z])(nan|inf)([^a-z]|$)"))) << text;
}

TEST(Plots, NameModesAxesUnitsMachineAndServers) {
  const auto page = parsed(svg_of(sample_sweep({1, 16, 64})));
  for (const auto* name : {"raw-packet", "local", "assent"}) EXPECT_THAT(page.texts, Contains(name));
  for (const auto* label : {"clients", "transactions/s", "µs per transaction", "1", "16", "64"}) {
    EXPECT_THAT(page.texts, Contains(label));
  }
  EXPECT_THAT(joined(page.texts),
              AllOf(HasSubstr("Servers: 2 × MariaDB 10.11.6, MySQL 9.7.0"), HasSubstr("A Processor, 2 cores"),
                    HasSubstr("assent-bench 1.2.3"), ContainsRegex("drawn 20[0-9-]+")));
}

TEST(Plots, PointsCarryTheirNumbersAndErrorBars) {
  const auto page = parsed(svg_of(sample_sweep({1, 64})));
  EXPECT_THAT(page.tooltips, Contains("assent, clients 64: 4,000 (3,800 to 4,200) transactions/s"));
  EXPECT_THAT(page.tooltips, Contains("assent, clients 1: 30.0 (27.0 to 33.0) ms"));
  EXPECT_THAT(page.tooltips, Contains("assent, 64, coordinator: 75.5 µs"));
}

TEST(Plots, EachModeIsALineInEachOfFourPanels) {
  const auto page = parsed(svg_of(sample_sweep({1, 16, 64})));
  EXPECT_EQ(page.elements.at("polyline"), 3 * 4);
}

TEST(Plots, OnePointIsDrawnAsBars) {
  const auto page = parsed(svg_of(sample_sweep({64})));
  EXPECT_FALSE(page.elements.contains("polyline"));
  for (const auto* number : {"4,000", "0.800", "30.0", "75.5"}) EXPECT_THAT(page.texts, Contains(number));
  EXPECT_THAT(joined(page.texts), HasSubstr("64 clients"));
}

TEST(Plots, OtherAxesAreNamedAndTheirValuesMarked) {
  for (const auto* axis : {"participants", "touched", "statements"}) {
    auto sweep = sweep_along(axis);
    for (const unsigned value : {2U, 5U, 8U}) {
      auto point = sample_comparison(64);
      point.options.participants = point.options.touched = point.options.statements = value;
      sweep.points.push_back(point);
    }
    const auto page = parsed(svg_of(sweep));
    const std::string label = axis == std::string("participants") ? "participants"
                              : axis == std::string("touched")    ? "branches per transaction"
                                                                  : "statements per branch";
    for (const auto& text : {label, std::string("2"), std::string("5"), std::string("8")}) {
      EXPECT_THAT(page.texts, Contains(text)) << axis;
    }
  }
}

TEST(Plots, ClientsStandAtEqualStepsPerDoubling) {
  const auto sweep = sample_sweep({1, 4, 16});
  // Ticks are the only lines that hang 5 pixels under an axis.
  const auto svg = svg_of(sweep);
  std::vector<double> ticks;
  const std::regex line(R"re(<line x1="([0-9.]+)" y1="([0-9.]+)" x2="([0-9.]+)" y2="([0-9.]+)")re");
  for (std::sregex_iterator it(svg.begin(), svg.end(), line), end; it != end && ticks.size() < 3; ++it) {
    if (std::abs(std::stod((*it)[4]) - std::stod((*it)[2]) - 5) < 0.01) ticks.push_back(std::stod((*it)[1]));
  }
  ASSERT_EQ(ticks.size(), 3U);
  EXPECT_GT(ticks[1], ticks[0]);
  EXPECT_NEAR(ticks[1] - ticks[0], ticks[2] - ticks[1], 0.2);
}

TEST(Plots, AMissedTargetIsSaidWithWhere) {
  auto sweep = sample_sweep({16, 64});
  sweep.points[1].targets = {{"p99 ratio", 1.4, 1.7, true, false}, {"throughput ratio", 0.75, 0.8, false, true}};
  const auto texts = joined(parsed(svg_of(sweep)).texts);
  EXPECT_THAT(texts, HasSubstr("p99 ratio (at most 1.4): 1.7 at 64 clients"));
  EXPECT_THAT(texts, Not(HasSubstr("throughput ratio")));

  sweep.targets = {{"256 clients to 64", 0.85, 0.7, false, false}, {"8 participants to 2", 1, 1, false, true}};
  const auto with_sweep = joined(parsed(svg_of(sweep)).texts);
  EXPECT_THAT(with_sweep,
              AllOf(HasSubstr("; 256 clients to 64 (at least 0.85): 0.7."), Not(HasSubstr("8 participants"))));
}

TEST(Plots, WrongSumsAreSaid) {
  auto sweep = sample_sweep({16, 64});
  sweep.points[0].sums = {false, {{"total of all accounts", false, "expected 5, saw 4"}}};
  const auto texts = joined(parsed(svg_of(sweep)).texts);
  EXPECT_THAT(texts, HasSubstr("WRONG SUMS (clients 16): total of all accounts: expected 5, saw 4"));
}

TEST(Plots, TextIsEscaped) {
  auto sweep = sample_sweep({1, 64});
  const std::string name = R"(<b>&lt;&"x"' )";
  for (auto& point : sweep.points) {
    point.modes[2].mode = name + "\x01\xff\xef\xbf\xbf";
    point.machine.cpu = "</svg><script>";
  }
  const auto page = parsed(svg_of(sweep));
  EXPECT_THAT(page.texts, Contains(name + R"(\x01\xff?)"));
  EXPECT_FALSE(page.elements.contains("script"));
  EXPECT_FALSE(page.elements.contains("b"));
}

TEST(Plots, WhatWasNotMeasuredIsLeftOut) {
  for (const double bad : {kNaN, kInfinity, -kInfinity, -1.0, 1e300}) {
    for (const auto& clients : {std::vector<unsigned>{64}, std::vector<unsigned>{1, 64}}) {
      auto sweep = sample_sweep(clients);
      auto& mode = sweep.points.back().modes[2];
      mode.tx_per_s = {bad, bad, bad};
      mode.ratio_to_raw = {0.8, bad, bad};
      mode.latency = {bad, bad, bad, bad, bad};
      mode.rounds[0].latency.p99_ms = bad;
      mode.coordinator_cpu_us_per_tx = bad;
      sweep.points.back().targets = {{"t", bad, bad, true, false}};
      sweep.points.back().machine.fdatasync_us = bad;
      const auto svg = svg_of(sweep);
      expect_on_the_page(svg);
      const auto page = parsed(svg);
      EXPECT_THAT(page.tooltips, Not(Contains(ContainsRegex("^assent(, clients 64)?: .*transactions/s"))));
      EXPECT_THAT(page.tooltips, Not(Contains(ContainsRegex("^assent(, 64)?, coordinator"))));
    }
  }
}

TEST(Plots, AModeThatRanAtSomePointsOnlyBreaksItsLine) {
  auto sweep = sample_sweep({1, 4, 16, 64, 256});
  sweep.points[2].modes.pop_back();
  const auto page = parsed(svg_of(sweep));
  EXPECT_EQ(page.elements.at("polyline"), 2 * 4 + 2 * 4);
}

TEST(Plots, AnErrorBarThatWouldDwarfAllElseLeavesTheChart) {
  auto sweep = sample_sweep({1, 64});
  sweep.points[1].modes[1].tx_per_s = {8000, 10, 900'000};
  const auto svg = svg_of(sweep);
  expect_on_the_page(svg);
  const auto page = parsed(svg);
  EXPECT_THAT(page.texts, Contains("to 900,000"));
  EXPECT_THAT(page.texts, AllOf(Contains("10,000"), Not(Contains("500,000"))));
}

TEST(Plots, NothingAtAllIsStillAPage) {
  EXPECT_THAT(joined(parsed(svg_of(sweep_along("clients"))).texts), HasSubstr("Nothing was measured"));
  auto zeroes = sweep_along("clients");
  zeroes.points.resize(2);
  for (unsigned i = 0; i < 2; ++i) {
    zeroes.points[i].options.clients = i;
    zeroes.points[i].modes = {ModeResult{}};
    zeroes.points[i].modes[0].mode = "assent";
  }
  expect_on_the_page(svg_of(zeroes));
  zeroes.points[1].modes.clear();
  expect_on_the_page(svg_of(zeroes));
  zeroes.points.pop_back();
  expect_on_the_page(svg_of(zeroes));
}

TEST(Plots, ManyModesPointsAndLongNamesStayOnThePage) {
  auto sweep = sample_sweep({1, 2, 4, 8, 16, 32, 64, 128, 256, 512});
  for (auto& point : sweep.points) {
    for (int i = 0; i < 9; ++i) {
      auto mode = point.modes[2];
      mode.mode = std::string(static_cast<std::size_t>(i) * 30, 'm') + std::to_string(i);
      mode.latency.p99_ms *= std::pow(10, i);
      point.modes.push_back(mode);
    }
  }
  expect_on_the_page(svg_of(sweep));
  sweep.points.resize(1);
  expect_on_the_page(svg_of(sweep));
}

}  // namespace
}  // namespace assent::bench
