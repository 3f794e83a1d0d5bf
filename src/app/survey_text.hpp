#pragma once

#include <cstddef>
#include <map>
#include <string>

#include "assent/survey.hpp"

namespace assent::app {

/// How many branches have which verdict.
std::map<Verdict, std::size_t> counted(const Survey& survey);

/// Whether nothing of this coordinator is in doubt, and no hazard was seen.
bool is_clean(const Survey& survey);

/// The survey as a table, with what is to be known besides, and counts.
std::string survey_text(const Survey& survey);

/// A word of a command line as a shell takes it.
std::string shell_quoted(const std::string& word);

}  // namespace assent::app
