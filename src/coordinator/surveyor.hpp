#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "assent/status.hpp"
#include "assent/survey.hpp"
#include "ports/decision_log.hpp"
#include "ports/participant.hpp"
#include "protocol/quorum.hpp"
#include "protocol/recovery.hpp"
#include "protocol/verdict.hpp"

namespace assent::coordinator {

/// What a log, or the coordinator that runs on it, knows of transactions.
class Knowledge {
 public:
  virtual ~Knowledge() = default;
  virtual protocol::Known known(const std::string& gtrid) const = 0;
  virtual protocol::Era era(std::uint32_t epoch) const = 0;
  /// Of one that is alive, where it is decided.
  virtual std::optional<Outcome> outcome(const std::string& gtrid) const = 0;
  /// Decided (in three phases: perhaps decided) and not ended. In two phases known() calls these decided or live.
  virtual std::vector<ports::LiveDecision> decisions() const = 0;
  /// Hazards that nobody has acknowledged.
  virtual std::vector<Hazard> hazards() const = 0;
};

/// That of a stopped coordinator.
class LogKnowledge final : public Knowledge {
 public:
  explicit LogKnowledge(const ports::LogState& log) : log_(log) {}
  protocol::Known known(const std::string& gtrid) const override;
  protocol::Era era(std::uint32_t epoch) const override;
  std::optional<Outcome> outcome(const std::string&) const override { return std::nullopt; }
  std::vector<ports::LiveDecision> decisions() const override;
  std::vector<Hazard> hazards() const override;

 private:
  const ports::LogState& log_;
};

struct SeenBranch {
  std::string participant;
  std::uint16_t number = 0;          ///< From 1.
  std::optional<protocol::Xid> xid;  ///< Nothing where the number of branches is not known.
  protocol::Sight sight = protocol::Sight::unreachable;
  Verdict verdict = Verdict::undecidable;
  std::string reason;
  std::optional<protocol::ServerIdentity> server = std::nullopt;  ///< That holds it, as its members say.
};

struct SeenTransaction {
  std::string gtrid;
  Protocol protocol = Protocol::two_phase;
  protocol::Members members;  ///< Empty where no row and no log tells.
  std::string label;
  std::optional<std::chrono::milliseconds> age;
  std::vector<SeenBranch> branches;  ///< By number; those that are known.
  protocol::Ruling ruling = protocol::Ruling::undecidable;
  /// Of a ruling without the log that knew it, in two phases. Nothing: otherwise made.
  std::optional<protocol::Ground> ground;
  std::string why;           ///< Of the ruling, a clause.
  bool without_log = false;  ///< The ruling was made as with a lost log.
  std::optional<ports::LiveDecision> decision;
  std::map<std::string, ports::HeuristicChoice> choices;  ///< By participant.
  /// Members that were reached and have no say in it, and why: other servers now, or ones that have forgotten it.
  std::map<std::string, std::string> voiceless{};

  std::vector<std::optional<protocol::AcceptorRow>> acceptors;  ///< In their order; nothing: not there, or not reached.
  std::size_t acceptors_read = 0;
  std::size_t acceptors_closed = 0;  ///< Of those that were read.

  /// Branches that are prepared, and that the ruling says what to do with.
  std::vector<const SeenBranch*> to_settle() const;
  /// Whether a branch of it is prepared, as far as was seen.
  bool is_in_doubt() const;
  std::vector<std::string> prepared_at() const;
};

/// A branch in XA RECOVER that is not this coordinator's.
struct SeenOther {
  std::string participant;
  ports::ListedXid xid;
  Verdict verdict = Verdict::foreign;
};

struct Seen {
  std::map<std::string, SeenTransaction> transactions;  ///< By gtrid.
  std::vector<SeenOther> others;
  std::vector<Hazard> hazards;  ///< Those that are known, whether they can still be seen or not.
  std::map<std::pair<std::string, std::string>, ports::HeuristicChoice> choices;  ///< By gtrid and participant.
  std::map<std::string, std::string> unreachable;  ///< Participants that could not be looked at, and why.
};

/// Joins what the log knows with what the participants show: XA RECOVER, proof rows, acceptors' rows, operators'
/// choices. Only looks. Thread safe; blocks, for as long as the participants take.
class Surveyor {
 public:
  /// The participants outlive this, and have one identity.
  explicit Surveyor(std::vector<ports::Participant*> participants);

  /// Null `knowledge`: the log is lost. It is asked after the participants were. With `others_are_lost`, what is of
  /// an epoch that this log has not seen is judged as with a lost one, and so is what is in three phases, which needs
  /// none.
  Seen look(const Knowledge* knowledge, bool others_are_lost = false) const;

  /// Takes out of `seen` what was prepared and is listed no more: beside a running coordinator, what was listed a
  /// moment ago has mostly ended since.
  void forget_ended(Seen& seen) const;

  /// How long the coordinator has given no sign of life anywhere; nothing where nobody can tell.
  std::optional<std::chrono::milliseconds> silence() const;
  /// The same at each participant where it ever was; nothing where that could not be asked.
  std::map<std::string, std::optional<std::chrono::milliseconds>> silences() const;

  /// The same as look() for people, with whom the branches keep waiting.
  Survey survey(const Seen& seen, const SurveyQuery& query) const;

 private:
  /// By participant, then by gtrid.
  using RowsByName = std::map<std::string, std::map<std::string, ports::TransactionRows>>;

  void find_rows(Seen& seen) const;
  void add_listed(Seen& seen, const std::string& participant, const ports::ListedXid& listed) const;
  void add_unlisted(SeenTransaction& one, const std::set<std::string>& unreachable) const;
  bool is_where_it_was(const SeenBranch& branch) const;
  void find_voiceless(SeenTransaction& one, const RowsByName& rows) const;
  void find_waits(Survey& survey, const Seen& seen) const;

  const std::vector<ports::Participant*> participants_;
  std::map<std::string, ports::Participant*> by_name_;
};

}  // namespace assent::coordinator
