#include "coordinator/rulings.hpp"

#include <gtest/gtest.h>

#include <array>
#include <map>

#include "protocol/xid.hpp"

namespace assent::coordinator {
namespace {

using ports::HazardKind;
using protocol::Era;
using protocol::Ground;
using protocol::Known;
using protocol::Quorum;
using protocol::Ruling;
using protocol::Sight;
using protocol::Some;
using protocol::Value;

constexpr std::array kSights{Sight::prepared, Sight::held,     Sight::proven,     Sight::fenced,
                             Sight::absent,   Sight::not_kept, Sight::unreachable};

/// Knows the same of everything.
class Same final : public Knowledge {
 public:
  Same(Known known, Era era, std::map<std::uint16_t, HazardKind> seen_to = {})
      : known_(known), era_(era), seen_to_(std::move(seen_to)) {}
  Known known(const std::string&) const override { return known_; }
  Era era(std::uint32_t) const override { return era_; }
  bool is_alive(const std::string&) const override { return false; }
  std::vector<ports::LiveDecision> decisions() const override { return {}; }
  std::vector<Hazard> hazards() const override { return {}; }
  std::optional<HazardKind> kind_open(const std::string&, std::uint16_t) const override { return std::nullopt; }
  std::optional<HazardKind> kind_seen_to(const std::string&, std::uint16_t branch) const override {
    const auto found = seen_to_.find(branch);
    return found == seen_to_.end() ? std::nullopt : std::optional(found->second);
  }
  std::uint32_t rows_left_below_epoch() const override { return 0; }

 private:
  const Known known_;
  const Era era_;
  const std::map<std::uint16_t, HazardKind> seen_to_;
};

SeenTransaction seen(Protocol protocol, const std::vector<Sight>& sights) {
  SeenTransaction one;
  one.gtrid = protocol::format_gtrid({"shop1", 3, 1, 9, protocol});
  one.protocol = protocol;
  one.vouched = true;
  one.all_read = true;
  for (const auto sight : sights) {
    const auto number = static_cast<std::uint16_t>(one.branches.size() + 1);
    const auto name = "p" + std::to_string(number);
    one.members.participants.push_back(name);
    one.branches.push_back({.participant = name,
                            .number = number,
                            .xid = std::nullopt,
                            .sight = sight,
                            .listed_at = name,
                            .verdict = Verdict::undecidable,
                            .reason = {}});
  }
  return one;
}

SeenTransaction ruled(SeenTransaction one, const Knowledge* knowledge, bool others_are_lost = false) {
  rule_on(one, knowledge, others_are_lost);
  return one;
}

TEST(RuleOn, EveryPairOfSightsHasARulingAReasonAndAVerdictForEachBranch) {
  for (const auto known : {Known::nothing, Known::running, Known::rolling_back, Known::decided, Known::closed}) {
    for (const auto era : {Era::before_log, Era::past, Era::current, Era::future}) {
      for (const auto protocol : {Protocol::two_phase, Protocol::three_phase}) {
        for (const auto first : kSights) {
          for (const auto second : kSights) {
            const Same knowledge(known, era);
            const auto one = ruled(seen(protocol, {first, second}), &knowledge);
            EXPECT_EQ(one.ruled, protocol::rule(evidence_of(seen(protocol, {first, second}), &knowledge, false)));
            EXPECT_FALSE(one.why.empty());
            for (const auto& branch : one.branches) {
              EXPECT_FALSE(branch.reason.empty());
              EXPECT_EQ(branch.verdict, protocol::verdict_of(one.ruled.ruling, branch.sight));
            }
          }
        }
      }
    }
  }
}

TEST(RuleOn, OfAnEarlierEpochASiblingThatCannotBeReadIsWaitedForAndSaidSo) {
  const Same past(Known::nothing, Era::past);
  const auto waits = ruled(seen(Protocol::two_phase, {Sight::prepared, Sight::unreachable}), &past);
  EXPECT_EQ(waits.ruled, (protocol::Ruled{Ruling::undecidable, Ground::not_all_seen}));
  EXPECT_TRUE(waits.to_settle().empty());
  EXPECT_NE(waits.branches[0].reason.find("'p2'"), std::string::npos) << waits.branches[0].reason;
  const Same current(Known::nothing, Era::current);
  EXPECT_EQ(ruled(seen(Protocol::two_phase, {Sight::prepared, Sight::unreachable}), &current).ruled.ruling,
            Ruling::roll_back);
}

TEST(RuleOn, AProofWithoutADecisionIsAHazardAndItsSiblingsWait) {
  const Same past(Known::nothing, Era::past);
  const auto one = ruled(seen(Protocol::two_phase, {Sight::proven, Sight::prepared}), &past);
  EXPECT_EQ(one.branches[0].verdict, Verdict::hazard);
  EXPECT_EQ(one.branches[1].verdict, Verdict::undecidable);
  EXPECT_TRUE(one.is_left());
}

TEST(RuleOn, OnceItsHazardIsAcknowledgedTheRestIsRolledBack) {
  const Same past(Known::nothing, Era::past, {{1, HazardKind::committed_against}});
  const auto one = ruled(seen(Protocol::two_phase, {Sight::proven, Sight::prepared}), &past);
  ASSERT_EQ(one.branches.size(), 1U) << "nothing is to be said of the other any more";
  EXPECT_EQ(one.branches[0].verdict, Verdict::will_roll_back);
  const auto over = ruled(seen(Protocol::two_phase, {Sight::proven, Sight::absent}), &past);
  EXPECT_FALSE(over.is_left());
}

TEST(RuleOn, AnOperatorsCommitCommitsTheRest) {
  const Same past(Known::nothing, Era::past);
  auto one = seen(Protocol::two_phase, {Sight::proven, Sight::prepared});
  one.choices["p2"] = {Value::commit, "ada", "paid", 0};
  EXPECT_EQ(ruled(one, &past).branches[1].verdict, Verdict::will_commit);
}

TEST(RuleOn, WhatHasEndedIsNoHazardWhereItsRowsAreHalfGone) {
  const Same past(Known::nothing, Era::past);
  auto one = seen(Protocol::two_phase, {Sight::proven, Sight::absent});
  EXPECT_TRUE(ruled(one, &past).is_left());
  one.closed = true;
  EXPECT_FALSE(ruled(one, &past).is_left());
  one.has_hazard = true;
  EXPECT_TRUE(ruled(one, &past).is_left()) << "an open hazard is younger than what was said of all below a bound";
}

TEST(RuleOn, TheProofRowOfASingleBranchIsItsDecisionWhateverElseIsSaid) {
  const Same past(Known::nothing, Era::past);
  auto three = seen(Protocol::three_phase, {Sight::proven});
  three.members.acceptors = {"p1", "p2", "p3"};
  three.acceptors = {{0, false, {}}, {1, false, {}}, {2, false, {}}};
  EXPECT_EQ(ruled(three, &past).ruled, (protocol::Ruled{Ruling::commit, Ground::decided})) << "no acceptor was asked";
  EXPECT_FALSE(ruled(three, &past).is_left());
  auto two = seen(Protocol::two_phase, {Sight::proven});
  two.choices["p1"] = {Value::rollback, "ada", "not paid", 0};
  EXPECT_EQ(ruled(two, &past).ruled, (protocol::Ruled{Ruling::commit, Ground::decided}));
  EXPECT_FALSE(ruled(two, &past).is_left());
  // One of several that are not known is not a single one.
  three.members.participants.clear();
  EXPECT_NE(ruled(three, &past).ruled.ground, Ground::decided);
}

TEST(RuleOn, AnAcknowledgedLossOfABranchShowsThatItWasDecided) {
  const Same past(Known::nothing, Era::past, {{2, HazardKind::lost}});
  for (const auto missing : {Sight::absent, Sight::fenced}) {
    const auto one = ruled(seen(Protocol::two_phase, {Sight::prepared, missing}), &past);
    EXPECT_EQ(one.ruled, (protocol::Ruled{Ruling::commit, Ground::decided}));
    ASSERT_EQ(one.branches.size(), 1U) << "nothing is to be said of the other any more";
    EXPECT_EQ(one.branches[0].verdict, Verdict::will_commit);
    EXPECT_FALSE(ruled(seen(Protocol::two_phase, {Sight::proven, missing}), &past).is_left());
  }
  const auto back = ruled(seen(Protocol::two_phase, {Sight::absent, Sight::prepared}), &past);
  EXPECT_EQ(back.ruled.ruling, Ruling::roll_back) << "acknowledged where it is not missing";
}

TEST(RuleOn, AnAcknowledgedCommitByHandShowsNoDecisionWhenItsRowIsGone) {
  const Same past(Known::nothing, Era::past, {{2, HazardKind::committed_against}});
  for (const auto missing : {Sight::absent, Sight::fenced}) {
    const auto one = ruled(seen(Protocol::two_phase, {Sight::prepared, missing}), &past);
    EXPECT_EQ(one.ruled, (protocol::Ruled{Ruling::roll_back, Ground::presumed}));
    ASSERT_EQ(one.branches.size(), 2U);
    EXPECT_EQ(one.branches[0].verdict, Verdict::will_roll_back);
    EXPECT_EQ(one.branches[1].verdict, Verdict::rolled_back);
    auto three = seen(Protocol::three_phase, {Sight::prepared, missing});
    three.members.acceptors = {"p1", "p2", "p3"};
    EXPECT_NE(ruled(three, &past).ruled.ruling, Ruling::commit);
  }
}

TEST(RuleOn, ClosedIsClosedWhateverAnAcknowledgementSaysThatOutlivedItsRows) {
  const Same past(Known::nothing, Era::past, {{2, HazardKind::lost}});
  auto one = seen(Protocol::two_phase, {Sight::prepared, Sight::absent});
  one.closed = true;
  const auto back = ruled(one, &past);
  EXPECT_EQ(back.ruled, (protocol::Ruled{Ruling::over, Ground::closed}));
  ASSERT_EQ(back.branches.size(), 1U);
  EXPECT_EQ(back.branches[0].verdict, Verdict::will_roll_back);
}

TEST(RuleOn, CommittedEverywhereNothingIsLeft) {
  const Same past(Known::nothing, Era::past);
  EXPECT_FALSE(ruled(seen(Protocol::two_phase, {Sight::proven, Sight::proven}), &past).is_left());
  const auto half_seen = ruled(seen(Protocol::two_phase, {Sight::proven, Sight::unreachable}), &past);
  EXPECT_EQ(half_seen.ruled, (protocol::Ruled{Ruling::undecidable, Ground::not_all_seen}))
      << "the one that cannot be read may have been rolled back";
  EXPECT_TRUE(half_seen.is_left());
  EXPECT_FALSE(half_seen.is_left_here());
}

TEST(RuleOn, AHiddenBranchIsLeft) {
  const Same past(Known::nothing, Era::past);
  EXPECT_TRUE(ruled(seen(Protocol::two_phase, {Sight::held, Sight::absent}), &past).is_left());
}

TEST(RuleOn, APlantedBranchIsForeign) {
  const Same past(Known::nothing, Era::past);
  for (const auto protocol : {Protocol::two_phase, Protocol::three_phase}) {
    auto one = seen(protocol, {Sight::prepared});
    one.vouched = false;
    EXPECT_EQ(ruled(one, &past).branches[0].verdict, Verdict::foreign);
    EXPECT_EQ(ruled(one, nullptr).branches[0].verdict, Verdict::foreign);
    EXPECT_TRUE(ruled(one, nullptr).to_settle().empty());
  }
}

TEST(RuleOn, ADecisionCommitsTwoPhasesAndDecidesNothingInThree) {
  const Same nothing(Known::nothing, Era::past);
  auto two = seen(Protocol::two_phase, {Sight::prepared});
  two.decision = ports::LiveDecision{};
  EXPECT_EQ(ruled(two, &nothing).ruled.ruling, Ruling::commit);
  auto three = seen(Protocol::three_phase, {Sight::prepared});
  three.decision = ports::LiveDecision{};
  three.members.acceptors = {"p1", "p2", "p3"};
  three.acceptors = {{0, false, {}}, {1, false, {}}};
  EXPECT_EQ(ruled(three, &nothing).ruled.ruling, Ruling::roll_back) << "an intention that no acceptor has heard of";
}

TEST(RuleOn, InThreePhasesClosedIsClosedWhateverAStaleRowSays) {
  const Same past(Known::nothing, Era::past);
  auto one = seen(Protocol::three_phase, {Sight::absent, Sight::prepared});
  one.members.acceptors = {"p1", "p2", "p3"};
  one.acceptors = {{0, true, {}}, {1, true, {}}, {2, false, protocol::Accepted{0, Value::commit}}};
  one.closed = true;
  const auto back = ruled(one, &past);
  EXPECT_EQ(back.ruled.ruling, Ruling::over);
  ASSERT_EQ(back.branches.size(), 1U) << "no hazard at the sibling";
  EXPECT_EQ(back.branches[0].verdict, Verdict::will_roll_back);
}

TEST(RuleOn, WithoutTheLogAMemberThatIsNotKnownKeepsItUndecidable) {
  auto one = seen(Protocol::two_phase, {Sight::prepared});
  one.members = {};
  EXPECT_EQ(ruled(one, nullptr).ruled, (protocol::Ruled{Ruling::undecidable, Ground::not_all_seen}));
}

TEST(RuleOn, ChoicesThatContradictEachOtherDecideNothing) {
  auto one = seen(Protocol::two_phase, {Sight::prepared, Sight::prepared});
  one.choices["p1"] = {Value::commit, "ada", "paid", 0};
  EXPECT_EQ(ruled(one, nullptr).ruled.ruling, Ruling::commit);
  one.choices["p2"] = {Value::rollback, "bob", "not paid", 0};
  const auto both = ruled(one, nullptr);
  EXPECT_EQ(both.ruled.ruling, Ruling::undecidable);
  EXPECT_NE(both.why.find("differently"), std::string::npos);
}

TEST(RuleOn, WithOthersLostOnlyWhatThisLogHasNotSeenIsJudgedWithoutIt) {
  const Same older(Known::nothing, Era::before_log);
  const auto two = seen(Protocol::two_phase, {Sight::prepared, Sight::absent});
  EXPECT_EQ(ruled(two, &older).ruled.ground, Ground::older_log);
  EXPECT_EQ(ruled(two, &older, true).ruled.ground, Ground::missing);
  const Same past(Known::nothing, Era::past);
  EXPECT_FALSE(ruled(two, &past, true).without_log);
  EXPECT_TRUE(ruled(seen(Protocol::three_phase, {Sight::prepared}), &past, true).without_log);
}

}  // namespace
}  // namespace assent::coordinator
