#pragma once

#include <span>

#include "protocol/settle.hpp"
#include "protocol/table.hpp"

namespace assent::protocol {

enum class Prepared : std::uint8_t { known, not_known };

/// One row of the table behind judge().
struct SettleRule {
  Cell<Decided> decided;
  Cell<Prepared> prepared;
  Cell<Reply> reply;
  Cell<Listed> listed;
  Cell<Proof> proof;
  Cell<Owner> owner;
  Finding finding;

  constexpr bool matches(const Observation& seen) const {
    return decided.has(seen.decided) && prepared.has(seen.known_prepared ? Prepared::known : Prepared::not_known) &&
           reply.has(seen.reply) && listed.has(seen.listed) && proof.has(seen.proof) && owner.has(seen.owner);
  }
};

std::span<const SettleRule> settle_rules() noexcept;

}  // namespace assent::protocol
