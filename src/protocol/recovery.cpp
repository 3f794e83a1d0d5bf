#include "protocol/recovery.hpp"

#include "protocol/xid.hpp"

namespace assent::protocol {

Whose whose_branch(std::int64_t format_id, std::string_view gtrid, std::string_view bqual, std::string_view coordinator,
                   std::string_view participant) {
  if (format_id != kFormatId) return Whose::foreign;
  const auto transaction = parse_gtrid(gtrid);
  const auto branch = parse_bqual(bqual);
  if (!transaction || !branch) return Whose::foreign;
  if (transaction->coordinator != coordinator) return Whose::other_coordinator;
  return branch->participant == participant ? Whose::here : Whose::elsewhere;
}

}  // namespace assent::protocol
