#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "assent/transaction.hpp"

namespace assent {

/// What will become, or has become, of one branch.
enum class Verdict : std::uint8_t {
  running,            ///< Its coordinator is at it, and has not decided yet.
  will_commit,        ///< Its transaction is decided: commit.
  will_roll_back,     ///< Nothing has decided its transaction, or a rollback was.
  committed,          ///< It has: proven.
  rolled_back,        ///< It has, or was never prepared.
  hazard,             ///< The opposite of what its transaction came to: somebody settled it behind Assent's back.
  undecidable,        ///< Nobody can know, or not now.
  foreign,            ///< Of another transaction manager. Never touched.
  other_coordinator,  ///< Of an Assent of another identity. Never touched.
};

constexpr const char* to_string(Verdict verdict) noexcept {
  switch (verdict) {
    case Verdict::running: return "running";
    case Verdict::will_commit: return "will_commit";
    case Verdict::will_roll_back: return "will_roll_back";
    case Verdict::committed: return "committed";
    case Verdict::rolled_back: return "rolled_back";
    case Verdict::hazard: return "hazard";
    case Verdict::undecidable: return "undecidable";
    case Verdict::foreign: return "foreign";
    case Verdict::other_coordinator: return "other_coordinator";
  }
  return "";
}

/// A session at a participant's server that waits for a lock which a prepared branch holds.
struct SurveyWait {
  std::uint64_t connection = 0;  ///< Its number at the server.
  std::string user;
  std::string host;
  std::int64_t waiting_ms = 0;
  std::string table;
  std::string row;  ///< The key that is locked, as the server shows it.
};

struct SurveyBranch {
  std::string gtrid;  ///< Of a foreign one in hexadecimal, with 0x before it, where it is not printable.
  std::string participant;
  std::uint16_t branch = 0;  ///< From 1; 0 where it is not Assent's.
  Verdict verdict = Verdict::undecidable;
  std::string reason;                  ///< For people: a sentence.
  std::optional<Protocol> protocol;    ///< Of one of Assent's.
  std::optional<std::int64_t> age_ms;  ///< Since it was prepared or decided, where that is known.
  std::string label;                   ///< The application's.
  std::vector<SurveyWait> blocks;
};

/// What could not be looked at, at one participant.
struct SurveyGap {
  std::string participant;
  std::string what;  ///< For people: why not, and what to do.
};

/// What an operator has chosen for a transaction whose outcome could not be known.
struct SurveyChoice {
  std::string gtrid;
  std::string participant;  ///< Where it stands; it may stand at several.
  Outcome outcome = Outcome::unknown;
  std::string who;
  std::string reason;
  std::int64_t made_at_ms = 0;  ///< Since 1970, by the server's clock.
};

/// What of a survey is wanted.
struct SurveyQuery {
  std::string gtrid;        ///< Empty: all.
  std::string participant;  ///< Empty: all.
  std::uint64_t age_min_ms = 0;
  /// Where a survey that was cut short goes on: as its `next`. Empty: at the beginning.
  std::string from;
};

/// What is in doubt at the participants of a coordinator, and why.
struct Survey {
  std::string coordinator;
  std::vector<SurveyBranch> branches;     ///< By gtrid, then branch, then participant.
  std::vector<SurveyChoice> heuristic;    ///< By gtrid, then participant. They stay, for ever.
  std::vector<SurveyGap> unreachable;     ///< Nothing could be looked at there.
  std::string next;                       ///< Where it was cut short, as `from` takes it. Empty: this is all.
  std::vector<SurveyGap> locks_not_seen;  ///< Whom branches keep waiting there is not, or not wholly, known.
};

}  // namespace assent
