#include "protocol/settle.hpp"

#include <span>

#include "base/check.hpp"
#include "protocol/settle_table.hpp"

namespace assent::protocol {
namespace {

using enum Finding;

constexpr auto kCommit = is(Decided::commit);
constexpr auto kRollback = is(Decided::rollback);
constexpr auto kOnePhase = is(Decided::one_phase);
constexpr auto kNotOwner = is_not(Reply::ok_owner);
constexpr auto kNotListed = is(Listed::no);
constexpr auto kMayBeListed = is(Listed::yes, Listed::not_read);
constexpr auto kOwnerCannotAct = is(Owner::gone, Owner::not_known);
constexpr auto kOwnerMayAct = is(Owner::alive, Owner::not_known);

// Every observation matches exactly one row; the order of the rows means nothing.
constexpr SettleRule kRules[] = {
    // decided   prepared    reply         listed        proof                                  owner            finding
    // Commit: the owner's own OK, or the row, is the proof.
    {kCommit, kAny, is(Reply::ok_owner), kAny, kAny, kAny, committed},
    {kCommit, kAny, kNotOwner, kAny, is(Proof::present), kAny, committed},
    {kCommit, kAny, kNotOwner, kMayBeListed, is_not(Proof::present), kAny, ambiguous},
    // A lock without a listing: held by a session that still lives, or lost by MariaDB until its restart.
    {kCommit, kAny, kNotOwner, kNotListed, is(Proof::locked, Proof::not_read), kAny, ambiguous},
    {kCommit, kAny, kNotOwner, kNotListed, is(Proof::absent, Proof::fenced, Proof::not_kept), is(Owner::alive),
     ambiguous},
    // It was prepared, so its row was there: without lock and row it was rolled back behind our back.
    {kCommit, kAny, kNotOwner, kNotListed, is(Proof::absent, Proof::fenced), kOwnerCannotAct, hazard},
    {kCommit, kAny, kNotOwner, kNotListed, is(Proof::not_kept), kOwnerCannotAct, unproven},

    // Rollback.
    {kRollback, kAny, is(Reply::ok_owner), kAny, kAny, kAny, rolled_back},
    // Somebody committed it by hand.
    {kRollback, kAny, kNotOwner, kAny, is(Proof::present), kAny, hazard},
    {kRollback, kAny, kNotOwner, kMayBeListed, is_not(Proof::present), kAny, ambiguous},
    {kRollback, kAny, kNotOwner, kNotListed, is(Proof::locked), kAny, ambiguous},
    {kRollback, kAny, kNotOwner, kNotListed, is(Proof::fenced), kAny, rolled_back},
    {kRollback, is(Prepared::known), kNotOwner, kNotListed, is(Proof::absent, Proof::not_read, Proof::not_kept), kAny,
     rolled_back},
    // Its prepare could still finish, unless the session that ran it is gone.
    {kRollback, is(Prepared::not_known), kNotOwner, kNotListed, is(Proof::absent, Proof::not_read, Proof::not_kept),
     is(Owner::gone), rolled_back},
    {kRollback, is(Prepared::not_known), kNotOwner, kNotListed, is(Proof::absent, Proof::not_read, Proof::not_kept),
     kOwnerMayAct, ambiguous},

    // One phase: never listed; only the row, or a fence in its place, tells.
    {kOnePhase, kAny, is(Reply::ok_owner), kAny, kAny, kAny, committed},
    {kOnePhase, kAny, kNotOwner, kAny, is(Proof::present), kAny, committed},
    {kOnePhase, kAny, kNotOwner, kAny, is(Proof::fenced), kAny, rolled_back},
    {kOnePhase, kAny, kNotOwner, kAny, is(Proof::absent, Proof::locked, Proof::not_read), kAny, ambiguous},
    {kOnePhase, kAny, kNotOwner, kNotListed, is(Proof::not_kept), is(Owner::gone), unproven},
    {kOnePhase, kAny, kNotOwner, kNotListed, is(Proof::not_kept), kOwnerMayAct, ambiguous},
    {kOnePhase, kAny, kNotOwner, kMayBeListed, is(Proof::not_kept), kAny, ambiguous},
};

}  // namespace

std::span<const SettleRule> settle_rules() noexcept {
  return kRules;
}

Finding judge(const Observation& seen) noexcept {
  for (const auto& rule : kRules) {
    if (rule.matches(seen)) return rule.finding;
  }
  ASSENT_CHECK(false && "every observation has a rule");
  return ambiguous;
}

}  // namespace assent::protocol
