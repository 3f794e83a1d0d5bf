#include "app/man_pages.hpp"

#include <algorithm>
#include <cctype>

#include "app/ctl.hpp"
#include "app/daemon_help.hpp"
#include "app/settings.hpp"

namespace assent::app {
namespace {

constexpr const char* kCtlPage = "assentctl(1)";
constexpr const char* kDaemonPage = "assentd(8)";
constexpr const char* kConfigPage = "assentd.json(5)";

// The one text that no --help prints: what stands around the table of settings.
constexpr std::string_view kConfigHelp =
    R"help(One JSON file, in which comments of the form // and /* */ are allowed. 'assentd --config FILE --check-config' tells all
that is wrong with it, 'assentd --help-config' prints the settings below.

An unknown key, a key given twice, a value of the wrong type or out of its bound, and values that contradict each other
are refused. Relative paths are taken from the folder of the file. Passwords do not stand in it: password_env names an
environment variable, password_file a file that is not open to everybody.

The parts of a setting's name stand inside one another: log.directory is the key "directory" of the object "log". For
each participant there is an object in "participants"; NAME is what transactions call it.

Example:
  {
    "coordinator": {"id": "shop1"},
    "log": {"directory": "/var/lib/assent/log"},
    "participants": {
      "orders": {"host": "db1", "user": "assent", "password_file": "/etc/assent/orders.password"},
      "stock": {"host": "db2", "user": "assent", "password_file": "/etc/assent/stock.password"}
    }
  }
)help";

// "Talks to an assentd.\n" as it stands in a list of pages.
std::string summary_of(const ProgramHelp& help) {
  std::string text = help.intro;
  text.erase(text.find_last_not_of(".\n") + 1);
  text[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(text[0])));
  return text;
}

ManPage page_of_program(const ProgramHelp& help, char section, const CtlOptions& options) {
  ManPage page;
  page.name = help.name;
  page.section = section;
  page.summary = summary_of(help);
  page.typed = help.name;
  page.arguments = help.arguments;
  page.help = split_help(help.rest);
  page.help.description = std::string(help.intro) + '\n' + page.help.description;
  if (*help.signals != '\0') page.chapters.push_back({"SIGNALS", help.signals, {}});
  page.options = entries_of(options);
  return page;
}

// "assentctl-recover", so that `man assentctl recover` finds it as well.
std::string page_name(const CtlCommand& command) {
  auto name = std::string(kCtlName) + '-' + command.name;
  std::replace(name.begin(), name.end(), ' ', '-');
  return name;
}

std::string reference_to(const CtlCommand& command) {
  return page_name(command) + "(1)";
}

std::string family_of(const CtlCommand& command) {
  const std::string name = command.name;
  return name.substr(0, name.find(' '));
}

ManPage page_of_command(const CtlCommand& command) {
  ManPage page;
  page.name = page_name(command);
  page.summary = command.summary;
  page.typed = std::string(kCtlName) + ' ' + command.name;
  page.arguments = arguments_of(command);
  page.help = split_help(command.help);
  CtlOptions own;
  if (command.add_options != nullptr) command.add_options(own);
  page.options = entries_of(own);
  for (auto& entry : entries_of(ctl_options())) page.options.push_back(std::move(entry));
  page.see_also = {kCtlPage};
  for (const auto* other : ctl_commands()) {
    if (other != &command && family_of(*other) == family_of(command)) page.see_also.push_back(reference_to(*other));
  }
  page.see_also.insert(page.see_also.end(), {kConfigPage, kDaemonPage});
  return page;
}

ManPage page_of_ctl() {
  auto page = page_of_program(ctl_help(), '1', ctl_options());
  ManChapter commands{"COMMANDS", "", {}};
  for (const auto* command : ctl_commands()) {
    if (!command->listed) continue;
    commands.entries.push_back({command->name, command->operands, command->summary});
    page.see_also.push_back(reference_to(*command));
  }
  page.chapters.insert(page.chapters.begin(), std::move(commands));
  page.see_also.insert(page.see_also.end(), {kConfigPage, kDaemonPage});
  return page;
}

ManPage page_of_config() {
  ManPage page;
  page.name = "assentd.json";
  page.section = '5';
  page.summary = "configuration of a coordinator";
  page.help = split_help(kConfigHelp);
  ManChapter all{"SETTINGS", "", {}};
  for (const auto& setting : settings())
    all.entries.push_back({setting.path, ' ' + shown_bounds(setting), setting.sentence});
  page.chapters = {std::move(all)};
  page.see_also = {kCtlPage, "assentctl-doctor(1)", kDaemonPage};
  return page;
}

}  // namespace

std::vector<ManPage> man_pages() {
  std::vector<ManPage> pages{page_of_ctl()};
  for (const auto* command : ctl_commands()) pages.push_back(page_of_command(*command));
  pages.push_back(page_of_program(daemon_help(), '8', daemon_options()));
  pages.back().see_also = {kCtlPage, kConfigPage};
  pages.push_back(page_of_config());
  return pages;
}

}  // namespace assent::app
