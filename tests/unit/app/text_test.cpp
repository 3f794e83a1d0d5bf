#include "app/text.hpp"

#include <gtest/gtest.h>

#include "app/address.hpp"

namespace assent::app {
namespace {

TEST(Text, ControlCharactersAndBrokenUtf8AreShownAsHex) {
  EXPECT_EQ(printable("plain, größer, 円, 😀"), "plain, größer, 円, 😀");
  EXPECT_EQ(printable("\x1b[31mred\n"), "\\x1b[31mred\\x0a");
  EXPECT_EQ(printable("\x7f"), "\\x7f");
  EXPECT_EQ(printable("\xc2\x9b"), "\\xc2\\x9b");           // C1: a terminal may take it for an escape.
  EXPECT_EQ(printable("a\xffz\xc3"), "a\\xffz\\xc3");       // Never valid; cut off.
  EXPECT_EQ(printable("\xed\xa0\x80"), "\\xed\\xa0\\x80");  // A surrogate.
  EXPECT_EQ(printable("\xc0\xaf"), "\\xc0\\xaf");           // Overlong.
}

TEST(Text, ColumnsAreAsWideAsTheirWidestCell) {
  EXPECT_EQ(aligned({{"NAME", "N", "X"}, {"größe", "12", ""}, {"only"}}),
            "NAME   N   X\n"
            "größe  12\n"
            "only\n");
  EXPECT_EQ(aligned({{"NAME", "N"}, {"a line of its own that is long"}, {"a", "1"}}),
            "NAME  N\na line of its own that is long\na     1\n");
  EXPECT_EQ(aligned({}), "");
}

TEST(Text, AgesHaveTheUnitThatFits) {
  EXPECT_EQ(shown_age(0), "0 ms");
  EXPECT_EQ(shown_age(1'999), "1999 ms");
  EXPECT_EQ(shown_age(2'000), "2 s");
  EXPECT_EQ(shown_age(119'999), "119 s");
  EXPECT_EQ(shown_age(120'000), "2 min");
  EXPECT_EQ(shown_age(3 * 3'600'000), "3 h");
  EXPECT_EQ(shown_age(50 * 3'600'000), "2 d");
}

TEST(Text, EditDistanceCountsLetters) {
  EXPECT_EQ(edit_distance("port", "port"), 0U);
  EXPECT_EQ(edit_distance("prot", "port"), 2U);
  EXPECT_EQ(edit_distance("", "abc"), 3U);
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3U);
}

TEST(Address, IsHostAndPort) {
  EXPECT_EQ(parse_address("db.example:1")->host, "db.example");
  EXPECT_EQ(parse_address("db.example:1")->port, 1);
  EXPECT_EQ(parse_address("[::1]:7411")->host, "::1");
  EXPECT_EQ(shown_address("::1", 7411), "[::1]:7411");
  EXPECT_EQ(shown_address("127.0.0.1", 7411), "127.0.0.1:7411");
  for (const auto* wrong : {"", "host", ":7411", "host:", "host:0", "host:65536", "host:7x", "host:-1", "::1:7411"}) {
    EXPECT_FALSE(parse_address(wrong).ok()) << wrong;
  }
}

}  // namespace
}  // namespace assent::app
