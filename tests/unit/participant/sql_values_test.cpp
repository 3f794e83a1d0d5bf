#include "participant/sql_values.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace assent::participant {
namespace {

std::string bound(std::string_view sql, const std::vector<Value>& values) {
  const auto scanned = scan_sql(sql, "assent");
  if (!scanned) return scanned.error().what;
  if (const auto checked = check_values(*scanned, values); !checked) return checked.error().what;
  std::string out;
  append_bound(out, *scanned, values, [](std::string_view text) { return "<" + std::string(text) + ">"; });
  return out;
}

std::string literal(Value value) {
  return bound("SELECT ?", {std::move(value)}).substr(7);
}

TEST(SqlValues, EveryKindIsALiteralOfItsType) {
  EXPECT_EQ(literal(Null{}), "NULL");
  EXPECT_EQ(literal(true), "TRUE");
  EXPECT_EQ(literal(false), "FALSE");
  EXPECT_EQ(literal(std::int64_t{INT64_MIN}), "-9223372036854775808");
  EXPECT_EQ(literal(std::int64_t{INT64_MAX}), "9223372036854775807");
  EXPECT_EQ(literal(std::uint64_t{UINT64_MAX}), "18446744073709551615");
  EXPECT_EQ(literal(std::string("it's")), "'<it's>'");
  EXPECT_EQ(literal(Blob{std::string("\x00\xff'", 3)}), "_binary x'00ff27'");
  EXPECT_EQ(literal(Blob{}), "_binary x''");
}

TEST(SqlValues, DoublesKeepEveryBitAndStayDoubles) {
  for (const double number : {0.1, 1.0, -0.0, 1e300, 5e-324, std::numeric_limits<double>::max(), 3.0e15}) {
    const auto text = literal(number);
    EXPECT_EQ(std::strtod(text.c_str(), nullptr), number) << text;
    EXPECT_NE(text.find('e'), std::string::npos) << "without an exponent it would be an exact decimal: " << text;
  }
}

TEST(SqlValues, DecimalsStayExact) {
  EXPECT_EQ(literal(Decimal{"-12.50"}), "-12.50");
  EXPECT_EQ(literal(Decimal{"12345678901234567890123"}), "12345678901234567890123.");
  EXPECT_EQ(literal(Decimal{".5"}), ".5");
  for (const auto* bad : {"", "-", ".", "1e5", "1.2.3", "0x1", "1 ", "--1", "1;COMMIT", "NULL"}) {
    EXPECT_THAT(literal(Decimal{bad}), ::testing::HasSubstr("not a decimal number")) << bad;
  }
  EXPECT_THAT(literal(Decimal{std::string(66, '9')}), ::testing::HasSubstr("not a decimal number"));
}

TEST(SqlValues, WhatCannotBeBoundIsNamedByPositionAndNotShown) {
  const auto nan = bound("SELECT ?, ?", {std::int64_t{1}, std::nan("")});
  EXPECT_EQ(nan, "argument 1 is not a finite number");
  const auto text = bound("SELECT ?", {std::string("secret\xff")});
  EXPECT_THAT(text, ::testing::HasSubstr("argument 0 is not valid UTF-8"));
  EXPECT_THAT(text, ::testing::Not(::testing::HasSubstr("secret")));
  EXPECT_THAT(bound("SELECT ?", {}), ::testing::HasSubstr("1 placeholders and 0 arguments"));
  EXPECT_THAT(bound("SELECT '?'", {true}), ::testing::HasSubstr("0 placeholders and 1 arguments"));
}

TEST(SqlValues, EachGoesToItsPlaceholder) {
  EXPECT_EQ(bound("UPDATE t SET a = ? /* ? */ WHERE b = '?' AND c IN (?,?)", {std::int64_t{1}, true, Null{}}),
            "UPDATE t SET a = 1 WHERE b = '?' AND c IN (TRUE,NULL)");
  EXPECT_EQ(bound("SELECT a-? FROM t", {std::int64_t{-5}}), "SELECT a--5 FROM t");
}

TEST(SqlValues, Utf8IsTakenStrictly) {
  for (const auto* text :
       {"", "a", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x90\xac", "\xf4\x8f\xbf\xbf", "\xed\x9f\xbf"}) {
    EXPECT_TRUE(valid_utf8(text));
  }
  for (const auto* text : {"\x80", "\xc0\x80", "\xc1\xbf", "\xc3", "\xe0\x80\x80", "\xed\xa0\x80", "\xf0\x80\x80\x80",
                           "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff", "a\xe2\x82"}) {
    EXPECT_FALSE(valid_utf8(text));
  }
}

}  // namespace
}  // namespace assent::participant
