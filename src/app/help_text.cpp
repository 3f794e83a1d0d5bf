#include "app/help_text.hpp"

#include <algorithm>
#include <sstream>

namespace assent::app {
namespace {

constexpr std::string_view kExitCodes = "Exit codes:";
constexpr std::size_t kCodeDigitsMax = 3;

bool is_blank(const std::string& line) {
  return line.find_first_not_of(' ') == std::string::npos;
}

// The number that a word is, or -1.
int code_in(const std::string& word) {
  const bool number = !word.empty() && word.size() <= kCodeDigitsMax &&
                      std::all_of(word.begin(), word.end(), [](char c) { return '0' <= c && c <= '9'; });
  return number ? std::stoi(word) : -1;
}

}  // namespace

std::string help_of(const ProgramHelp& help, const std::string& commands,
                    const boost::program_options::options_description& options) {
  std::ostringstream out;
  out << help.intro << "\nUsage: " << help.name << ' ' << help.arguments << "\n\n";
  if (!commands.empty()) out << commands << '\n';
  out << options << '\n';
  if (*help.signals != '\0') out << help.signals << '\n';
  out << help.rest;
  return out.str();
}

HelpText split_help(std::string_view help) {
  enum class In { description, exit_codes, examples };
  HelpText parts;
  std::vector<std::string> examples;
  auto in = In::description;
  for (const auto& line : lines_of(help)) {
    if (line.starts_with(kExitCodes)) {
      in = In::exit_codes;
      const auto text = line.find_first_not_of(' ', kExitCodes.size());
      if (text != std::string::npos) parts.exit_codes += line.substr(text) + '\n';
      continue;
    }
    if (line == "Example:" || line == "Examples:") {
      in = In::examples;
      continue;
    }
    const bool indented = line.starts_with(' ');
    if (in == In::exit_codes && is_blank(line)) in = In::description;
    if (in == In::examples && !is_blank(line) && !indented) in = In::description;
    switch (in) {
      case In::description: parts.description += line + '\n'; break;
      case In::exit_codes: parts.exit_codes += line + '\n'; break;
      case In::examples: examples.push_back(line); break;
    }
  }
  while (!examples.empty() && is_blank(examples.back())) examples.pop_back();
  parts.examples = without_indent(examples);
  const auto begin = parts.description.find_first_not_of('\n');
  if (begin == std::string::npos) {
    parts.description.clear();
  } else {
    parts.description.erase(parts.description.find_last_not_of('\n') + 2);
    parts.description.erase(0, begin);
  }
  return parts;
}

std::vector<ExitMeaning> split_exit_codes(std::string_view exit_codes) {
  std::vector<ExitMeaning> all;
  std::istringstream words{std::string(exit_codes)};
  int last = -1;
  for (std::string word; words >> word;) {
    const auto code = code_in(word);
    const bool may_begin = all.empty() || all.back().meaning.ends_with(',') || all.back().meaning.ends_with(';');
    // Codes climb: "2 refused, 3 times" is no list of two.
    if (code > last && may_begin) {
      if (!all.empty()) all.back().meaning.pop_back();
      all.push_back({word, ""});
      last = code;
      continue;
    }
    if (all.empty()) return {};
    all.back().meaning += (all.back().meaning.empty() ? "" : " ") + word;
  }
  if (!all.empty() && all.back().meaning.ends_with('.')) all.back().meaning.pop_back();
  return all;
}

std::vector<std::string> lines_of(std::string_view text) {
  std::vector<std::string> lines;
  std::istringstream in{std::string(text)};
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

std::string without_indent(const std::vector<std::string>& lines) {
  std::size_t indent = std::string::npos;
  for (const auto& line : lines) {
    if (!is_blank(line)) indent = std::min(indent, line.find_first_not_of(' '));
  }
  std::string out;
  for (const auto& line : lines) out += (is_blank(line) ? "" : line.substr(indent)) + '\n';
  return out;
}

}  // namespace assent::app
