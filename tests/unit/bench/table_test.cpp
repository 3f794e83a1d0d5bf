#include "bench/table.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <sstream>
#include <string>
#include <vector>

#include "unit/bench/results_sample.hpp"

namespace assent::bench {
namespace {

using testing::AllOf;
using testing::AnyOf;
using testing::ContainsRegex;
using testing::HasSubstr;
using testing::Not;

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

// The first line that begins with `start`, or nothing.
std::string line_with(const std::string& text, const std::string& start) {
  for (const auto& line : lines_of(text)) {
    if (line.starts_with(start)) return line;
  }
  return "";
}

TEST(Table, SaysWhatRanWhere) {
  const auto table = table_of(sample_comparison(64));
  EXPECT_THAT(table, AllOf(HasSubstr("workload transfer, 64 clients"), HasSubstr("2 × MariaDB 10.11.6, MySQL 9.7.0"),
                           HasSubstr("A Processor, 2 cores"), HasSubstr("assent-bench 1.2.3")));
}

TEST(Table, EachModeHasItsFigures) {
  const auto table = table_of(sample_comparison(64));
  EXPECT_THAT(line_with(table, "assent "),
              ContainsRegex("4,000 +\\[3,800\\.\\.4,200\\] +0\\.80 +\\[0\\.77\\.\\.0\\.83\\]"
                            " +10\\.00 +20\\.00 +30\\.00 +40\\.00 +50\\.00$"));
  EXPECT_THAT(line_with(table, "raw-packet"), HasSubstr("5,000"));
  EXPECT_THAT(table, ContainsRegex("assent +75\\.5 +68\\.0 +263\\.0"));
  EXPECT_THAT(table, AllOf(HasSubstr("tx/s"), HasSubstr("p99 ms"), HasSubstr("RSS MiB")));
}

TEST(Table, NumbersEndUnderTheirHeader) {
  auto comparison = sample_comparison(64);
  comparison.modes[1].tx_per_s.median = 7;
  const auto table = table_of(comparison);
  const auto header = line_with(table, "mode");
  const auto end = header.find("tx/s") + 4;
  EXPECT_EQ(line_with(table, "local").find(" 7 ") + 2, end);
  EXPECT_EQ(line_with(table, "raw-packet").find("5,000") + 5, end);
}

TEST(Table, TargetsAreHeldOrMissed) {
  auto comparison = sample_comparison(64);
  comparison.targets = {{"throughput ratio", 0.75, 0.8, false, true}, {"p99 ratio", 1.4, 1.7, true, false}};
  const auto table = table_of(comparison);
  EXPECT_THAT(table, ContainsRegex("held +throughput ratio +0\\.8 +at least +0\\.75\n"));
  EXPECT_THAT(table, ContainsRegex("MISSED +p99 ratio +1\\.7 +at most +1\\.4\n"));
  EXPECT_EQ(table.find("MISSED"), table.rfind("MISSED"));
}

TEST(Table, SumsAreRightWrongOrNotChecked) {
  auto comparison = sample_comparison(64);
  EXPECT_THAT(table_of(comparison), HasSubstr("sums: right\n"));
  comparison.sums = {false, {{"total", true, "5"}, {"orders", false, "expected 5, saw 4"}}};
  EXPECT_THAT(table_of(comparison), HasSubstr("SUMS WRONG: orders: expected 5, saw 4\n"));
  comparison.sums = {};
  EXPECT_THAT(table_of(comparison), HasSubstr("sums: not checked\n"));
}

TEST(Table, OpenLoopSaysWhetherTheRateWasHeld) {
  auto comparison = sample_comparison(64);
  EXPECT_THAT(table_of(comparison), Not(HasSubstr("open loop")));
  comparison.open_loop = {
      3500, 70, {{"raw-packet", 3500, true, 4, 12, 20, 1}, {"assent", 3100, false, 5, 18, 33, 1.5}}};
  const auto table = table_of(comparison);
  EXPECT_THAT(table, AllOf(HasSubstr("open loop at 3,500 tx/s (70 % of the best bare client)"),
                           ContainsRegex("raw-packet +3,500 .* 1\\.00 +held\n"),
                           ContainsRegex("assent +3,100 .*18\\.00 .* 1\\.50 +NOT HELD\n")));
}

TEST(Table, UnusualOutcomesAreCounted) {
  auto comparison = sample_comparison(64);
  EXPECT_THAT(table_of(comparison), Not(AnyOf(HasSubstr("refused"), HasSubstr("unknown"), HasSubstr("half"))));
  comparison.modes[1].torn = 3;
  comparison.modes[2].refused = 4;
  comparison.modes[2].unknown = 5;
  EXPECT_THAT(table_of(comparison),
              AllOf(HasSubstr("local: 3 half committed\n"), HasSubstr("assent: 4 refused, 5 of unknown outcome\n")));
}

TEST(Table, WhatWasNotMeasuredIsADash) {
  constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
  auto comparison = sample_comparison(64);
  comparison.modes = {ModeResult{}};
  comparison.modes[0].mode = "assent";
  comparison.modes[0].tx_per_s = {kNaN, kNaN, kNaN};
  comparison.modes[0].coordinator_cpu_us_per_tx = std::numeric_limits<double>::infinity();
  const auto table = table_of(comparison);
  EXPECT_THAT(table, AllOf(ContainsRegex("assent +- +- +- +- +- +- +-\n"), ContainsRegex("assent +- +0\\.0 +0\\.0")));
  EXPECT_THAT(table, Not(ContainsRegex("[^a-z](nan|inf)[^a-z]")));
}

TEST(Table, NamesCannotMoveTheCursor) {
  auto comparison = sample_comparison(64);
  comparison.modes[0].mode = "raw\x1b[2J\n";
  comparison.sums = {false, {{"\x1b[2J", false, "\n"}}};
  comparison.targets = {{"\x1b[2J", 1, 2, true, false}};
  comparison.machine.cpu = "\x1b[2J";
  comparison.raw_mode = "\x1b[2J";
  auto sweep = sweep_along("clients");
  sweep.points = {comparison};
  for (const auto& table : {table_of(comparison), table_of(sweep)}) {
    EXPECT_THAT(table, AllOf(HasSubstr("raw\\x1b[2J\\x0a"), Not(HasSubstr("\x1b"))));
  }
}

TEST(Table, ASweepHasALinePerPointAndMode) {
  auto sweep = sample_sweep({16, 64});
  sweep.points[1].targets = {{"p99 ratio", 1.4, 1.7, true, false}, {"throughput ratio", 0.75, 0.8, false, true}};
  sweep.points[0].sums = {false, {{"orders", false, "expected 5, saw 4"}}};
  const auto table = table_of(sweep);
  const auto lines = lines_of(table);
  EXPECT_EQ(std::count_if(lines.begin(), lines.end(),
                          [](const auto& line) { return line.find("[3,800..4,200]") != std::string::npos; }),
            2);
  EXPECT_THAT(line_with(table, "16 "), HasSubstr("raw-packet"));
  EXPECT_THAT(line_with(table, "64 "), HasSubstr("raw-packet"));
  EXPECT_THAT(line_with(table, "what"), Not(HasSubstr("clients")));
  EXPECT_THAT(table, ContainsRegex("clients 64: MISSED +p99 ratio +1\\.7 +at most +1\\.4\n"));
  EXPECT_THAT(table, HasSubstr("clients 16: SUMS WRONG: orders: expected 5, saw 4\n"));
  EXPECT_THAT(table, Not(HasSubstr("throughput ratio")));

  sweep.targets = {{"256 clients to 64", 0.85, 0.7, false, false}, {"8 participants to 2", 1, 1.02, false, true}};
  EXPECT_THAT(table_of(sweep), AllOf(ContainsRegex("MISSED +256 clients to 64 +0\\.7 +at least +0\\.85\n"),
                                     ContainsRegex("held +8 participants to 2 +1\\.02 +at least +1\n")));
  EXPECT_EQ(table_of(sweep_along("clients")), "Nothing was measured.\n");
}

}  // namespace
}  // namespace assent::bench
