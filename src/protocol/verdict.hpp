#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "assent/survey.hpp"
#include "protocol/quorum.hpp"
#include "protocol/table.hpp"

namespace assent::protocol {

// What is said of a branch to whoever asks what is in doubt, and what may be concluded where the log of two-phase
// commit is lost. Pure.

/// What a transaction has come to, as far as can be known.
enum class Ruling : std::uint8_t { running, commit, roll_back, undecidable };

/// What was seen of one branch: first whether XA RECOVER lists it, then its proof row.
enum class Sight : std::uint8_t {
  prepared,     ///< Listed.
  held,         ///< Not listed, and its row is held: it runs, or MariaDB has lost it until its restart.
  proven,       ///< Its row is there.
  fenced,       ///< A fence is there: it has never committed and never can.
  absent,       ///< Not listed, no row: never prepared, or rolled back.
  not_kept,     ///< Not listed, and its participant keeps no proof rows.
  unreachable,  ///< Its participant could not be looked at.
};

struct VerdictRule {
  Cell<Ruling> ruling;
  Cell<Sight> sight;
  Verdict verdict;
};
std::span<const VerdictRule> verdict_rules() noexcept;
Verdict verdict_of(Ruling ruling, Sight sight) noexcept;

/// What speaks for a ruling.
enum class Ground : std::uint8_t {
  proven,        ///< A branch has committed, so commit was decided.
  missing,       ///< A branch is neither prepared nor proven, so commit was not.
  chosen,        ///< An operator's heuristic choice.
  not_all_seen,  ///< Nothing of these, and not every branch could be judged.
  all_prepared,  ///< Nothing of these: only the log knew.
};

/// All that is seen of a transaction whose coordinator is gone with its log.
struct Remains {
  bool proven = false;   ///< Some branch is.
  bool missing = false;  ///< Some branch is fenced or absent.
  bool unseen = false;   ///< Some branch is held, not kept or unreachable.
  std::optional<Value> chosen;
};
Remains remains_of(std::span<const Sight> branches, std::optional<Value> chosen);

struct GroundedRuling {
  Ruling ruling = Ruling::undecidable;
  Ground ground = Ground::not_all_seen;
  bool operator==(const GroundedRuling&) const = default;
};

enum class Chosen : std::uint8_t { nothing, commit, rollback };
enum class Some : std::uint8_t { no, yes };

struct LostLogRule {
  Cell<Some> proven;
  Cell<Some> missing;
  Cell<Some> unseen;
  Cell<Chosen> chosen;
  GroundedRuling then;
};
std::span<const LostLogRule> lost_log_rules() noexcept;

/// The rule of two-phase commit without its log. A commit is decided only when every branch is prepared, and shows only
/// in rows: so a row means commit, a branch that is neither prepared nor proven means rollback, and otherwise nothing
/// is known. A missing branch must be fenced before anything is rolled back for its sake: its prepare may be on its
/// way.
GroundedRuling ruling_without_log(const Remains& remains) noexcept;

}  // namespace assent::protocol
