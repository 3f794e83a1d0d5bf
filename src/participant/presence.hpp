#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <span>
#include <string_view>
#include <variant>
#include <vector>

#include "participant/session.hpp"

namespace assent::participant {

// Whether a connection that may have run a branch is gone, so that another may settle the branch.
//
// MariaDB takes a connection that ends out of the process list first, and lets InnoDB know of it last. In between,
// nobody else is given its prepared branch, and XA COMMIT says OK all the same. On such a server gone means: out of the
// process list, and after that out of the engine's list of transactions.

/// Where a connection still is.
enum class Presence : std::uint8_t {
  connected,  ///< In the process list.
  in_engine,  ///< No longer there, but a transaction of the engine's still belongs to it.
  not_known,  ///< Not in the process list, and the engine's list was cut short.
  unseen,     ///< Not in the process list, and the account may not look at the engine: it lacks PROCESS.
  gone,
};

/// What is to be said of a connection: `still lives`.
const char* words(Presence presence) noexcept;

/// For each connection, in their order, with one look at the process list and at most one at the engine for all.
std::variant<std::vector<Presence>, SqlError> look_for(Session& session,
                                                       std::span<const ConnectionIdentity> connections);

/// Whether the connection is in the server's process list.
std::variant<bool, SqlError> is_connected(Session& session, const ConnectionIdentity& who);

/// The connections that have a transaction, by the text of SHOW ENGINE INNODB STATUS. Nothing when it is not whole: the
/// server cuts what is longer than 1 MiB, and first of all the beginning of this list. May name more than there are
/// when statements quote such a text, never fewer.
std::optional<std::set<std::uint64_t>> connections_in(std::string_view engine_status);

}  // namespace assent::participant
