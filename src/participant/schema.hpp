#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "participant/config.hpp"
#include "participant/presence.hpp"
#include "participant/session.hpp"
#include "ports/participant.hpp"

namespace assent::participant {

// Assent's own tables at a participant, in the schema the configuration names:
//
//   proof        one row per branch, written inside it: it is there if and only if the branch committed. A row of kind
//                'fence' stands where a branch must never commit.
//   coordinator  who used this participant last, with which log, whether that one lives, and since which epoch what it
//                wrote is kept here (owner.hpp).
//   session      every connection that may hold a branch, so that a successor can wait for it to leave.
//   acceptor     one row per transaction in three phases, written outside its branches (acceptor.hpp).
//   pulse        for each coordinator: the gtrid below which everything is settled and nothing may be written into
//                acceptor any more; and whether it has always kept proof rows here, without which a missing one says
//                nothing. (In version 1 also its last sign of life.)
//   purged       for each coordinator and epoch: the gtrid below which proof rows were deleted, so that a missing one
//                there says nothing.
//   heuristic    what an operator has chosen for transactions whose outcome could not be known.
//   server       one random identity, for servers without one of their own.
//   schema_version  which version of Assent has made these tables (tables.hpp).
//
// Several participants may be databases of one server and share the schema: branch numbers tell their rows apart.

/// Nothing, or what the server said.
using Failure = std::optional<SqlError>;

/// The server's own identity: `server_uuid`, or the row of ours with the server's number.
std::variant<std::string, SqlError> read_identity(Session& session, const Config& config);
/// 64 bits of it, for the members of a transaction.
protocol::ServerIdentity identity_hash(const std::string& identity);
/// The same of the server that is there. Nothing where none can be read: on MariaDB Assent was never there.
std::variant<std::optional<protocol::ServerIdentity>, SqlError> find_identity(Session& session, const Config& config);

/// Every row of XA RECOVER.
std::variant<std::vector<ports::ListedXid>, SqlError> list_xids(Session& session);
/// Whether it is a branch of this coordinator's.
bool is_ours(const ports::ListedXid& xid, const std::string& coordinator_id);
/// Whether it is one of those whose outcome only the coordinator's log can tell.
bool needs_log(const ports::ListedXid& xid, const std::string& coordinator_id);

/// A condition on a row of `coordinator`: what was written here in the epoch of `gtrid` is still here. Not so where the
/// row was made later (the schema was emptied), or says nothing of that epoch yet (it was restored from a copy).
std::string remembers(const std::string& gtrid);

/// Puts this session into the session table, in place of `before`. Fails when the owner row names another process.
Failure register_session(Session& session, const Config& config, const std::optional<ConnectionIdentity>& before);

/// A connection that another process with this identity has registered.
struct Predecessor {
  ConnectionIdentity who;
  Presence presence = Presence::connected;
};

/// Those that are not gone. An account without the privilege PROCESS sees only its own.
std::variant<std::vector<Predecessor>, SqlError> staying_predecessors(Session& session, const Config& config);
/// Forgets all registered connections of other processes with this identity and account. All must be gone: nobody finds
/// them in the engine without their numbers.
Failure forget_predecessors(Session& session, const Config& config);

}  // namespace assent::participant
