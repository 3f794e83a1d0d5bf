#pragma once

#include <cstdint>

namespace assent::protocol {

// How one branch is brought to its decided outcome, and when that counts as done. The servers' habits behind each row
// were measured: MariaDB can answer OK to an XA COMMIT from a session other than the owner and commit nothing, and
// "unknown XID" means committed, rolled back, never prepared, or held by a session that still lives. So neither
// is evidence; only the owner's own OK and the proof row are.

enum class Decided : std::uint8_t {
  commit,
  rollback,
  one_phase,  ///< XA COMMIT ... ONE PHASE was sent and its answer lost: find out which, after fencing off a late one.
};

/// What the server said to XA COMMIT or XA ROLLBACK.
enum class Reply : std::uint8_t {
  ok_owner,     ///< OK, on the session that prepared the branch.
  ok_other,     ///< OK, on another session.
  unknown_xid,  ///< 1397 XAER_NOTA.
  rolled_back,  ///< 1402 and its kin: the server says that it rolled the branch back.
  refused,      ///< Another error; the branch is as it was (read-only server, lock timeout).
  none,         ///< Nothing was asked, or the answer was lost.
};

/// Whether XA RECOVER lists the branch, read after the reply.
enum class Listed : std::uint8_t { yes, no, not_read };

/// The proof row, read after Listed with a locking read that does not wait.
enum class Proof : std::uint8_t {
  present,
  absent,
  fenced,    ///< A fence stands under its key: the branch never committed and never can.
  locked,    ///< A transaction still holds the key.
  not_read,  ///< Not asked, or the answer was lost.
  not_kept,  ///< Proof rows are turned off at this participant.
};

/// Whether the session that ran the branch can still act on it.
enum class Owner : std::uint8_t { gone, alive, not_known };

enum class Finding : std::uint8_t {
  committed,    ///< Proven.
  unproven,     ///< Gone after a commit decision, or after one phase, where no proof is kept.
  rolled_back,  ///< Nothing of it is left, and nothing of it can come later, short of a server bringing it back.
  ambiguous,    ///< Not known yet. Retry.
  hazard,       ///< Decided commit, known to have been prepared, and gone without its proof.
};

/// What was seen, in this order: the reply, whether the owner is gone, the listing, the proof row. A later look can
/// then not miss what an earlier one ruled out.
struct Observation {
  Decided decided = Decided::commit;
  bool known_prepared = false;  ///< The prepare was acknowledged, or XA RECOVER listed the branch once.
  Reply reply = Reply::none;
  Listed listed = Listed::not_read;
  Proof proof = Proof::not_read;
  Owner owner = Owner::not_known;
};

/// The one judgement. Pure. Absence is not evidence: whatever no row settles is ambiguous.
Finding judge(const Observation& seen) noexcept;

constexpr const char* to_string(Finding finding) noexcept {
  switch (finding) {
    case Finding::committed: return "committed";
    case Finding::unproven: return "unproven";
    case Finding::rolled_back: return "rolled_back";
    case Finding::ambiguous: return "ambiguous";
    case Finding::hazard: return "hazard";
  }
  return "";
}

}  // namespace assent::protocol
