#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <span>
#include <string>

#include "base/clock.hpp"
#include "participant/config.hpp"
#include "participant/presence.hpp"
#include "participant/session.hpp"
#include "ports/participant.hpp"
#include "protocol/settle.hpp"

namespace assent::participant {

// Nobody else may touch a branch on MariaDB before its owner has left the process list and the engine (presence.hpp).
// Measured on 10.11: an XA COMMIT while the owner was in neither: 0 of 629 lost, and 0 of 30 where it was slow to
// leave. When it was out of the process list only, 5 of 8 such slow ones said OK, committed nothing, and were then
// stuck with their locks until the server's restart.

/// A session that is out of the process list is taken for gone after this much more where the engine cannot be asked. A
/// guess: slow ones were seen to need more than 50 ms (3 of 36 were lost after that), and no more is known. Should it
/// not be enough, the branch is stuck as above, which the proof row shows.
inline constexpr std::chrono::milliseconds kLeavesUnseenIn{1'000};
/// How long one batch of attempts waits for killed sessions to be gone.
inline constexpr std::chrono::milliseconds kOwnerLeavesMax{1'500};
static_assert(kOwnerLeavesMax > kLeavesUnseenIn);

struct OwnerSettled {
  ports::SettleReport report;
  bool still_held = false;  ///< The session still has its branch; the next attempt goes to it again.
  protocol::Reply reply = protocol::Reply::none;  ///< When the attempt must go on without it, what it had said.
};

/// What settles a prepared branch, to be sent on the session that prepared it.
std::string settling_statement(const ports::SettleOrder& work);
/// What came of it there. Unless still_held or the finding is other than ambiguous, the session must be closed and
/// settle_without_owners() go on.
OwnerSettled settled_on_owner(const ports::SettleOrder& work, const PacketResult& result);

/// What is known of the session that ran the branch.
struct OwnerTrace {
  std::optional<ConnectionIdentity> connection;  ///< It was lost; it may still live at the server, and may be killed.
  bool of_predecessor = false;     ///< Of an earlier epoch than this process's: not one of its sessions ran it.
  bool predecessors_left = false;  ///< All sessions of this coordinator's earlier processes are known to be gone.
};

/// A settling without the owner.
struct SettleElsewhere {
  ports::SettleOrder work;
  OwnerTrace owner;
  protocol::Reply first_reply = protocol::Reply::none;
};

/// One attempt for each of `batch`, over `control`, a session that never held any of them. `report` is called exactly
/// once for each, by its place in the batch, as soon as it is known; those whose owners are slow to leave come last.
/// Where one statement waits for long (a backup's lock), those behind it are left to another attempt.
/// Once the connection is lost or `stopping` says so, all that are left are ambiguous.
void settle_without_owners(Session& control, const Config& config, std::span<const SettleElsewhere> batch,
                           const std::function<bool()>& stopping,
                           const std::function<void(std::size_t, ports::SettleReport)>& report);

/// A connection that has to end.
struct Leaving {
  ConnectionIdentity who;
  bool killed = false;
  Presence presence = Presence::connected;       ///< When it was last looked for.
  std::optional<SqlError> error = std::nullopt;  ///< It cannot be known, or cannot be killed.
  std::optional<base::SteadyTime> unseen_since =
      std::nullopt;      ///< Out of the process list; the engine cannot be asked.
  bool assumed = false;  ///< Gone only in that it was long out of the process list.
  bool left() const { return presence == Presence::gone; }
};

/// Kills those that live, and waits up to `patience` for all together to be gone. Without patience it only looks once;
/// those killed are then found gone by a later call.
void make_leave(Session& control, std::span<Leaving> all, std::chrono::milliseconds patience);

/// How long end_predecessors() waits for them.
inline constexpr std::chrono::milliseconds kPredecessorLeavesMax{2'000};
static_assert(kPredecessorLeavesMax > kLeavesUnseenIn);

/// Ends the connections of other processes with this coordinator's identity. Nothing once all are gone, else why not.
std::optional<std::string> end_predecessors(Session& control, const Config& config, bool* all_seen_gone = nullptr);

}  // namespace assent::participant
