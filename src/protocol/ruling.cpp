#include "protocol/ruling.hpp"

#include <algorithm>
#include <vector>

#include "base/check.hpp"

namespace assent::protocol {
namespace {

constexpr auto kTwo = is(Protocol::two_phase);
constexpr auto kThree = is(Protocol::three_phase);
constexpr auto kNothing = is(Known::nothing);
constexpr auto kClosed = is(Known::closed);
constexpr auto kLeft = is(Known::nothing, Known::closed);
constexpr auto kOwn = is(Era::past, Era::current);
constexpr auto kLost = is(Era::lost);
constexpr auto kYes = is(Some::yes);
constexpr auto kNo = is(Some::no);
constexpr auto kNone = is(Proven::none);
constexpr auto kPart = is(Proven::some);
constexpr auto kWhole = is(Proven::all);
constexpr auto kUnchosen = is(Chosen::nothing);

// The columns: protocol, known, era, vouched, proven, prepared, missing, held, not_kept, unread, chosen, seen_to,
// quorum. Every piece of evidence matches exactly one row; the order of the rows means nothing.
// clang-format off
constexpr RulingRule kRules[] = {
    // Its coordinator is working on it, or its decision is known.
    {kAny, is(Known::running), kAny, kAny, kAny, kAny, kAny, kAny, kAny, kAny, kAny, kAny, kAny,
     {Ruling::running, Ground::alive}},
    {kAny, is(Known::rolling_back), kAny, kAny, kAny, kAny, kAny, kAny, kAny, kAny, kAny, kAny, kAny,
     {Ruling::roll_back, Ground::alive}},
    {kAny, is(Known::decided), kAny, kAny, kAny, kAny, kAny, kAny, kAny, kAny, kAny, kAny, kAny,
     {Ruling::commit, Ground::decided}},

    // Each of Assent's branches has a row from before its first statement. A branch without one was made by somebody who
    // knows what our names look like, and is no evidence.
    {kAny, kLeft, kAny, kNo, kAny, kAny, kAny, kAny, kAny, kAny, kAny, kAny, kAny, {Ruling::planted, Ground::no_row}},

    // A process of a later epoch than this log's knows more than this log does.
    {kAny, kLeft, is(Era::future), kYes, kAny, kAny, kAny, kAny, kAny, kAny, kAny, kAny, kAny,
     {Ruling::undecidable, Ground::other_log}},

    // Every branch was settled. A branch that is listed nevertheless was rolled back and has come back: one that was
    // proven committed does not. Where a sibling's proof still says that it was committed, that does not fit.
    {kAny, kClosed, is_not(Era::future), kYes, is_not(Proven::some), kAny, kAny, kAny, kAny, kAny, kAny, kAny, kAny,
     {Ruling::over, Ground::closed}},
    {kAny, kClosed, is_not(Era::future), kYes, kPart, kNo, kAny, kAny, kAny, kAny, kAny, kAny, kAny,
     {Ruling::over, Ground::closed}},
    {kAny, kClosed, is_not(Era::future), kYes, kPart, kYes, kAny, kAny, kAny, kAny, is(Chosen::commit), kAny, kAny,
     {Ruling::commit, Ground::chosen}},
    {kAny, kClosed, is_not(Era::future), kYes, kPart, kYes, kAny, kAny, kAny, kAny, is(Chosen::rollback), kAny, kAny,
     {Ruling::roll_back, Ground::chosen}},
    {kAny, kClosed, is_not(Era::future), kYes, kPart, kYes, kAny, kAny, kAny, kAny, kUnchosen, kYes, kAny,
     {Ruling::roll_back, Ground::seen_to}},
    {kAny, kClosed, is_not(Era::future), kYes, kPart, kYes, kAny, kAny, kAny, kAny, kUnchosen, kNo, kAny,
     {Ruling::contradicted, Ground::contradicted}},

    // Three phases: no log is needed to learn what a quorum has decided, nor does an empty one say anything.
    {kThree, kNothing, is_not(Era::future), kYes, kAny, kAny, kAny, kAny, kAny, kAny, kAny, kAny, is(Quorum::not_known),
     {Ruling::undecidable, Ground::no_members}},
    {kThree, kNothing, is_not(Era::future), kYes, kAny, kAny, kAny, kAny, kAny, kAny, kAny, kAny, is(Quorum::no_majority),
     {Ruling::undecidable, Ground::no_majority}},
    {kThree, kNothing, is_not(Era::future), kYes, kAny, kAny, kAny, kAny, kAny, kAny, kAny, kAny, is(Quorum::commit),
     {Ruling::commit, Ground::acceptors}},
    {kThree, kNothing, is_not(Era::future), kYes, kNone, kAny, kAny, kAny, kAny, kAny, is_not(Chosen::commit), kAny,
     is(Quorum::rollback), {Ruling::roll_back, Ground::acceptors}},
    // A branch is committed only once commit was decided. Where the acceptors know of no such decision, and a proof row
    // stands, somebody else has committed it, or they have lost what they had accepted. What an operator chose about that
    // binds, wherever the proof row is now: some of its branches may have followed it.
    {kThree, kNothing, is_not(Era::future), kYes, kWhole, kAny, kAny, kAny, kAny, kAny, is_not(Chosen::commit), kAny,
     is(Quorum::rollback), {Ruling::commit, Ground::proven}},
    {kThree, kNothing, is_not(Era::future), kYes, kAny, kAny, kAny, kAny, kAny, kAny, is(Chosen::commit), kAny,
     is(Quorum::rollback), {Ruling::commit, Ground::chosen}},
    {kThree, kNothing, is_not(Era::future), kYes, kPart, kAny, kAny, kAny, kAny, kAny, is(Chosen::rollback), kAny,
     is(Quorum::rollback), {Ruling::roll_back, Ground::acceptors}},
    {kThree, kNothing, is_not(Era::future), kYes, kPart, kAny, kAny, kAny, kAny, kAny, kUnchosen, kYes,
     is(Quorum::rollback), {Ruling::roll_back, Ground::acceptors}},
    {kThree, kNothing, is_not(Era::future), kYes, kPart, kAny, kAny, kAny, kAny, kAny, kUnchosen, kNo,
     is(Quorum::rollback), {Ruling::contradicted, Ground::contradicted}},
    {kThree, kNothing, is_not(Era::future), kYes, is_not(Proven::some), kAny, kAny, kAny, kAny, kAny, kAny, kAny,
     is(Quorum::over), {Ruling::over, Ground::closed}},
    {kThree, kNothing, is_not(Era::future), kYes, kPart, kNo, kAny, kAny, kAny, kAny, kAny, kAny, is(Quorum::over),
     {Ruling::over, Ground::closed}},
    {kThree, kNothing, is_not(Era::future), kYes, kPart, kYes, kAny, kAny, kAny, kAny, is(Chosen::commit), kAny,
     is(Quorum::over), {Ruling::commit, Ground::chosen}},
    {kThree, kNothing, is_not(Era::future), kYes, kPart, kYes, kAny, kAny, kAny, kAny, is(Chosen::rollback), kAny,
     is(Quorum::over), {Ruling::roll_back, Ground::chosen}},
    {kThree, kNothing, is_not(Era::future), kYes, kPart, kYes, kAny, kAny, kAny, kAny, kUnchosen, kYes,
     is(Quorum::over), {Ruling::roll_back, Ground::seen_to}},
    {kThree, kNothing, is_not(Era::future), kYes, kPart, kYes, kAny, kAny, kAny, kAny, kUnchosen, kNo,
     is(Quorum::over), {Ruling::contradicted, Ground::contradicted}},

    // Two phases, with the log, which is known to be whole: the fence has seen that it has all that its last owner
    // wrote. An operator's choice for one that it has no decision for binds: some of its branches may have followed it.
    {kTwo, kNothing, kOwn, kYes, kAny, kAny, kAny, kAny, kAny, kAny, is(Chosen::commit), kAny, kAny,
     {Ruling::commit, Ground::chosen}},
    {kTwo, kNothing, kOwn, kYes, kAny, kAny, kAny, kAny, kAny, kAny, is(Chosen::rollback), kAny, kAny,
     {Ruling::roll_back, Ground::chosen}},
    // Committed everywhere: in one phase, or it has ended, and its rows have not been deleted yet.
    {kTwo, kNothing, kOwn, kYes, kWhole, kAny, kAny, kAny, kAny, kAny, kUnchosen, kAny, kAny,
     {Ruling::commit, Ground::proven}},
    {kTwo, kNothing, kOwn, kYes, kPart, kNo, kNo, kNo, kAny, kNo, kUnchosen, kAny, kAny,
     {Ruling::commit, Ground::proven}},
    // The same, as far as was seen.
    {kTwo, kNothing, kOwn, kYes, kPart, kNo, kNo, kNo, kAny, kYes, kUnchosen, kAny, kAny,
     {Ruling::undecidable, Ground::not_all_seen}},
    // A decision stays in the log until every branch is proven: this one was never made, or not in this log.
    {kTwo, kNothing, kOwn, kYes, kPart, kYes, kAny, kAny, kAny, kAny, kUnchosen, kNo, kAny,
     {Ruling::contradicted, Ground::contradicted}},
    {kTwo, kNothing, kOwn, kYes, kPart, kNo, kYes, kAny, kAny, kAny, kUnchosen, kNo, kAny,
     {Ruling::contradicted, Ground::contradicted}},
    {kTwo, kNothing, kOwn, kYes, kPart, kNo, kNo, kYes, kAny, kAny, kUnchosen, kNo, kAny,
     {Ruling::contradicted, Ground::contradicted}},
    {kTwo, kNothing, kOwn, kYes, kPart, kYes, kAny, kAny, kAny, kAny, kUnchosen, kYes, kAny,
     {Ruling::roll_back, Ground::seen_to}},
    {kTwo, kNothing, kOwn, kYes, kPart, kNo, kYes, kAny, kAny, kAny, kUnchosen, kYes, kAny,
     {Ruling::roll_back, Ground::seen_to}},
    {kTwo, kNothing, kOwn, kYes, kPart, kNo, kNo, kYes, kAny, kAny, kUnchosen, kYes, kAny,
     {Ruling::roll_back, Ground::seen_to}},
    // Presumed abort. In an earlier epoch, a participant that cannot be read may hold a proof row, so nothing is ruled
    // before it can be read, unless it keeps none. In this process's own epoch none can hold one: see ruling.hpp.
    {kTwo, kNothing, is(Era::past), kYes, kNone, kAny, kAny, kAny, kAny, kNo, kUnchosen, kAny, kAny,
     {Ruling::roll_back, Ground::presumed}},
    {kTwo, kNothing, is(Era::past), kYes, kNone, kAny, kAny, kAny, kAny, kYes, kUnchosen, kAny, kAny,
     {Ruling::undecidable, Ground::not_all_seen}},
    {kTwo, kNothing, is(Era::current), kYes, kNone, kAny, kAny, kAny, kAny, kAny, kUnchosen, kAny, kAny,
     {Ruling::roll_back, Ground::presumed}},

    // Two phases, of a log before this one: nothing is presumed, and a choice binds as it does without the log. If
    // one branch is committed and another is gone, then the decision, whatever it was, was not carried out everywhere.
    {kTwo, kNothing, is(Era::before_log), kYes, kWhole, kAny, kAny, kAny, kAny, kAny, kAny, kAny, kAny,
     {Ruling::commit, Ground::proven}},
    {kTwo, kNothing, is(Era::before_log), kYes, is_not(Proven::all), kAny, kAny, kAny, kAny, kAny, is(Chosen::commit),
     kAny, kAny, {Ruling::commit, Ground::chosen}},
    {kTwo, kNothing, is(Era::before_log), kYes, is_not(Proven::all), kAny, kAny, kAny, kAny, kAny,
     is(Chosen::rollback), kAny, kAny, {Ruling::roll_back, Ground::chosen}},
    {kTwo, kNothing, is(Era::before_log), kYes, kPart, kNo, kYes, kAny, kAny, kAny, kUnchosen, kAny, kAny,
     {Ruling::commit, Ground::proven}},
    {kTwo, kNothing, is(Era::before_log), kYes, kPart, kNo, kNo, kAny, kAny, kAny, kUnchosen, kAny, kAny,
     {Ruling::undecidable, Ground::older_log}},
    {kTwo, kNothing, is(Era::before_log), kYes, kPart, kYes, kAny, kAny, kAny, kAny, kUnchosen, kAny, kAny,
     {Ruling::undecidable, Ground::older_log}},
    {kTwo, kNothing, is(Era::before_log), kYes, kNone, kAny, kAny, kAny, kAny, kAny, kUnchosen, kAny, kAny,
     {Ruling::undecidable, Ground::older_log}},

    // Two phases without the log. A commit is decided only when every branch is prepared, and shows only in rows. So a
    // row means commit, a branch that is neither prepared nor proven means rollback, and otherwise nothing is known. A
    // missing branch must be fenced before the others are rolled back because of it: its prepare may be on its way.
    // What an operator chose comes first: with the log it may have been about a proof row that no decision covers, and
    // some of its branches may have followed it.
    {kTwo, kNothing, kLost, kYes, kAny, kAny, kAny, kAny, kAny, kAny, is(Chosen::commit), kAny, kAny,
     {Ruling::commit, Ground::chosen}},
    {kTwo, kNothing, kLost, kYes, is_not(Proven::all), kAny, kAny, kAny, kAny, kAny, is(Chosen::rollback), kAny, kAny,
     {Ruling::roll_back, Ground::chosen}},
    {kTwo, kNothing, kLost, kYes, kWhole, kAny, kAny, kAny, kAny, kAny, is_not(Chosen::commit), kAny, kAny,
     {Ruling::commit, Ground::proven}},
    {kTwo, kNothing, kLost, kYes, kPart, kAny, kAny, kAny, kAny, kAny, kUnchosen, kAny, kAny,
     {Ruling::commit, Ground::proven}},
    {kTwo, kNothing, kLost, kYes, kNone, kAny, kYes, kAny, kAny, kAny, kUnchosen, kAny, kAny,
     {Ruling::roll_back, Ground::missing}},
    {kTwo, kNothing, kLost, kYes, kNone, kAny, kNo, kYes, kAny, kAny, kUnchosen, kAny, kAny,
     {Ruling::undecidable, Ground::not_all_seen}},
    {kTwo, kNothing, kLost, kYes, kNone, kAny, kNo, kNo, kYes, kAny, kUnchosen, kAny, kAny,
     {Ruling::undecidable, Ground::not_all_seen}},
    {kTwo, kNothing, kLost, kYes, kNone, kAny, kNo, kNo, kNo, kYes, kUnchosen, kAny, kAny,
     {Ruling::undecidable, Ground::not_all_seen}},
    {kTwo, kNothing, kLost, kYes, kNone, kAny, kNo, kNo, kNo, kNo, kUnchosen, kAny, kAny,
     {Ruling::undecidable, Ground::all_prepared}},
};
// clang-format on

constexpr auto kGone = is(Sight::fenced, Sight::absent);
constexpr auto kNotHere = is(Sight::prepared, Sight::held, Sight::unreachable);

// Every ruling and sight match exactly one row.
constexpr VerdictRule kVerdicts[] = {
    {is(Ruling::running), kAny, Verdict::running},
    {is(Ruling::planted), kAny, Verdict::foreign},

    {is(Ruling::commit), kNotHere, Verdict::will_commit},
    {is(Ruling::commit), is(Sight::proven), Verdict::committed},
    // It was prepared before the decision, so it had its row.
    {is(Ruling::commit), kGone, Verdict::hazard},
    {is(Ruling::commit), is(Sight::not_kept), Verdict::undecidable},

    {is(Ruling::roll_back), kNotHere, Verdict::will_roll_back},
    {is(Ruling::roll_back), is(Sight::proven), Verdict::hazard},
    {is(Ruling::roll_back), is(Sight::fenced, Sight::absent, Sight::not_kept), Verdict::rolled_back},

    {is(Ruling::undecidable), kNotHere, Verdict::undecidable},
    {is(Ruling::undecidable), is(Sight::proven), Verdict::committed},
    {is(Ruling::undecidable), kGone, Verdict::rolled_back},
    {is(Ruling::undecidable), is(Sight::not_kept), Verdict::undecidable},

    {is(Ruling::contradicted), kNotHere, Verdict::undecidable},
    {is(Ruling::contradicted), is(Sight::proven), Verdict::hazard},
    {is(Ruling::contradicted), kGone, Verdict::rolled_back},
    {is(Ruling::contradicted), is(Sight::not_kept), Verdict::undecidable},

    {is(Ruling::over), is(Sight::prepared, Sight::held), Verdict::will_roll_back},
    {is(Ruling::over), is(Sight::proven), Verdict::committed},
    // Settled, one way or the other.
    {is(Ruling::over), is(Sight::fenced, Sight::absent, Sight::not_kept, Sight::unreachable), Verdict::rolled_back},
};

Some some(bool yes) {
  return yes ? Some::yes : Some::no;
}

}  // namespace

void add_sights(Evidence& evidence, std::span<const Sight> branches) {
  const auto any = [&](auto... sights) {
    return some(std::any_of(branches.begin(), branches.end(), [&](Sight seen) { return ((seen == sights) || ...); }));
  };
  const auto proven = std::count(branches.begin(), branches.end(), Sight::proven);
  const bool whole = proven > 0 && static_cast<std::size_t>(proven) == branches.size();
  evidence.proven = whole ? Proven::all : proven > 0 ? Proven::some : Proven::none;
  evidence.prepared = any(Sight::prepared);
  evidence.missing = any(Sight::fenced, Sight::absent);
  evidence.held = any(Sight::held);
  evidence.not_kept = any(Sight::not_kept);
  evidence.unread = any(Sight::unreachable);
}

bool RulingRule::matches(const Evidence& seen) const {
  return protocol.has(seen.protocol) && known.has(seen.known) && era.has(seen.era) && vouched.has(seen.vouched) &&
         proven.has(seen.proven) && prepared.has(seen.prepared) && missing.has(seen.missing) && held.has(seen.held) &&
         not_kept.has(seen.not_kept) && unread.has(seen.unread) && chosen.has(seen.chosen) &&
         seen_to.has(seen.seen_to) && quorum.has(seen.quorum);
}

std::span<const RulingRule> ruling_rules() noexcept {
  return kRules;
}

Ruled rule(const Evidence& evidence) noexcept {
  for (const auto& one : kRules) {
    if (one.matches(evidence)) return one.then;
  }
  ASSENT_CHECK(false && "all evidence has a ruling");
  return {};
}

std::span<const VerdictRule> verdict_rules() noexcept {
  return kVerdicts;
}

Verdict verdict_of(Ruling ruling, Sight sight) noexcept {
  for (const auto& one : kVerdicts) {
    if (one.ruling.has(ruling) && one.sight.has(sight)) return one.verdict;
  }
  ASSENT_CHECK(false && "every sight has a verdict");
  return Verdict::undecidable;
}

Quorum quorum_of(std::size_t acceptors, std::span<const AcceptorSeen> read) {
  if (acceptors == 0 || acceptors > kAcceptorsMax) return Quorum::not_known;
  const auto proposal = step_all(terminate(acceptors, make_ballot(kRoundMax, ~std::uint64_t{0})), read);
  if (proposal.phase == Proposal::Phase::over) return Quorum::over;
  if (!proposal.chosen) return Quorum::no_majority;
  return proposal.value == Value::commit ? Quorum::commit : Quorum::rollback;
}

}  // namespace assent::protocol
