#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "assent/survey.hpp"
#include "assent/transaction.hpp"
#include "protocol/quorum.hpp"
#include "protocol/table.hpp"

namespace assent::protocol {

// What to do about a transaction that no process is working on. A start, the sweep, adoption and the recovery tool all
// use this one rule, both to show a transaction and to settle it. Pure: everything that was seen goes in, a ruling
// comes out.
//
// In two phases with the log, a transaction without a decision in it was rolled back (presumed abort: Mohan, Lindsay
// and Obermarck 1986), with one limit. A branch of an earlier epoch than this process's is rolled back only once the
// rows of all its siblings were read: a proof row shows a commit that the log does not know, made by hand or decided in
// a log that has lost the decision, and a participant that cannot be read may hold such a row. For this process's own
// epoch nothing is waited for: nobody else can have decided anything in it, and a transaction stays in the registry
// until every branch is proven (if it was decided) or gone (if it was rolled back). Without the log, only what the
// branches show counts. In three phases the acceptors decide, whatever a log says (quorum.hpp), but nothing is rolled
// back against a proof row that shows a commit of which they know nothing.

/// What the log, and the transactions that are alive in this process, know of it.
enum class Known : std::uint8_t {
  nothing,
  running,       ///< Alive, and not decided.
  rolling_back,  ///< Alive, or just ended, and rolled back.
  decided,       ///< Committed, for certain. In three phases an intention in the log is not that.
  closed,        ///< Its coordinator has said at a participant, durably, that every branch was settled.
};

/// The epoch in its gtrid, against those of the log.
enum class Era : std::uint8_t {
  lost,        ///< The log that knew is taken for gone.
  before_log,  ///< Before the first epoch of this log: what was decided then, another log knew.
  past,
  current,  ///< Of this process.
  future,
};

/// What was seen of one branch: first whether XA RECOVER lists it, then its proof row.
enum class Sight : std::uint8_t {
  prepared,     ///< Listed.
  held,         ///< Not listed, and its row is held: it runs, or MariaDB has lost it until its restart.
  proven,       ///< Its row is there.
  fenced,       ///< A fence is there: it has never committed and never can.
  absent,       ///< Not listed, no row: never prepared, or rolled back.
  not_kept,     ///< Not listed, and its participant keeps no proof rows.
  unreachable,  ///< Its participant could not be looked at, or is not known, or is another server by now.
};

enum class Some : std::uint8_t { no, yes };
enum class Proven : std::uint8_t { none, some, all };
enum class Chosen : std::uint8_t { nothing, commit, rollback };

/// What asking its acceptors comes to, by the rows that were read, at a ballot above all of them.
enum class Quorum : std::uint8_t {
  not_known,  ///< No row that was read says who they are.
  no_majority,
  commit,
  rollback,
  over,
};

/// All that was seen of a transaction.
struct Evidence {
  Protocol protocol = Protocol::two_phase;
  Known known = Known::nothing;
  Era era = Era::past;
  Proven proven = Proven::none;
  Some prepared = Some::no;
  Some missing = Some::no;  ///< Some branch is fenced or absent.
  Some held = Some::no;
  Some not_kept = Some::no;
  Some unread = Some::no;    ///< Some branch is unreachable, or some member is not known.
  Some vouched = Some::yes;  ///< A row of Assent's stands for it, or one where it is listed need not stand.
  Some seen_to = Some::no;   ///< An operator has acknowledged the hazard of each proven branch.
  Chosen chosen = Chosen::nothing;
  Quorum quorum = Quorum::not_known;
};

/// The part of it that its branches show.
void add_sights(Evidence& evidence, std::span<const Sight> branches);

/// What it has come to, as far as can be known.
enum class Ruling : std::uint8_t {
  running,
  commit,
  roll_back,
  undecidable,
  contradicted,  ///< No decision, and a branch has committed. The others wait for an operator.
  over,          ///< Every branch was settled. One that is listed was rolled back, and has come back.
  planted,       ///< Not Assent's: somebody has made a branch under such a name.
};

/// What speaks for a ruling.
enum class Ground : std::uint8_t {
  alive,         ///< Its coordinator is working on it.
  decided,       ///< The log says so.
  presumed,      ///< The log has no decision, and every member that has to be was read.
  proven,        ///< A branch has committed, so commit was decided.
  missing,       ///< A branch is neither prepared nor proven, so commit was not.
  chosen,        ///< An operator's choice.
  seen_to,       ///< Operators have acknowledged the hazards of the branches that have committed.
  acceptors,     ///< A majority of them.
  closed,        ///< Its coordinator, or a majority of its acceptors, has closed it.
  contradicted,  ///< A proof row shows a commit that the log, or the acceptors, do not know.
  not_all_seen,  ///< Not every branch could be judged.
  all_prepared,  ///< Nothing of these: only the lost log knew.
  no_majority,   ///< Of the acceptors.
  no_members,    ///< Nobody says who they are.
  older_log,     ///< Only a log before this one knew.
  other_log,     ///< Of an epoch that this log has not reached: another log or process knows.
  no_row,        ///< No row of Assent's stands for it.
};

struct Ruled {
  Ruling ruling = Ruling::undecidable;
  Ground ground = Ground::not_all_seen;
  bool operator==(const Ruled&) const = default;
};

struct RulingRule {
  Cell<Protocol> protocol;
  Cell<Known> known;
  Cell<Era> era;
  Cell<Some> vouched;
  Cell<Proven> proven;
  Cell<Some> prepared;
  Cell<Some> missing;
  Cell<Some> held;
  Cell<Some> not_kept;
  Cell<Some> unread;
  Cell<Chosen> chosen;
  Cell<Some> seen_to;
  Cell<Quorum> quorum;
  Ruled then;
  bool matches(const Evidence& evidence) const;
};
std::span<const RulingRule> ruling_rules() noexcept;

Ruled rule(const Evidence& evidence) noexcept;

struct VerdictRule {
  Cell<Ruling> ruling;
  Cell<Sight> sight;
  Verdict verdict;
};
std::span<const VerdictRule> verdict_rules() noexcept;
/// What is said of one branch, and done about it where it is prepared.
Verdict verdict_of(Ruling ruling, Sight sight) noexcept;

/// What a ballot above all of theirs would come to, by step(), if those that were read answer it.
Quorum quorum_of(std::size_t acceptors, std::span<const AcceptorSeen> read);

}  // namespace assent::protocol
