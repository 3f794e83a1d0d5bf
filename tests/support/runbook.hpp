#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace assent::testing {

/// A page of commands for operators, read so that a test can execute them.
///
/// Situations are its headings `## 1. Title`, parts of one its headings `### Title`. What is run stands in fenced
/// blocks called `sh`, each followed by one called `output` with lines that its real output must have, in this order.
/// In these, GTRID and PORT stand for any (GTRID for itself as well, as a column's title), `...` for anything, and
/// spaces for any number of them. No other block may be there.
struct Runbook {
  struct Block {
    std::string commands;
    std::vector<std::string> output;
    std::size_t line = 0;  ///< Of the page, where its commands begin.
  };
  struct Part {
    std::string title;  ///< Empty: what stands before the first.
    std::vector<Block> blocks;
  };
  struct Situation {
    int number = 0;
    std::string title;
    std::vector<Part> parts;
  };

  std::vector<Situation> situations;
  std::vector<std::string> named;  ///< Commands that the text names: `assentctl ...`.
};

/// Throws std::runtime_error, with the line, where the page does not have this form.
Runbook read_runbook(const std::string& path);

/// Empty when `output` has the lines that are expected; otherwise the first that it does not have.
std::string missing_line(const std::vector<std::string>& expected, const std::string& output);

}  // namespace assent::testing
