#include "support/runbook.hpp"

#include <fstream>
#include <regex>
#include <sstream>
#include <stdexcept>

namespace assent::testing {
namespace {

class Reader {
 public:
  explicit Reader(const std::string& path) : path_(path), in_(path) {
    if (!in_) throw std::runtime_error(path + " cannot be read");
  }

  Runbook read() {
    for (std::string line; next(line);) {
      static const std::regex kSituation("## ([0-9]+)\\. (.*)");
      std::smatch match;
      if (line.starts_with("```")) {
        take_block(line.substr(3));
      } else if (line.starts_with("    ")) {
        refuse("commands stand in fenced blocks, where they are tested");
      } else if (waits_for_output_ && !line.empty()) {
        refuse("a block of what these commands print belongs right behind them");
      } else if (std::regex_match(line, match, kSituation)) {
        page_.situations.push_back({std::stoi(match[1]), match[2], {{"", {}}}});
        in_situation_ = true;
      } else if (line.starts_with("## ")) {
        in_situation_ = false;
      } else if (line.starts_with("### ")) {
        if (!in_situation_) refuse("a part of no situation");
        page_.situations.back().parts.push_back({line.substr(4), {}});
      } else {
        take_names(line);
      }
    }
    if (waits_for_output_) refuse("the last commands have no output");
    return std::move(page_);
  }

 private:
  [[noreturn]] void refuse(const std::string& why) const {
    throw std::runtime_error(path_ + ":" + std::to_string(number_) + ": " + why);
  }

  bool next(std::string& line) {
    ++number_;
    return static_cast<bool>(std::getline(in_, line));
  }

  void take_block(const std::string& kind) {
    const auto begins = number_ + 1;
    if (kind != "sh" && kind != "output") refuse("a block is called sh or output, not '" + kind + "'");
    if (waits_for_output_ != (kind == "output")) refuse("blocks called sh and output take turns");
    if (!in_situation_) refuse("a command that belongs to no situation is tested by none");
    auto& blocks = page_.situations.back().parts.back().blocks;
    if (kind == "sh") blocks.push_back({"", {}, begins});
    for (std::string line;;) {
      if (!next(line)) refuse("the block does not end");
      if (line == "```") break;
      if (kind == "sh") {
        blocks.back().commands += line + "\n";
      } else if (line != "...") {
        blocks.back().output.push_back(line);
      }
    }
    if (kind == "sh" ? blocks.back().commands.empty() : blocks.back().output.empty()) refuse("an empty block");
    waits_for_output_ = kind == "sh";
  }

  void take_names(const std::string& line) {
    static const std::regex kNamed("`(assentctl [^`]*)`");
    for (std::sregex_iterator at(line.begin(), line.end(), kNamed), end; at != end; ++at) {
      page_.named.push_back((*at)[1]);
    }
  }

  const std::string path_;
  std::ifstream in_;
  std::size_t number_ = 0;
  Runbook page_;
  bool in_situation_ = false;
  bool waits_for_output_ = false;
};

/// One space between words, none around them.
std::string tightened(const std::string& line) {
  std::istringstream in(line);
  std::string all;
  for (std::string word; in >> word;) all += (all.empty() ? "" : " ") + word;
  return all;
}

std::regex pattern_of(const std::string& expected) {
  std::string pattern;
  const auto text = tightened(expected);
  for (std::size_t at = 0; at < text.size();) {
    const auto takes = [&](const std::string& word, const std::string& as) {
      if (text.compare(at, word.size(), word) != 0) return false;
      pattern += as;
      at += word.size();
      return true;
    };
    if (takes("...", ".*") || takes("PORT", "[0-9]+") ||
        takes("GTRID", "(GTRID|[a-z0-9_-]+\\.[0-9a-f]{8}\\.[0-9a-f]{12}\\.[0-9a-f]{16}\\.[23])")) {
      continue;
    }
    if (std::string("\\^$.|?*+()[]{}").find(text[at]) != std::string::npos) pattern.push_back('\\');
    pattern.push_back(text[at++]);
  }
  return std::regex(pattern);
}

}  // namespace

Runbook read_runbook(const std::string& path) {
  return Reader(path).read();
}

std::string missing_line(const std::vector<std::string>& expected, const std::string& output) {
  std::istringstream in(output);
  for (const auto& line : expected) {
    const auto pattern = pattern_of(line);
    bool found = false;
    for (std::string real; !found && std::getline(in, real);) found = std::regex_match(tightened(real), pattern);
    if (!found) return line;
  }
  return "";
}

}  // namespace assent::testing
