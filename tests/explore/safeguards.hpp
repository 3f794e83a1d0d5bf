#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace assent::explore {

/// A kind of world.
enum class Family : std::uint8_t {
  two_phase,
  tampering,  ///< Two phases, with people who settle branches by hand.
  three_phase,
  forgetting,  ///< Three phases, with an acceptor that forgets.
  hiding,      ///< Three phases, with branches that are hidden or come back.
  late,        ///< Three phases, with a coordinator whose sessions nobody sees.
  log,
};

/// A rule that keeps a protocol right, and can be taken away to see that it does.
enum class Safeguard : std::uint8_t {
  none,

  // Two phases.
  decision_first,   ///< Nothing is committed before the decision is durable.
  proof_of_commit,  ///< "Unknown XID" is not taken for committed.
  owners_word,      ///< Nor is the OK that another session gets.
  end_at_the_end,   ///< The log forgets a decision only when every branch is settled.
  presumed_abort,   ///< A branch without a decision is rolled back, though all of them may be prepared.
  sweeping,         ///< Prepared branches are looked for again and again.

  // Two phases, and somebody's hand. siblings_read is needed here as well.
  siblings_wait,       ///< Where a branch has committed without a decision, the others wait for an operator.
  rows_until_seen,     ///< No proof row goes before all branches were looked at together.
  hazards_kept,        ///< A hazard, and the rows that show it, outlive restarts until it is acknowledged.
  closed_first,        ///< Before the first proof row goes a participant says that every branch was settled.
  contradiction_told,  ///< A transaction with a hazard is told as unknown.

  // Three phases.
  promise_test,    ///< An acceptor refuses what is below its promise.
  binding_value,   ///< A recoverer takes the value that was accepted at the highest ballot.
  no_votes,        ///< A recoverer never infers commit from "all are prepared".
  no_way_back,     ///< The coordinator does not roll back by itself once the first pre-commit was sent.
  quorum_first,    ///< A recoverer rolls nothing back before a majority has accepted that.
  no_presumption,  ///< A recoverer with an empty log presumes nothing.
  majority,        ///< Not whoever is reached first, as after the textbook's time-outs, but a majority decides.
  rows_kept,       ///< No row goes before every branch is settled.
  closing,         ///< A row that goes leaves word that it is not a new one's.
  epoch_closed,    ///< No row goes while the coordinator, of an earlier epoch by then, could still write one.
  own_ballots,     ///< No two recoverers share a ballot.
  all_prepared,    ///< No pre-commit before every branch is prepared.

  // Three phases, in trouble.
  acceptor_identity,   ///< What was an acceptor has no voice once it is another server.
  acceptor_remembers,  ///< Nor once it has lost its rows: it answers only for the epochs that its owner row covers.
  closed_on_proof,     ///< No acceptor is closed because nothing is listed any more.
  pre_commit_fence,    ///< The statement that accepts at ballot 0 tests that the acceptor is not closed.

  // Whose log it is.
  log_contains,       ///< A log acts only where it contains what the last owner wrote.
  sequence_test,      ///< It contains that only if it goes as far, not if it is merely of the same origin.
  own_records,        ///< And by the owner's own records, not by its length: a copy may have grown.
  later_enrolments,   ///< A process that began without having seen a participant looks before it claims it.
  silence_watched,    ///< Nobody is displaced before he was silent for the bound.
  conditional_claim,  ///< A claim takes a row that is still what was judged.
  log_lock,           ///< Nobody starts in the directory of a living process.
  sessions_killed,    ///< A claim ends the sessions of the owner before.
  /// Who has given no sign of life anywhere for the bound renews a claim before it acts on a decision or tells it.
  lease,
  lease_while_away,       ///< Being cut off from a participant is no sign of life there.
  siblings_read,          ///< Nothing is rolled back before the rows of the other branches were read.
  lost_is_not_dead,       ///< --log-lost displaces nobody who lives.
  lost_presumes_nothing,  ///< Once a log was called lost, abort is presumed for nothing older.
  signs_cover,            ///< A decision that somebody was told of stands in an owner row when its log is lost.
};

struct SafeguardEntry {
  Safeguard safeguard;
  std::string_view name;
  Family family;  ///< In which it is seen to be needed. One that is needed in two is there twice.
};

struct FamilyEntry {
  Family family;
  std::string_view name;
};
std::span<const FamilyEntry> families();

/// All but `none`.
std::span<const SafeguardEntry> safeguards();

}  // namespace assent::explore
