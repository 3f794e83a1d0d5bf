#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "assent/transaction.hpp"
#include "protocol/table.hpp"

namespace assent::protocol {

// What to do with a branch that XA RECOVER lists at a participant, whoever prepared it: presumed abort (Mohan, Lindsay
// and Obermarck 1986) for our own that no decision covers, and hands off everything else.

enum class Whose : std::uint8_t {
  foreign,            ///< Another formatID, or names that Assent does not make.
  other_coordinator,  ///< An Assent of another identity.
  elsewhere,          ///< Ours, but of another participant (two databases of one server list each other's).
  here,               ///< Ours, of this participant.
};

/// The epoch in its gtrid, against the running one.
enum class Era : std::uint8_t {
  before_log,  ///< Before the first epoch of this log: what was decided then, another log knew.
  past,
  current,
  future,
};

/// What the log, and the transactions alive in memory, know of it.
enum class Known : std::uint8_t {
  nothing,  ///< No decision, and not alive: whoever ran it is gone, or it was rolled back and came back.
  live,     ///< Alive in this process: its own rules settle it.
  decided,  ///< The log holds its commit decision, and nobody is at it.
  closed,   ///< 3PC: a majority of its acceptors has closed it; every branch was settled.
};

enum class Act : std::uint8_t {
  leave,
  commit,
  roll_back,
  await_quorum,  ///< 3PC: its acceptors are asked (quorum.hpp); nothing may be presumed.
  alarm,         ///< Of an epoch that this log has not seen: another log, or another process. Touch nothing.
};

struct RecoveryRule {
  Cell<Whose> whose;
  Cell<Known> known;
  Cell<Era> era;
  Cell<Protocol> protocol;
  Act act;
};

std::span<const RecoveryRule> recovery_rules() noexcept;

Act recovery_act(Whose whose, Known known, Era era, Protocol protocol) noexcept;

/// Reads whose a listed XID is. Everything that is not exactly as Assent writes it is foreign.
Whose whose_branch(std::int64_t format_id, std::string_view gtrid, std::string_view bqual, std::string_view coordinator,
                   std::string_view participant);

}  // namespace assent::protocol
