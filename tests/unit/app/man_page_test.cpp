#include "app/man_page.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace assent::app {
namespace {

namespace po = boost::program_options;

using testing::AllOf;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;

ManPage page_about(const std::string& description) {
  ManPage page;
  page.name = "frob";
  page.summary = "frobs";
  page.help.description = description;
  return page;
}

TEST(ManPage, WhatMeansSomethingToRoffIsEscaped) {
  EXPECT_EQ(roff_line("plain words, 64; <&|$()[]{}"), "plain words, 64; <&|$()[]{}");
  EXPECT_EQ(roff_line(".SH is no heading. nor this"), "\\&.SH is no heading. nor this");
  EXPECT_EQ(roff_line("'quoted'"), "\\(aqquoted\\(aq");
  EXPECT_EQ(roff_line("\"both\" `kinds`"), "\\(dqboth\\(dq \\(gakinds\\(ga");
  EXPECT_EQ(roff_line("a \\fBold\\n path"), "a \\(rsfBold\\(rsn path");
  EXPECT_EQ(roff_line("--log-lost of assentctl-recover"), "\\-\\-log\\-lost of assentctl\\-recover");
  EXPECT_EQ(roff_line("~/x ^y"), "\\(ti/x \\(hay");
}

TEST(ManPage, ParagraphsAndListsAreKeptApart) {
  const auto roff = roff_of(page_about(R"(First
of two lines.

.Second:
  a b, c        the
                rest of it
  other one's   .this

Third.
)"));
  EXPECT_THAT(roff, EndsWith(R"(.SH DESCRIPTION
First
of two lines.
.PP
\&.Second:
.TP
\fBa b, c\fR
the
rest of it
.TP
\fBother one\(aqs\fR
\&.this
.PP
Third.
)"));
}

TEST(ManPage, IndentedLinesThatAreNoListStayAsTheyAre) {
  const auto roff = roff_of(page_about("Such as:\n\n  {\n    'x': 1\n  }\n"));
  EXPECT_THAT(roff, EndsWith("Such as:\n.RS 4\n.EX\n{\n  \\(aqx\\(aq: 1\n}\n.EE\n.RE\n"));
}

TEST(ManPage, ExamplesAreLiteral) {
  auto page = page_about("");
  page.help.examples = "frob - <<'END'\n  {\"a\": \\\n\n.b\nEND\n";
  EXPECT_THAT(roff_of(page), EndsWith(".SH EXAMPLES\n.RS 4\n.EX\nfrob \\- <<\\(aqEND\\(aq\n  {\\(dqa\\(dq: \\(rs\n\n"
                                      "\\&.b\nEND\n.EE\n.RE\n"));
}

TEST(ManPage, ExitCodesAreAListOrElseAParagraph) {
  auto page = page_about("");
  page.help.exit_codes = "0 good; 64 wrong.\n";
  EXPECT_THAT(roff_of(page), EndsWith(".SH EXIT STATUS\n.TP\n\\fB0\\fR\ngood\n.TP\n\\fB64\\fR\nwrong\n"));
  page.help.exit_codes = "as assentctl\nhas them.\n";
  EXPECT_THAT(roff_of(page), EndsWith(".SH EXIT STATUS\nas assentctl\nhas them.\n"));
}

TEST(ManPage, OptionsShowTheirNamesValuesAndDefaults) {
  po::options_description options("Options");
  options.add_options()  //
      ("help,h", "show 'help'")("dry-run", "only tell")(
          "patience-ms", po::value<unsigned>()->value_name("MS")->default_value(60), "how long");
  auto page = page_about("");
  page.options = entries_of(options);
  EXPECT_THAT(roff_of(page), EndsWith(R"(.SH OPTIONS
.TP
\fB\-h, \-\-help\fR
show \(aqhelp\(aq
.TP
\fB\-\-dry\-run\fR
only tell
.TP
\fB\-\-patience\-ms\fR MS (=60)
how long
)"));
}

TEST(ManPage, BeginsWithTitleNameAndSynopsis) {
  auto page = page_about("Does it.\n");
  page.name = "frob-it.json";
  page.section = '5';
  page.typed = "frob it";
  page.arguments = "[-x] FILE";
  page.see_also = {"a-b(1)", "c(8)"};
  const auto roff = roff_of(page);
  EXPECT_THAT(roff, HasSubstr("\n.TH \"FROB\\-IT.JSON\" 5 \"\" \"assent "));
  EXPECT_THAT(roff, HasSubstr(".SH NAME\nfrob\\-it.json \\- frobs\n"
                              ".SH SYNOPSIS\n\\fBfrob it\\fR [\\-x] FILE\n"
                              ".SH DESCRIPTION\nDoes it.\n"
                              ".SH SEE ALSO\n\\fBa\\-b\\fR(1),\n\\fBc\\fR(8)\n"));
  EXPECT_EQ(path_of(page), "man5/frob-it.json.5");
}

TEST(ManPage, PartsThatAreEmptyAreLeftOut) {
  const auto roff = roff_of(page_about(""));
  EXPECT_THAT(roff, AllOf(EndsWith(".SH NAME\nfrob \\- frobs\n"), Not(HasSubstr("OPTIONS")), Not(HasSubstr("EXIT"))));
}

}  // namespace
}  // namespace assent::app
