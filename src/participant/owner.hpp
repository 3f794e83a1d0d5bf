#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>

#include "participant/config.hpp"
#include "participant/session.hpp"
#include "ports/participant.hpp"

namespace assent::participant {

// The owner row of a coordinator: which process was last here with its identity, where that one's log lies, and, each
// second, that it lives and how far its log is durable (protocol/log_fence.hpp has the rule that it serves).

/// Nothing when this coordinator was never here, the schema's absence included. Reads the rows of older versions too.
std::variant<std::optional<ports::OwnerRow>, SqlError> read_owner(Session& session, const Config& config);

/// The gtrid below which this coordinator has closed everything here; empty: nothing.
std::variant<std::string, SqlError> read_closed_below(Session& session, const Config& config);

/// Makes the owner row name this process, if it still is what was judged: `before`, or nothing. False when it is not.
/// `again`: this process has claimed it before. Where its row is gone then, so are others, of transactions of this
/// epoch.
std::variant<bool, SqlError> claim(Session& session, const Config& config, const protocol::FenceLog& log,
                                   std::uint64_t durable_sequence, const std::optional<ports::OwnerRow>& before,
                                   bool again);

enum class Renewal : std::uint8_t {
  held,
  gone,   ///< The row is no longer there.
  taken,  ///< It names another process.
};

/// Leaves a sign of life in the owner row, if that still names this process.
std::variant<Renewal, SqlError> renew_claim(Session& session, const Config& config, std::uint64_t durable_sequence);

}  // namespace assent::participant
