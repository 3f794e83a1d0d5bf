#include "app/man_page.hpp"

#include <algorithm>
#include <cctype>
#include <optional>

#include "base/version.hpp"

namespace assent::app {
namespace {

namespace po = boost::program_options;

constexpr std::size_t kListIndent = 2;

std::string roff_lines(std::string_view text) {
  std::string out;
  for (const auto& line : lines_of(text)) {
    // A blank at the beginning of a line would break it.
    const auto begin = line.find_first_not_of(' ');
    if (begin != std::string::npos) out += roff_line(std::string_view(line).substr(begin)) + '\n';
  }
  return out;
}

std::string bold(std::string_view text) {
  return "\\fB" + roff_line(text) + "\\fR";
}

std::string behind(const std::string& text) {
  return text.empty() ? "" : " " + roff_line(text);
}

std::string heading(const std::string& title) {
  return ".SH " + roff_line(title) + '\n';
}

std::string literal(std::string_view text) {
  std::string out = ".RS 4\n.EX\n";
  for (const auto& line : lines_of(text)) out += roff_line(line) + '\n';
  return out + ".EE\n.RE\n";
}

std::string roff_of(const std::vector<ManEntry>& entries) {
  std::string out;
  for (const auto& entry : entries) {
    out += ".TP\n" + bold(entry.tag) + behind(entry.details) + '\n' + roff_lines(entry.text);
  }
  return out;
}

// `  will commit          its transaction is decided`, or nothing when a line is not of that form.
std::optional<ManEntry> list_entry(const std::string& line) {
  const auto begin = line.find_first_not_of(' ');
  const auto gap = line.find("  ", begin);
  if (begin != kListIndent || gap == std::string::npos) return std::nullopt;
  const auto text = line.find_first_not_of(' ', gap);
  if (text == std::string::npos) return std::nullopt;
  return ManEntry{line.substr(begin, gap - begin), "", line.substr(text)};
}

// Lines that are indented in a help text: a list, or, when they do not look like one, lines to be left as they are.
std::string indented(const std::vector<std::string>& lines) {
  std::vector<ManEntry> entries;
  for (const auto& line : lines) {
    if (auto entry = list_entry(line)) {
      entries.push_back(std::move(*entry));
    } else if (!entries.empty() && line.find_first_not_of(' ') > kListIndent) {
      entries.back().text += '\n' + line;
    } else {
      return literal(without_indent(lines));
    }
  }
  return roff_of(entries);
}

// Paragraphs, and what is indented between them.
std::string roff_of_text(const std::string& text) {
  std::string out, paragraph;
  std::vector<std::string> block;
  const auto flush = [&] {
    if (!paragraph.empty()) out += (out.empty() ? "" : ".PP\n") + roff_lines(paragraph);
    if (!block.empty()) out += indented(block);
    paragraph.clear();
    block.clear();
  };
  for (const auto& line : lines_of(text)) {
    const bool blank = line.find_first_not_of(' ') == std::string::npos;
    const bool is_indented = !blank && line.starts_with(' ');
    if (blank || (is_indented ? !paragraph.empty() : !block.empty())) flush();
    if (is_indented) block.push_back(line);
    if (!is_indented && !blank) paragraph += line + '\n';
  }
  flush();
  return out;
}

std::string roff_of_exit_codes(const std::string& text) {
  std::vector<ManEntry> entries;
  for (const auto& [code, meaning] : split_exit_codes(text)) entries.push_back({code, "", meaning});
  return entries.empty() ? roff_of_text(text) : roff_of(entries);
}

std::string in_capitals(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::toupper(c); });
  return text;
}

std::string title_line(const ManPage& page) {
  return ".TH \"" + roff_line(in_capitals(page.name)) + "\" " + page.section + " \"\" \"assent " +
         roff_line(base::kVersion) + "\" \"Assent Manual\"\n";
}

std::string see_also(const std::vector<std::string>& pages) {
  std::string out;
  for (std::size_t i = 0; i < pages.size(); ++i) {
    const auto name_end = pages[i].find('(');
    out += bold(pages[i].substr(0, name_end)) + pages[i].substr(name_end) + (i + 1 < pages.size() ? ",\n" : "\n");
  }
  return out;
}

}  // namespace

std::string path_of(const ManPage& page) {
  return std::string("man") + page.section + '/' + page.name + '.' + page.section;
}

std::string roff_of(const ManPage& page) {
  std::string out = ".\\\" Written by 'assentctl man-pages' from the help texts. Change those instead.\n";
  out += title_line(page);
  // No word is broken and no blank stretched: names and commands stay as they are typed.
  out += ".nh\n.ad l\n";
  out += heading("NAME") + roff_line(page.name) + " \\- " + roff_line(page.summary) + '\n';
  if (!page.typed.empty()) out += heading("SYNOPSIS") + bold(page.typed) + behind(page.arguments) + '\n';
  if (!page.help.description.empty()) out += heading("DESCRIPTION") + roff_of_text(page.help.description);
  for (const auto& chapter : page.chapters) {
    out += heading(chapter.title) + roff_of_text(chapter.text) + roff_of(chapter.entries);
  }
  if (!page.options.empty()) out += heading("OPTIONS") + roff_of(page.options);
  if (!page.help.exit_codes.empty()) out += heading("EXIT STATUS") + roff_of_exit_codes(page.help.exit_codes);
  if (!page.help.examples.empty()) out += heading("EXAMPLES") + literal(page.help.examples);
  if (!page.see_also.empty()) out += heading("SEE ALSO") + see_also(page.see_also);
  return out;
}

std::vector<ManEntry> entries_of(const po::options_description& options) {
  std::vector<ManEntry> entries;
  for (const auto& option : options.options()) {
    const auto long_name = option->canonical_display_name(po::command_line_style::allow_long);
    const auto short_name = option->canonical_display_name(po::command_line_style::allow_dash_for_short);
    const bool has_short = short_name.starts_with('-') && short_name != long_name;
    entries.push_back(
        {has_short ? short_name + ", " + long_name : long_name, option->format_parameter(), option->description()});
  }
  return entries;
}

std::string roff_line(std::string_view line) {
  // At the beginning of a line a dot makes a request; an apostrophe would, but is never left as it is.
  std::string out = line.starts_with('.') ? "\\&" : "";
  for (const char c : line) {
    switch (c) {
      case '\\': out += "\\(rs"; break;
      // Help texts name options and files anywhere, and a hyphen that roff chooses is not the one that a shell takes.
      case '-': out += "\\-"; break;
      case '\'': out += "\\(aq"; break;
      case '`': out += "\\(ga"; break;
      case '"': out += "\\(dq"; break;
      case '^': out += "\\(ha"; break;
      case '~': out += "\\(ti"; break;
      default: out += c;
    }
  }
  return out;
}

}  // namespace assent::app
