#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "assent/status.hpp"
#include "assent/survey.hpp"
#include "ports/decision_log.hpp"
#include "ports/participant.hpp"
#include "protocol/members.hpp"
#include "protocol/ruling.hpp"

namespace assent::coordinator {

struct SeenBranch {
  std::string participant;
  std::uint16_t number = 0;          ///< From 1.
  std::optional<protocol::Xid> xid;  ///< Nothing where the number of branches is not known.
  protocol::Sight sight = protocol::Sight::unreachable;
  std::string unfit{};                               ///< Why it cannot be settled where it is listed; empty: it can.
  std::optional<protocol::ServerIdentity> server{};  ///< That holds it, as its members say.
  std::string listed_at;                             ///< The participant whose server lists it.
  bool is_remembered = false;                        ///< Its sight is from an earlier look: it cannot be looked at now.
  Verdict verdict = Verdict::undecidable;
  std::string reason;
};

/// All that the log and the participants show of a transaction, and what it comes to.
struct SeenTransaction {
  std::string gtrid;
  Protocol protocol = Protocol::two_phase;
  protocol::Members members;  ///< Empty where no row and no log tells.
  std::string label;
  std::optional<std::chrono::milliseconds> age;
  std::vector<SeenBranch> branches;  ///< By number; those that are known.
  std::vector<SeenBranch> strays;    ///< Listed where the configuration has another participant than their own.
  std::optional<ports::LiveDecision> decision;
  std::map<std::string, ports::HeuristicChoice> choices;  ///< By participant.
  bool vouched = false;   ///< A row of Assent's stands for it, or need not, where it is listed.
  bool closed = false;    ///< Its coordinator has said at a participant that every branch was settled.
  bool all_read = false;  ///< Every participant that is configured.
  /// Members that were reached and have no say in it, and why: other servers now, or ones that have forgotten it.
  std::map<std::string, std::string> voiceless{};
  bool is_alive = false;                          ///< This process is working on it.
  bool has_hazard = false;                        ///< That nobody has acknowledged.
  std::vector<protocol::AcceptorSeen> acceptors;  ///< Those that were read.

  protocol::Ruled ruled;
  std::string why;           ///< Of the ruling, a clause.
  bool without_log = false;  ///< The ruling was made as with a lost log.

  /// Branches that are prepared, and that the ruling says what to do with.
  std::vector<const SeenBranch*> to_settle() const;
  /// Whether a branch of it is prepared, as far as was seen.
  bool is_in_doubt() const;
  /// Whether something is left to do or to find out, or an operator has to look at it.
  bool is_left() const;
  /// Whether that is so at a participant that was looked at.
  bool is_left_here() const;
  std::vector<std::string> prepared_at() const;
};

/// A branch in XA RECOVER that is not this coordinator's.
struct SeenOther {
  std::string participant;
  ports::ListedXid xid;
  Verdict verdict = Verdict::foreign;
};

struct Seen {
  std::map<std::string, SeenTransaction> transactions;  ///< By gtrid; those of which something is left.
  std::vector<SeenOther> others;
  std::vector<SeenOther> planted;  ///< Under a gtrid of this part, and none of its members' branches.
  std::vector<Hazard> hazards;     ///< Those that are known, whether they can still be seen or not.
  std::map<std::pair<std::string, std::string>, ports::HeuristicChoice> choices;  ///< By gtrid and participant.
  std::map<std::string, std::string> unreachable;  ///< Participants that could not be looked at, and why.
  /// Those of which nothing is left since an operator's choice was carried out everywhere: it closes their hazards.
  std::map<std::string, ports::HeuristicChoice> carried_out;
  std::set<std::string> over;  ///< Those of which nothing but rows is left.
  /// Those of which nothing but rows is seen, and that may have more at a participant that was not reached.
  std::set<std::string> not_known;
  /// Where the next look goes on; empty: this was the last part.
  std::string next;
};

}  // namespace assent::coordinator
