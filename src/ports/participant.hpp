#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "assent/result.hpp"
#include "assent/status.hpp"
#include "assent/transaction.hpp"
#include "base/clock.hpp"
#include "ports/done.hpp"
#include "protocol/log_fence.hpp"
#include "protocol/members.hpp"
#include "protocol/quorum.hpp"
#include "protocol/settle.hpp"
#include "protocol/xid.hpp"

namespace assent::ports {

/// One branch to run at its participant.
struct BranchWork {
  protocol::Xid xid;
  std::shared_ptr<const Branch> branch;  ///< Part of the whole request, which stays alive with it.
  Isolation isolation = Isolation::server_default;
  base::SteadyTime deadline;  ///< Lock waits and statements end by then.
  std::string members;        ///< Of the transaction, as format_members() gives them: kept in the proof row.
  Protocol protocol = Protocol::two_phase;
  std::string label{};  ///< The application's, kept in the proof row, for people.
  /// As the members name it: another one refuses the branch.
  std::optional<protocol::ServerIdentity> server = std::nullopt;
};

/// How running a branch ended.
struct Vote {
  enum class Kind : std::uint8_t {
    prepared,   ///< XA PREPARE answered OK on the branch's own session.
    committed,  ///< One phase only: XA COMMIT ... ONE PHASE answered OK on the branch's own session.
    refused,    ///< Not prepared and known to be gone: nothing of it is left at the server.
    lost,       ///< The answer was lost: it may be prepared (or, in one phase, committed), or become so later.
  };
  Kind kind = Kind::lost;
  std::vector<StatementResult> statements;  ///< When prepared or committed.
  std::optional<Cause> cause;               ///< When refused or lost.
  bool duplicate_xid = false;               ///< Refused because the server has a branch of this XID already.
};

/// The end, or not yet the end, of one attempt to settle a branch.
struct SettleReport {
  protocol::Finding finding = protocol::Finding::ambiguous;
  std::string detail;        ///< For people: what was seen. No SQL values.
  bool session_free = true;  ///< False while the branch's own session still holds it, to try again on it.
};

/// A row of XA RECOVER.
struct ListedXid {
  std::int64_t format_id = 0;
  std::string gtrid;  ///< Raw bytes; a foreign one may be binary.
  std::string bqual;
  bool operator==(const ListedXid&) const = default;
};

/// Who was last at a participant with a coordinator's identity.
struct OwnerRow : protocol::FenceOwner {
  std::string renewal{};    ///< Another one each time the row is renewed or taken over.
  std::string old_pulse{};  ///< The same of what an older version renews instead.
};

/// A coordinator's process with its log, which claims participants.
struct Claimant {
  protocol::FenceLog log;                           ///< Once this start is durable in it.
  std::function<std::uint64_t()> durable_sequence;  ///< Of the log. Cheap, thread safe.
  // All three on a thread of the participant's, and quick.
  /// The row named this process at some time after `asked_at`, on the clock of base::since_boot(): it was claimed, or
  /// renewed.
  std::function<void(std::chrono::milliseconds asked_at)> held;
  /// It is not claimed, for what the owner row says: the fence's sentence.
  std::function<void(std::string why)> refused;
  /// Another process has taken a claim of this one's, which must take no more work: a sentence about it.
  std::function<void(std::string why)> displaced;
};

/// The row that a start has ruled on at a participant, so that it is not watched again; no `renewal`: there was none.
struct Judged {
  std::optional<std::string> renewal;
};

/// One attempt to settle a branch.
struct SettleOrder {
  protocol::Xid xid;
  protocol::Decided decided = protocol::Decided::rollback;
  bool known_prepared = false;  ///< Its prepare was acknowledged.
  /// Of the server that holds it, as its transaction's members say. Another one is not asked.
  std::optional<protocol::ServerIdentity> server = std::nullopt;
};

/// What an acceptor of a transaction in three phases is asked (protocol/quorum.hpp).
struct AcceptorQuestion {
  std::string gtrid;
  std::uint16_t acceptor = 0;  ///< Which of its acceptors this is, from 0: several may be databases of one server.
  protocol::Ballot ballot = protocol::kCoordinatorsBallot;
  std::optional<protocol::Value> value;  ///< To be accepted. Nothing: a promise is asked for.
  std::string members;                   ///< As format_members() gives them: kept in the row.
  /// As the members name it: another one is not asked, and the answer is an error.
  std::optional<protocol::ServerIdentity> server = std::nullopt;
};

struct AcceptorAnswer {
  enum class Kind : std::uint8_t {
    granted,
    refused,
    closed,  ///< Its coordinator has said here that every branch is settled; nothing is kept of it any more.
  };
  Kind kind = Kind::refused;
  protocol::AcceptorRow row;  ///< After the question. Unless closed.
};

struct Inspection {
  std::optional<OwnerRow> owner;  ///< Nothing when this coordinator was never here.
  std::string closed_below{};     ///< As close_acceptor() said it here.
  /// Branches of this coordinator's identity in XA RECOVER whose outcome only its log can tell: in two phases.
  std::vector<ListedXid> in_doubt;
};

/// A proof row, of any branch of the transaction that this server holds.
struct ProofRow {
  std::uint16_t branch = 0;
  bool fence = false;
  bool committed = false;  ///< Else whoever wrote it still holds it: a branch that is running, prepared or lost.
};

/// What an operator has chosen for a transaction whose outcome could not be known.
struct HeuristicChoice {
  protocol::Value value = protocol::Value::rollback;
  std::string who;
  std::string reason;
  std::int64_t made_at_ms = 0;  ///< By the server's clock, for people.
};

/// What one server keeps of a transaction.
struct TransactionRows {
  std::optional<protocol::Members> members;  ///< Nothing where no row is there.
  std::string label;
  std::optional<std::chrono::milliseconds> age;  ///< Since its oldest row here was written, by the server's clock.
  std::vector<ProofRow> proofs;
  /// Whose rows these are.
  std::optional<protocol::ServerIdentity> server;
  /// It has kept what this coordinator wrote here in the transaction's epoch. Else what is missing says nothing: it was
  /// made anew since, or restored from a copy of an earlier day.
  bool remembers = false;
  /// Always, by every process of the coordinator that was here. Else a missing one says nothing.
  bool proofs_kept = false;
  /// The same, whatever it has kept of what was written: a branch of Assent's that is prepared here has its own row,
  /// which nobody can take from it.
  bool vouches = false;
  std::vector<std::pair<std::uint16_t, protocol::AcceptorRow>> acceptors;  ///< Which of its acceptors, from 0.
  bool closed = false;                                                     ///< As close_acceptor() said.
  bool ended = false;  ///< As purge_proofs() said: its end is durable, and its proof rows here are gone or going.
  std::optional<HeuristicChoice> chosen;
};

/// Somebody who waits for a lock that a prepared branch holds.
struct BlockedSession {
  std::uint64_t connection = 0;
  std::string user;
  std::string host;
  std::chrono::milliseconds waiting{0};
  std::string table;
  std::string row;  ///< The key of the index that is locked, as the server shows it. Empty where it does not.
};

/// Whom prepared branches keep waiting, at one server.
struct LockWaits {
  std::map<protocol::Xid, std::vector<BlockedSession>> by_branch;
  /// Waiting for a transaction without a session that is none of the branches that were asked for, or not known to be.
  std::vector<BlockedSession> others;
  std::string incomplete;  ///< Why not all is known, and what to do; empty: all is.
};

/// One participant: a database on a server that keeps XA branches, and rows of Assent's own as an acceptor. Thread
/// safe. Every `Done` is called on a thread of the participant's own or on the loop's.
///
/// A branch's session is held from prepare() until the branch is settled. The caller must not have more than
/// `sessions_max` branches between prepare() and their settling, so that a session is always free for a branch.
class Participant {
 public:
  virtual ~Participant() = default;

  virtual const std::string& name() const = 0;
  /// Whose identity it is used with.
  virtual const std::string& coordinator_id() const = 0;
  virtual ParticipantInfo info() const = 0;
  /// Of the server that was last connected to, read anew at each connection: nothing before the first one, or where it
  /// has none (Assent was never there).
  virtual std::optional<protocol::ServerIdentity> identity() const = 0;

  /// Success while new branches can be run here, else the error a new transaction is refused with
  /// (Errc::unavailable, retryable). Quick: asked once per branch.
  virtual Status available() const = 0;

  /// Why this branch can never run here (SQL that would control or escape the transaction, a wrong count of
  /// arguments), or success. Pure and quick; the server is not asked.
  virtual Status check(const Branch& branch) const = 0;

  /// Looks, before an epoch is chosen, at what the participant knows of this coordinator. Connects if need be, within
  /// its connect timeout.
  virtual void inspect(Done<Result<Inspection>> done) = 0;

  /// From now on, keep a connection up: probe, rule on the owner row (protocol/log_fence.hpp), bring the schema up,
  /// claim the row, and serve. `judged` is the row that the start has ruled on, if it could look here. `on_up` is
  /// called each time it has become up.
  virtual void enrol(Claimant claimant, std::optional<Judged> judged, std::function<void()> on_up) = 0;

  /// XA START, the proof row, the statements, XA END, XA PREPARE. An expectation that fails, or any statement that
  /// does, is a refusal; the branch has then been rolled back.
  virtual void prepare(BranchWork work, Done<Vote> done) = 0;

  /// The same for the only branch of a transaction, ending in XA COMMIT ... ONE PHASE.
  virtual void commit_one_phase(BranchWork work, Done<Vote> done) = 0;

  /// One attempt to bring a branch to `decided`: on its own session while that lives, else without it, as
  /// protocol::settle.hpp says. Decided::rollback or one_phase for a branch that is still running cancels it; its vote
  /// is then told before this report. An ambiguous finding means: try again later; one of another server than the
  /// order's is always that, since that one does not know the branch. At most one settle per branch may be under way.
  virtual void settle(SettleOrder order, Done<SettleReport> done) = 0;

  /// XA RECOVER, all rows, foreign ones too.
  virtual void scan(Done<Result<std::vector<ListedXid>>> done) = 0;

  /// Rows that one purge_proofs() deletes at most.
  static constexpr std::uint64_t kPurgedRowsMax = 10'000;

  /// Proof rows of this coordinator: those with `from` <= gtrid < `to`.
  struct PurgedRange {
    std::string from;
    std::string to;
    /// Of this one only. Then nothing is said of what has ended.
    std::optional<Protocol> only{};
    std::vector<std::string> kept{};  ///< Not ended: those with an open hazard. None of them is in the range.
  };
  /// Deletes the lowest kPurgedRowsMax rows of the range. Gives how many were deleted: when fewer than that, none is
  /// left in it. Says durably, with the deletion, that what it deletes has ended, and so has all of the same epoch
  /// below it but for what is kept: rows that other participants still have are then no sign of a commit that nobody
  /// decided.
  virtual void purge_proofs(PurgedRange range, Done<Result<std::uint64_t>> done) = 0;

  /// Asks the acceptor that is kept here. What it grants is durable. An error, retryable, means that nobody knows
  /// whether it was asked, or that it may not vote: it is another server now, or has forgotten what it may have
  /// granted. Questions at the coordinator's ballot share one write; nobody but the coordinator that made the
  /// transaction, while it has enrolled here, may ask at that ballot.
  virtual void ask(AcceptorQuestion question, Done<Result<AcceptorAnswer>> done) = 0;

  /// What the rows here say of each of the transactions, the row of a prepared branch as well. Only looks. Look in XA
  /// RECOVER first: a branch that is not listed, and whose row is neither there nor held afterwards, has not committed.
  virtual void find_rows(std::vector<std::string> gtrids,
                         Done<Result<std::map<std::string, TransactionRows>>> done) = 0;

  /// The gtrids of this coordinator with `from` <= gtrid < `to` that have proof or acceptor rows here, those too whose
  /// row a branch still holds; the first `most` of them, in order.
  virtual void list_rows(std::string from, std::string to, std::size_t most,
                         Done<Result<std::vector<std::string>>> done) = 0;

  /// Whom these branches, prepared here, keep waiting. Only looks; may take a second where somebody waits.
  virtual void find_waits(std::vector<protocol::Xid> branches, Done<Result<LockWaits>> done) = 0;

  /// Records here what an operator has chosen for a transaction. Gives what stands here now, which is an earlier choice
  /// where there is one.
  virtual void choose(std::string gtrid, HeuristicChoice choice, Done<Result<HeuristicChoice>> done) = 0;

  /// All choices that stand here for transactions of this coordinator, by gtrid.
  virtual void list_choices(Done<Result<std::map<std::string, HeuristicChoice>>> done) = 0;

  /// Ends every connection that another process with this coordinator's identity has registered here, and waits a
  /// moment for them: until they are gone, what they prepared cannot be settled. For whoever finishes in the place of
  /// one that is taken for dead; enrol() does it by itself.
  virtual void end_predecessors(Done<Status> done) = 0;

  /// Says here, for good, that every branch of this coordinator's transactions below `to` is settled and that nobody
  /// needs their acceptor rows any more; then deletes those with `from` <= gtrid < `to`, the lowest kPurgedRowsMax of
  /// them. Gives how many were deleted. Where there are none nothing is said.
  virtual void close_acceptor(std::string from, std::string to, Done<Result<std::uint64_t>> done) = 0;

  /// Closes every session and joins every thread. Running branches are answered as lost.
  virtual void stop() = 0;
};

}  // namespace assent::ports
