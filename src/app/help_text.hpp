#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <boost/program_options.hpp>

namespace assent::app {

/// What --help of a program says beside its options, and its man page with them. Each text ends with a newline.
struct ProgramHelp {
  const char* name;
  const char* intro;      ///< One sentence.
  const char* arguments;  ///< As they stand behind the name in its usage. Without a newline.
  const char* signals;    ///< What it does on them; empty: nothing of its own.
  const char* rest;       ///< Read by split_help().
};

/// --help of a program; `commands` stands between usage and options, and may be empty.
std::string help_of(const ProgramHelp& help, const std::string& commands,
                    const boost::program_options::options_description& options);

/// A help text in its parts, each without its heading, and empty when the text has no such part.
struct HelpText {
  std::string description;  ///< All that is in none of the others: nothing is ever left out.
  std::string exit_codes;   ///< The paragraph that begins with `Exit codes:`.
  std::string examples;     ///< The indented lines below `Example:` or `Examples:`, indented no longer.
};

HelpText split_help(std::string_view help);

struct ExitMeaning {
  std::string code;
  std::string meaning;
};

/// `0 done, 2 refused, or not yet; 64 wrong usage.`, code by code. Nothing when it does not begin with a code.
std::vector<ExitMeaning> split_exit_codes(std::string_view exit_codes);

/// The lines of a text, without their newlines.
std::vector<std::string> lines_of(std::string_view text);

/// The lines, each without as many blanks as all have at their beginning.
std::string without_indent(const std::vector<std::string>& lines);

}  // namespace assent::app
