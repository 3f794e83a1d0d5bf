#pragma once

#include <string>

#include "soak.hpp"

namespace assent::testing {

/// How a run was asked for, in the caller's words.
struct RunLabels {
  std::string servers;
  std::string kill;
  std::string kept;  ///< Folder with what was kept for a person to look at; empty: nothing did not hold.
};

/// The table for people.
std::string report_text(const SoakOptions& options, const RunLabels& labels, const SoakReport& report);
/// One JSON object, with a newline at its end.
std::string report_json(const SoakOptions& options, const RunLabels& labels, const SoakReport& report);

}  // namespace assent::testing
