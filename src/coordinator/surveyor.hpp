#pragma once

#include <chrono>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "assent/survey.hpp"
#include "coordinator/asker.hpp"
#include "coordinator/knowledge.hpp"
#include "coordinator/seen.hpp"
#include "ports/participant.hpp"

namespace assent::coordinator {

/// Joins what the log knows with what the participants show: XA RECOVER, proof rows, acceptors' rows, operators'
/// choices; and has it ruled on. Only looks. Thread safe; blocks, for as long as the participants take, within
/// Asker::kAnswerMax for each question.
class Surveyor {
 public:
  /// The participants outlive this, and have one identity.
  explicit Surveyor(std::vector<ports::Participant*> participants);

  /// Read once, before the rows of any transaction are: what was not listed then, and has no row afterwards, has not
  /// committed.
  struct Lists {
    std::map<std::string, std::vector<ports::ListedXid>> listed;  ///< XA RECOVER, by participant.
    std::map<std::pair<std::string, std::string>, ports::HeuristicChoice> choices;
    std::map<std::string, std::string> unreachable;
  };
  Lists list() const;

  /// Part of all there is: the first `transactions_max` from gtrid `from` on.
  struct Part {
    std::string from;
    std::size_t transactions_max = std::numeric_limits<std::size_t>::max();
  };
  /// Null `knowledge`: the log is lost. It is asked after the participants were listed. Others: as rule_on() says.
  Seen look(const Lists& lists, const Part& part, const Knowledge* knowledge, bool others_are_lost) const;
  /// All of it.
  Seen look(const Knowledge* knowledge, bool others_are_lost = false) const;

  /// Takes out of `seen` what was prepared and is no longer listed: beside a running coordinator, what was listed a
  /// moment ago has mostly ended since.
  void forget_ended(Seen& seen) const;

  /// How long the coordinator has given no sign of life anywhere; nothing where nobody can tell.
  std::optional<std::chrono::milliseconds> silence() const;
  /// The same at each participant where it ever was; nothing where that could not be asked.
  std::map<std::string, std::optional<std::chrono::milliseconds>> silences() const;

  /// What was seen for people, with whom the branches keep waiting.
  Survey survey(const Seen& seen, const SurveyQuery& query) const;

 private:
  using RowsByPlace = std::map<std::string, std::map<std::string, ports::TransactionRows>>;

  std::set<std::string> rows_left(Seen& seen, const Part& part, const Knowledge* knowledge) const;
  RowsByPlace find_rows(Seen& seen) const;
  void add_listed(Seen& seen, const Lists& lists, const std::string& participant, const ports::ListedXid& listed) const;
  static bool lists_too(const Lists& lists, const std::string& there, const ports::ListedXid& listed);
  void keep_members(SeenTransaction& one, const RowsByPlace& rows, Seen& seen) const;
  void add_unlisted(SeenTransaction& one, const Seen& seen) const;
  void add_rows(SeenTransaction& one, const RowsByPlace& rows) const;
  static void add_remembered(SeenTransaction& one, const Knowledge* knowledge);
  void find_planted_again(Seen& seen) const;
  void find_members(SeenTransaction& one, const RowsByPlace& rows) const;
  void find_waits(Survey& survey, const Seen& seen) const;

  const std::vector<ports::Participant*> participants_;
  std::map<std::string, ports::Participant*> by_name_;
  const Asker asker_;
};

}  // namespace assent::coordinator
