#include "app/survey_text.hpp"

#include <algorithm>
#include <tuple>

#include "app/text.hpp"
#include "base/clock.hpp"

namespace assent::app {
namespace {

constexpr Verdict kAllVerdicts[] = {Verdict::running,     Verdict::will_commit, Verdict::will_roll_back,
                                    Verdict::committed,   Verdict::rolled_back, Verdict::hazard,
                                    Verdict::undecidable, Verdict::foreign,     Verdict::other_coordinator};

const char* shown(Verdict verdict) {
  switch (verdict) {
    case Verdict::running: return "running";
    case Verdict::will_commit: return "will commit";
    case Verdict::will_roll_back: return "will roll back";
    case Verdict::committed: return "committed";
    case Verdict::rolled_back: return "rolled back";
    case Verdict::hazard: return "HAZARD";
    case Verdict::undecidable: return "UNDECIDABLE";
    case Verdict::foreign: return "foreign";
    case Verdict::other_coordinator: return "other coordinator's";
  }
  return "";
}

std::string shown_waits(const SurveyBranch& branch) {
  std::string text;
  for (const auto& wait : branch.blocks) {
    text += "    keeps session " + std::to_string(wait.connection) + " (" + printable(wait.user + "@" + wait.host) +
            ") waiting for " + shown_age(wait.waiting_ms) + " for " + printable(wait.table) +
            (wait.row.empty() ? "" : ", row " + printable(wait.row)) + '\n';
  }
  return text;
}

}  // namespace

std::map<Verdict, std::size_t> counted(const Survey& survey) {
  std::map<Verdict, std::size_t> counts;
  for (const auto& branch : survey.branches) ++counts[branch.verdict];
  return counts;
}

bool is_clean(const Survey& survey) {
  return std::all_of(survey.branches.begin(), survey.branches.end(), [](const auto& branch) {
    switch (branch.verdict) {
      case Verdict::will_commit:
      case Verdict::will_roll_back:
      case Verdict::hazard:
      case Verdict::undecidable: return false;
      default: return true;
    }
  });
}

std::string survey_text(const Survey& survey) {
  std::string text;
  std::vector<std::vector<std::string>> table{{"GTRID", "BRANCH", "VERDICT", "AGE", "BLOCKS", "LABEL", "REASON"}};
  for (const auto& branch : survey.branches) {
    const auto number = branch.branch == 0 ? "" : std::to_string(branch.branch) + " ";
    const auto blocks = branch.blocks.empty() ? "-" : std::to_string(branch.blocks.size());
    table.push_back({branch.gtrid, number + branch.participant, shown(branch.verdict),
                     branch.age_ms ? shown_age(*branch.age_ms) : "-", blocks, branch.label.empty() ? "-" : branch.label,
                     branch.reason});
  }
  if (!survey.branches.empty()) {
    // Behind each row of the table, whom it keeps waiting.
    const auto rows = aligned(table);
    std::size_t at = rows.find('\n') + 1;
    text = rows.substr(0, at);
    for (const auto& branch : survey.branches) {
      const auto end = rows.find('\n', at) + 1;
      text += rows.substr(at, end - at) + shown_waits(branch);
      at = end;
    }
  }
  // One line for all the places where the same choice stands.
  std::map<std::tuple<std::string, Outcome, std::string, std::string>, std::pair<std::string, std::int64_t>> choices;
  for (const auto& choice : survey.heuristic) {
    auto& [places, made_at_ms] = choices[{choice.gtrid, choice.outcome, choice.who, choice.reason}];
    places += (places.empty() ? "" : ", ") + choice.participant;
    made_at_ms = choice.made_at_ms;
  }
  for (const auto& [choice, where] : choices) {
    const auto& [gtrid, outcome, who, reason] = choice;
    text += printable("heuristic " + gtrid + " at " + where.first + ": " + to_string(outcome) + ", chosen by " + who +
                      " on " + base::utc_text(where.second) + ": " + reason) +
            '\n';
  }
  for (const auto& gap : survey.unreachable) {
    text += "NOT REACHED " + gap.participant + ": " + printable(gap.what) + '\n';
  }
  for (const auto& gap : survey.locks_not_seen) {
    text += "LOCKS NOT SEEN " + gap.participant + ": " + printable(gap.what) + '\n';
  }
  std::string counts;
  const auto by_verdict = counted(survey);
  for (const auto verdict : kAllVerdicts) {
    const auto found = by_verdict.find(verdict);
    if (found == by_verdict.end()) continue;
    counts += (counts.empty() ? "" : ", ") + std::to_string(found->second) + ' ' + shown(verdict);
  }
  return text + (counts.empty() ? "" : counts + '\n');
}

std::string shell_quoted(const std::string& word) {
  const bool plain = !word.empty() && word.find_first_not_of(
                                          "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                          "0123456789_-./:,=+@%") == std::string::npos;
  if (plain) return word;
  std::string quoted = "'";
  for (const char c : word) {
    if (c == '\'') {
      quoted += "'\\''";
    } else {
      quoted.push_back(c);
    }
  }
  return quoted + "'";
}

}  // namespace assent::app
