#pragma once

#include <optional>

#include "participant/config.hpp"
#include "participant/session.hpp"
#include "ports/participant.hpp"
#include "protocol/settle.hpp"

namespace assent::participant {

/// How long one attempt waits for a killed session to leave the process list.
inline constexpr std::chrono::milliseconds kOwnerLeavesMax{1'000};

/// What one attempt to settle a branch is about.
struct SettleWork {
  protocol::Xid xid;
  protocol::Decided decided = protocol::Decided::commit;
  bool known_prepared = false;
};

struct OwnerSettled {
  ports::SettleReport report;
  bool still_held = false;  ///< The session still has its branch; the next attempt goes to it again.
  protocol::Reply reply = protocol::Reply::none;  ///< When the attempt must go on without it, what it had said.
};

/// Settles a prepared branch on the session that prepared it. Unless still_held or the finding is other than ambiguous,
/// the session must be closed and settle_without_owner() go on.
OwnerSettled settle_on_owner(Session& owner, const SettleWork& work);

/// What is known of the session that ran the branch.
struct OwnerTrace {
  std::optional<ConnectionIdentity> connection;  ///< It was lost; it may still live at the server, and may be killed.
  bool of_predecessor = false;     ///< Of an earlier epoch than this process's: not one of its sessions ran it.
  bool predecessors_left = false;  ///< All sessions of this coordinator's earlier processes are known to be gone.
};

/// One attempt over `control`, a session that never held the branch.
ports::SettleReport settle_without_owner(Session& control, const Config& config, const SettleWork& work,
                                         const OwnerTrace& owner, protocol::Reply first_reply);

/// Kills the connection if it lives, and waits up to `patience` for it to leave the process list. Says whether it has.
std::variant<bool, SqlError> make_leave(Session& control, const ConnectionIdentity& who,
                                        std::chrono::milliseconds patience);

}  // namespace assent::participant
