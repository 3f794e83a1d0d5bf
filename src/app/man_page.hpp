#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <boost/program_options.hpp>

#include "app/help_text.hpp"

namespace assent::app {

/// An entry of an indented list.
struct ManEntry {
  std::string tag;      ///< As it is typed: shown in bold.
  std::string details;  ///< Behind the tag, on its line: a value's name, a bound. May be empty.
  std::string text;
};

/// A section of its own: a text in the form of a help text, then a list.
struct ManChapter {
  std::string title;
  std::string text;
  std::vector<ManEntry> entries;
};

/// A man page. All texts are plain; what they hold that means something to roff is escaped by roff_of().
struct ManPage {
  std::string name;     ///< "assentctl-wal-verify"
  char section = '1';   ///< 1: commands, 5: files, 8: of the administrator.
  std::string summary;  ///< Part of a line, for `man -k`.
  std::string typed;    ///< What a call begins with, "assentctl wal verify"; empty: the page is of no program.
  std::string arguments;
  HelpText help;
  std::vector<ManChapter> chapters;  ///< Between the description and the options.
  std::vector<ManEntry> options;
  std::vector<std::string> see_also;  ///< "assentd(8)"
};

/// `man1/assentctl.1`: where the page stands below a folder that `man -M` takes.
std::string path_of(const ManPage& page);

/// The page in the language of man(7). Parts that are empty are left out. The same page gives the same bytes, so there
/// is no date in it.
std::string roff_of(const ManPage& page);

/// The options as --help lists them.
std::vector<ManEntry> entries_of(const boost::program_options::options_description& options);

/// A line of text so that roff shows these very characters, each as the one that can be copied into a shell.
std::string roff_line(std::string_view line);

}  // namespace assent::app
