#include "app/man_pages.hpp"

#include <algorithm>
#include <set>
#include <sstream>

#include <nlohmann/json.hpp>

#include "app/config.hpp"
#include "app/ctl.hpp"
#include "app/daemon_help.hpp"
#include "app/settings.hpp"
#include "programs.hpp"

namespace assent::app {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::HasSubstr;
using testing::Not;

// What roff makes of a page, but for headings and layout.
std::string shown(const std::string& roff) {
  std::string out;
  for (const auto& line : lines_of(roff)) {
    if (line.starts_with('.')) continue;
    for (std::size_t i = 0; i < line.size(); ++i) {
      if (line[i] != '\\') {
        out += line[i];
        continue;
      }
      const auto rest = std::string_view(line).substr(i + 1);
      struct Escape {
        std::string_view escaped;
        std::string_view shown;
      };
      static constexpr Escape kEscapes[] = {{"-", "-"},   {"&", ""},    {"fB", ""},    {"fR", ""},   {"(rs", "\\"},
                                            {"(aq", "'"}, {"(ga", "`"}, {"(dq", "\""}, {"(ha", "^"}, {"(ti", "~"}};
      const auto* escape = std::find_if(std::begin(kEscapes), std::end(kEscapes),
                                        [&](const auto& one) { return rest.starts_with(one.escaped); });
      if (escape == std::end(kEscapes)) {
        ADD_FAILURE() << "an escape that roff may not know: " << line;
        continue;
      }
      out += escape->shown;
      i += escape->escaped.size();
    }
    out += '\n';
  }
  return out;
}

// Without the punctuation around words: where a list is made of a sentence, it goes.
std::vector<std::string> words_of(const std::string& text) {
  constexpr const char* kPunctuation = "[](),;.:";
  std::vector<std::string> words;
  std::istringstream in(text);
  for (std::string word; in >> word;) {
    const auto begin = word.find_first_not_of(kPunctuation);
    if (begin == std::string::npos) continue;
    words.push_back(word.substr(begin, word.find_last_not_of(kPunctuation) + 1 - begin));
  }
  return words;
}

// The lines of a help text whose words do not stand on the page, one behind the other.
std::vector<std::string> lines_missing(const std::string& help, const ManPage& page) {
  static const std::set<std::string> kHeadings{"Options:", "Options of this command:", "Example:", "Examples:"};
  const auto on_page = words_of(shown(roff_of(page)));
  std::vector<std::string> missing;
  for (auto line : lines_of(help)) {
    if (kHeadings.contains(line)) continue;
    for (const std::string heading : {"Usage:", "Exit codes:"}) {
      if (line.starts_with(heading)) line.erase(0, heading.size());
    }
    const auto words = words_of(line);
    if (std::search(on_page.begin(), on_page.end(), words.begin(), words.end()) == on_page.end() && !words.empty())
      missing.push_back(line);
  }
  return missing;
}

const ManPage& page_named(const std::string& name) {
  static const auto kPages = man_pages();
  static const ManPage kNone;
  const auto found = std::find_if(kPages.begin(), kPages.end(), [&](const auto& page) { return page.name == name; });
  if (found != kPages.end()) return *found;
  ADD_FAILURE() << "there is no page " << name;
  return kNone;
}

std::string page_of(const CtlCommand& command) {
  auto name = std::string("assentctl-") + command.name;
  std::replace(name.begin(), name.end(), ' ', '-');
  return name;
}

class ManPages : public Programs {};

TEST_F(ManPages, EveryCommandHasOne) {
  std::set<std::string> expected{"man1/assentctl.1", "man8/assentd.8", "man5/assentd.json.5"};
  for (const auto* command : ctl_commands()) expected.insert("man1/" + page_of(*command) + ".1");
  std::multiset<std::string> paths;
  for (const auto& page : man_pages()) paths.insert(path_of(page));
  EXPECT_EQ(paths, std::multiset<std::string>(expected.begin(), expected.end()));
  EXPECT_GT(expected.size(), 15U);
}

TEST_F(ManPages, EveryHelpHasAllTheirParts) {
  for (const auto* command : ctl_commands()) {
    const auto help = split_help(command->help);
    EXPECT_NE(help.description, "") << command->name;
    EXPECT_FALSE(split_exit_codes(help.exit_codes).empty()) << command->name << " has no 'Exit codes: 0 ...'";
    EXPECT_THAT(help.examples, HasSubstr(std::string("assentctl ") + command->name)) << "of " << command->name;
  }
  EXPECT_FALSE(split_exit_codes(split_help(ctl_help().rest).exit_codes).empty());
  EXPECT_FALSE(split_exit_codes(split_help(daemon_help().rest).exit_codes).empty());
  EXPECT_THAT(split_help(daemon_help().rest).examples, HasSubstr("assentd --config"));
}

TEST_F(ManPages, EveryLineOfHelpIsOnItsPage) {
  for (const auto* command : ctl_commands()) {
    const auto help = run(std::string("assentctl ") + command->name + " --help").out;
    EXPECT_EQ(lines_missing(help, page_named(page_of(*command))), std::vector<std::string>{}) << command->name;
  }
  EXPECT_EQ(lines_missing(run("assentctl --help").out, page_named("assentctl")), std::vector<std::string>{});
  EXPECT_EQ(lines_missing(run("assentd --help").out, page_named("assentd")), std::vector<std::string>{});
  EXPECT_EQ(lines_missing(run("assentd --help-config").out, page_named("assentd.json")), std::vector<std::string>{});
}

TEST_F(ManPages, EveryOptionIsOnThePageOfItsCommand) {
  const auto expect_all = [](const CtlOptions& options, const ManPage& page) {
    const auto words = words_of(shown(roff_of(page)));
    for (const auto& option : options.options()) EXPECT_THAT(words, Contains("--" + option->long_name())) << page.name;
  };
  for (const auto* command : ctl_commands()) {
    const auto& page = page_named(page_of(*command));
    expect_all(ctl_options(), page);
    CtlOptions own;
    if (command->add_options != nullptr) command->add_options(own);
    expect_all(own, page);
  }
  expect_all(ctl_options(), page_named("assentctl"));
  expect_all(daemon_options(), page_named("assentd"));
}

TEST_F(ManPages, EverySettingIsThereWithItsBounds) {
  const auto text = shown(roff_of(page_named("assentd.json")));
  for (const auto& setting : settings()) {
    EXPECT_THAT(text, HasSubstr('\n' + setting.path + "  " + shown_bounds(setting) + '\n' + setting.sentence + '\n'));
  }
}

TEST_F(ManPages, TheExampleOfAConfigurationIsOne) {
  const auto loaded = parse_config(page_named("assentd.json").help.examples);
  EXPECT_EQ(loaded.problems, std::vector<std::string>{});
  EXPECT_EQ(loaded.config.participants.size(), 2U);
}

TEST_F(ManPages, AreReferredToOnlyWhereTheyAre) {
  std::set<std::string> references;
  for (const auto& page : man_pages()) references.insert(page.name + '(' + page.section + ')');
  for (const auto& page : man_pages()) {
    EXPECT_FALSE(page.see_also.empty()) << page.name;
    for (const auto& other : page.see_also) EXPECT_THAT(references, Contains(other)) << page.name;
  }
}

TEST_F(ManPages, AreAllWrittenByACommandThatIsNotListed) {
  const auto ran = run("assentctl man-pages " + path("a/b"));
  EXPECT_EQ(ran.code, 0) << ran.err;
  std::set<std::string> expected;
  for (const auto& page : man_pages()) {
    EXPECT_EQ(read(path("a/b/" + path_of(page))), roff_of(page)) << page.name;
    expected.insert(path("a/b/" + path_of(page)));
  }
  const auto json = nlohmann::json::parse(run("assentctl --json man-pages " + path("a/b")).out);
  EXPECT_EQ(std::set<std::string>(json.at("written").begin(), json.at("written").end()), expected);
  EXPECT_THAT(run("assentctl --help").out, AllOf(HasSubstr("  wal verify"), Not(HasSubstr("man-pages"))));
}

TEST_F(ManPages, ThatCannotBeWrittenAre73AndOneLine) {
  const auto ran = run("assentctl man-pages " + write("file", ""));
  EXPECT_EQ(ran.code, 73);
  EXPECT_THAT(ran.err, testing::MatchesRegex(kOneLine));
  EXPECT_EQ(run("assentctl man-pages").code, 64);
}

}  // namespace
}  // namespace assent::app
