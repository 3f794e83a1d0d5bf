#include "protocol/recovery.hpp"

#include "base/check.hpp"
#include "protocol/xid.hpp"

namespace assent::protocol {
namespace {

constexpr auto kHere = is(Whose::here);
constexpr auto kOfThisLog = is(Era::past, Era::current);

// Every listed branch matches exactly one row.
constexpr RecoveryRule kRules[] = {
    {is_not(Whose::here), kAny, kAny, kAny, Act::leave},
    {kHere, is(Known::live), kAny, kAny, Act::leave},
    {kHere, is(Known::decided), kAny, kAny, Act::commit},
    // Rolled back, and come back with its server's restart: one that was proven committed does not.
    {kHere, is(Known::closed), kAny, is(Protocol::three_phase), Act::roll_back},
    {kHere, is(Known::closed), kAny, is(Protocol::two_phase), Act::alarm},
    {kHere, is(Known::nothing), kOfThisLog, is(Protocol::two_phase), Act::roll_back},
    // No log is needed to learn what a quorum has decided, nor does an empty one say anything.
    {kHere, is(Known::nothing), is_not(Era::future), is(Protocol::three_phase), Act::await_quorum},
    {kHere, is(Known::nothing), is(Era::before_log), is(Protocol::two_phase), Act::alarm},
    {kHere, is(Known::nothing), is(Era::future), kAny, Act::alarm},
};

}  // namespace

std::span<const RecoveryRule> recovery_rules() noexcept {
  return kRules;
}

Act recovery_act(Whose whose, Known known, Era era, Protocol protocol) noexcept {
  for (const auto& rule : kRules) {
    if (rule.whose.has(whose) && rule.known.has(known) && rule.era.has(era) && rule.protocol.has(protocol)) {
      return rule.act;
    }
  }
  ASSENT_CHECK(false && "every listed branch has a rule");
  return Act::leave;
}

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
