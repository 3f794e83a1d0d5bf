#pragma once

#include <string>
#include <variant>
#include <vector>

#include "participant/config.hpp"
#include "participant/session.hpp"
#include "ports/participant.hpp"

namespace assent::participant {

// Whom prepared branches keep waiting, by the servers' own views of their locks. These name InnoDB's transactions by
// numbers of InnoDB's, and nowhere say which of them is which branch. The branch's own proof row tells: whoever wants
// it is shown to wait for the number of the one that holds it. MySQL lists the locks on rows that somebody wanted, and
// who holds them; MariaDB only while somebody waits, so there sessions of ours do for a second.

/// As ports::Participant::find_waits() says.
std::variant<ports::LockWaits, SqlError> find_waits(Session& session, const Config& config,
                                                    const std::vector<protocol::Xid>& branches);

}  // namespace assent::participant
