#include "app/help_text.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace assent::app {

// Found by gmock where it stands beside the type.
bool operator==(const ExitMeaning& a, const ExitMeaning& b) {
  return a.code == b.code && a.meaning == b.meaning;
}

namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(HelpText, IsSplitAtItsHeadings) {
  const auto parts = split_help(R"(One paragraph.

  term    meaning

Exit codes: 0 good, 2 not
yet.

Examples:
  first
    <<more

  last
)");
  EXPECT_EQ(parts.description, "One paragraph.\n\n  term    meaning\n");
  EXPECT_EQ(parts.exit_codes, "0 good, 2 not\nyet.\n");
  EXPECT_EQ(parts.examples, "first\n  <<more\n\nlast\n");
  EXPECT_EQ(split_help("Example:\n  only\n").examples, "only\n");
}

TEST(HelpText, WhatIsInNoPartIsPartOfTheDescription) {
  const auto parts = split_help("Exit codes: 0 good.\n\nBetween.\n\nExample:\n  one\nBehind: Example:\n");
  EXPECT_EQ(parts.description, "Between.\n\nBehind: Example:\n");
  EXPECT_EQ(parts.exit_codes, "0 good.\n");
  EXPECT_EQ(parts.examples, "one\n");
  const auto plain = split_help("Nothing but this.\n");
  EXPECT_EQ(plain.description, "Nothing but this.\n");
  EXPECT_EQ(plain.exit_codes, "");
  EXPECT_EQ(plain.examples, "");
}

TEST(HelpText, ExitCodesAreTakenOneByOne) {
  EXPECT_THAT(
      split_exit_codes("0 none is, 2 one is,\nor 3 are; 65 no log.\n"),
      ElementsAre(ExitMeaning{"0", "none is"}, ExitMeaning{"2", "one is, or 3 are"}, ExitMeaning{"65", "no log"}));
  EXPECT_THAT(split_exit_codes("1 refused, 0 times or more"),
              ElementsAre(ExitMeaning{"1", "refused, 0 times or more"}));
  EXPECT_THAT(split_exit_codes("0 good, 20260 bad"), ElementsAre(ExitMeaning{"0", "good, 20260 bad"}));
  EXPECT_THAT(split_exit_codes("those of sysexits.h, 64 and above"), IsEmpty());
}

}  // namespace
}  // namespace assent::app
