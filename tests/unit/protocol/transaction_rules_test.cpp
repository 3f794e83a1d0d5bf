#include <gtest/gtest.h>

#include "rules_driver.hpp"

namespace assent::protocol {
namespace {

using State = BranchRules::State;

Voted prepared(BranchIndex branch) {
  return {branch, Voted::Kind::prepared};
}
Voted refused(BranchIndex branch) {
  return {branch, Voted::Kind::refused};
}
Voted lost(BranchIndex branch) {
  return {branch, Voted::Kind::lost};
}

Driver decided(std::size_t branches) {
  Driver driver(begin(branches, false));
  for (BranchIndex i = 0; i < branches; ++i) driver.feed(prepared(i));
  return driver;
}

TEST(TwoPhase, TheDecisionIsForcedOnlyWhenAllHavePrepared) {
  Driver driver(begin(3, false));
  EXPECT_EQ(driver.feed(prepared(0)).count<ForceDecision>(), 0U);
  EXPECT_EQ(driver.feed(prepared(2)).count<ForceDecision>(), 0U);
  EXPECT_EQ(driver.feed(prepared(1)).count<ForceDecision>(), 1U);
  EXPECT_TRUE(driver.settles().empty());
}

TEST(TwoPhase, NothingCommitsBeforeTheDecisionIsDurable) {
  auto driver = decided(2);
  EXPECT_EQ(driver.rules().phase, Phase::deciding);
  driver.feed(DecisionDurable{});
  EXPECT_EQ(driver.settles(), (std::vector<Settle>{{0, Decided::commit, true}, {1, Decided::commit, true}}));
  EXPECT_FALSE(driver.outcome());
  driver.feed(Settled{0, Finding::committed});
  EXPECT_FALSE(driver.outcome());
  driver.feed(Settled{1, Finding::committed});
  EXPECT_EQ(driver.outcome(), Outcome::committed);
  EXPECT_TRUE(driver.told_settled());
  EXPECT_EQ(driver.count<LogEnd>(), 1U);
  EXPECT_EQ(driver.count<Forget>(), 0U) << "not before the end is in the log";
}

TEST(TwoPhase, OneRefusalRollsBackEveryOther) {
  Driver driver(begin(3, false));
  driver.feed(prepared(0)).feed(refused(1));
  EXPECT_EQ(driver.settles(), (std::vector<Settle>{{0, Decided::rollback, true}, {2, Decided::rollback, false}}));
  EXPECT_FALSE(driver.outcome());
  driver.feed(Settled{0, Finding::rolled_back}).feed(refused(2));
  EXPECT_EQ(driver.outcome(), Outcome::rolled_back);
  EXPECT_EQ(driver.rules().phase, Phase::ended);
  EXPECT_EQ(driver.count<LogEnd>(), 0U) << "presumed abort logs nothing";
  driver.feed(Settled{2, Finding::rolled_back});
}

TEST(TwoPhase, ALostVoteIsANo) {
  Driver driver(begin(2, false));
  driver.feed(prepared(0)).feed(lost(1));
  EXPECT_EQ(driver.settles(), (std::vector<Settle>{{0, Decided::rollback, true}, {1, Decided::rollback, false}}));
}

TEST(TwoPhase, TheDeadlineBeforeTheDecisionRollsBackAndAnswersAtOnce) {
  Driver driver(begin(2, false));
  driver.feed(prepared(0)).feed(DeadlinePassed{});
  EXPECT_EQ(driver.outcome(), Outcome::rolled_back);
  EXPECT_FALSE(driver.told_settled());
  EXPECT_EQ(driver.settles().size(), 2U);
}

TEST(TwoPhase, ThereIsNoDeadlineWhileTheDecisionIsOnItsWay) {
  auto driver = decided(2);
  driver.feed(DeadlinePassed{});
  EXPECT_FALSE(driver.outcome());
  EXPECT_TRUE(driver.settles().empty());
  driver.feed(DecisionDurable{});
  EXPECT_EQ(driver.outcome(), Outcome::committed);
  EXPECT_FALSE(driver.told_settled());
  EXPECT_EQ(driver.settles().size(), 2U);
}

TEST(TwoPhase, TheDeadlineAfterTheDecisionOnlyEndsTheWait) {
  auto driver = decided(2);
  driver.feed(DecisionDurable{}).feed(Settled{0, Finding::committed}).feed(DeadlinePassed{});
  EXPECT_EQ(driver.outcome(), Outcome::committed);
  EXPECT_FALSE(driver.told_settled());
  driver.feed(Settled{1, Finding::committed});
  EXPECT_EQ(driver.count<LogEnd>(), 1U);
}

TEST(TwoPhase, ACancelDoesNotUndoADecision) {
  auto driver = decided(2);
  driver.feed(Cancelled{});
  EXPECT_EQ(driver.rules().phase, Phase::deciding);
  driver.feed(DecisionDurable{}).feed(Cancelled{});
  EXPECT_EQ(driver.rules().phase, Phase::committing);
}

TEST(TwoPhase, ADecisionThatWasNotWrittenRollsBack) {
  auto driver = decided(2);
  driver.feed(DecisionNotWritten{});
  EXPECT_EQ(driver.settles(), (std::vector<Settle>{{0, Decided::rollback, true}, {1, Decided::rollback, true}}));
}

TEST(TwoPhase, AnIndeterminateDecisionFreezesEverything) {
  auto driver = decided(2);
  driver.feed(DecisionIndeterminate{});
  EXPECT_EQ(driver.outcome(), Outcome::unknown);
  EXPECT_TRUE(driver.settles().empty());
  driver.feed(DeadlinePassed{}).feed(Cancelled{}).feed(RetryDue{0});
  EXPECT_TRUE(driver.settles().empty());
  EXPECT_EQ(driver.rules().phase, Phase::frozen);
}

TEST(TwoPhase, AnAmbiguousCommitIsRetriedForEver) {
  auto driver = decided(2);
  driver.feed(DecisionDurable{}).feed(Settled{0, Finding::committed});
  for (int i = 0; i < 100; ++i) {
    driver.feed(Settled{1, Finding::ambiguous});
    EXPECT_EQ(driver.count<RetryLater>(), 1U);
    EXPECT_EQ(driver.count<LogEnd>(), 0U);
    driver.feed(RetryDue{1});
    EXPECT_EQ(driver.settles(), (std::vector<Settle>{{1, Decided::commit, true}}));
  }
  driver.feed(Settled{1, Finding::committed});
  EXPECT_EQ(driver.outcome(), Outcome::committed);
  EXPECT_EQ(driver.count<LogEnd>(), 1U);
}

TEST(TwoPhase, SettledBranchesAreLoggedOnlyOnceThereIsTrouble) {
  auto driver = decided(3);
  driver.feed(DecisionDurable{}).feed(Settled{0, Finding::committed});
  EXPECT_EQ(driver.count<LogSettled>(), 0U);
  driver.feed(Settled{1, Finding::ambiguous});
  EXPECT_EQ(driver.count<LogSettled>(), 1U);
  driver.feed(Settled{2, Finding::committed});
  EXPECT_EQ(driver.count<LogSettled>(), 1U);
}

TEST(TwoPhase, AHazardIsNeverToldAsCommittedAndIsRetriedUntilProven) {
  auto driver = decided(2);
  driver.feed(DecisionDurable{}).feed(Settled{0, Finding::hazard});
  EXPECT_EQ(driver.count<LogHazard>(), 1U);
  EXPECT_EQ(driver.count<RetryLater>(), 1U);
  driver.feed(Settled{1, Finding::committed});
  EXPECT_EQ(driver.outcome(), Outcome::unknown);
  EXPECT_EQ(driver.count<LogEnd>(), 0U);
  driver.feed(RetryDue{0}).feed(Settled{0, Finding::ambiguous});
  EXPECT_EQ(driver.rules().branches[0].state, State::hazard) << "doubt does not clear a hazard";
  driver.feed(RetryDue{0}).feed(Settled{0, Finding::hazard});
  EXPECT_EQ(driver.count<LogHazard>(), 0U) << "logged once";
  driver.feed(RetryDue{0}).feed(Settled{0, Finding::committed});
  EXPECT_EQ(driver.count<LogEnd>(), 1U);
}

TEST(TwoPhase, AHazardIsNotToldAsCommittedAtTheDeadlineEither) {
  auto driver = decided(2);
  driver.feed(DecisionDurable{}).feed(Settled{0, Finding::hazard}).feed(DeadlinePassed{});
  EXPECT_EQ(driver.outcome(), Outcome::unknown);
}

TEST(TwoPhase, ARollbackCommittedByHandIsNotToldAsRolledBack) {
  Driver driver(begin(2, false));
  driver.feed(refused(0)).feed(lost(1)).feed(Settled{1, Finding::hazard});
  EXPECT_EQ(driver.count<LogHazard>(), 1U);
  EXPECT_EQ(driver.count<Forget>(), 0U) << "it stays, to be seen";
  EXPECT_EQ(driver.outcome(), Outcome::unknown);
}

TEST(TwoPhase, AnAcknowledgedHazardEndsItAndIsStillNotToldAsCommitted) {
  auto driver = decided(2);
  driver.feed(DecisionDurable{}).feed(Settled{0, Finding::hazard}).feed(Acknowledged{0});
  EXPECT_EQ(driver.rules().branches[0].state, State::acknowledged);
  EXPECT_EQ(driver.count<LogEnd>(), 0U) << "the other branch is not settled yet";
  driver.feed(Settled{1, Finding::committed});
  EXPECT_EQ(driver.outcome(), Outcome::unknown);
  EXPECT_EQ(driver.count<LogEnd>(), 1U);
  // Its settling comes late.
  driver.feed(Settled{0, Finding::hazard}).feed(RetryDue{0});
  EXPECT_EQ(driver.count<LogHazard>(), 0U);
  EXPECT_TRUE(driver.settles().empty());
}

TEST(TwoPhase, AnAcknowledgedContradictionOfARollbackEndsIt) {
  Driver driver(begin(2, false));
  driver.feed(refused(0)).feed(lost(1)).feed(Settled{1, Finding::hazard}).feed(Acknowledged{1});
  EXPECT_EQ(driver.count<Forget>(), 1U);
  EXPECT_EQ(driver.outcome(), Outcome::unknown);
}

TEST(TwoPhase, OnlyAHazardCanBeAcknowledged) {
  auto driver = decided(2);
  driver.feed(DecisionDurable{}).feed(Acknowledged{0});
  EXPECT_EQ(driver.rules().branches[0].state, State::prepared);
  driver.feed(Settled{0, Finding::committed}).feed(Settled{1, Finding::committed});
  EXPECT_EQ(driver.outcome(), Outcome::committed);
}

TEST(TwoPhase, ABranchAcknowledgedBeforeTheStartStaysSo) {
  Driver driver(resume_decided({false, false}, {false, false}, {true, false}));
  driver.feed(RetryDue{0}).feed(RetryDue{1});
  EXPECT_EQ(driver.settles(), (std::vector<Settle>{{1, Decided::commit, true}}));
  driver.feed(Settled{1, Finding::committed});
  EXPECT_EQ(driver.count<LogEnd>(), 1U);
}

TEST(TwoPhase, AtMostOneSettlingPerBranchIsUnderWay) {
  Driver driver(begin(2, false));
  driver.feed(prepared(0)).feed(DeadlinePassed{});
  EXPECT_EQ(driver.settles().size(), 2U);
  driver.feed(refused(1));
  EXPECT_TRUE(driver.settles().empty());
  driver.feed(RetryDue{0});
  EXPECT_TRUE(driver.settles().empty());
}

TEST(OnePhase, TheParticipantsAnswerIsTheOutcome) {
  Driver yes(begin(1, true));
  yes.feed(Voted{0, Voted::Kind::committed});
  EXPECT_EQ(yes.outcome(), Outcome::committed);
  EXPECT_EQ(yes.count<Forget>(), 1U);
  Driver no(begin(1, true));
  no.feed(refused(0));
  EXPECT_EQ(no.outcome(), Outcome::rolled_back);
}

TEST(OnePhase, ALostAnswerIsLookedUp) {
  Driver driver(begin(1, true));
  driver.feed(lost(0));
  EXPECT_EQ(driver.settles(), (std::vector<Settle>{{0, Decided::one_phase, false}}));
  driver.feed(Settled{0, Finding::ambiguous}).feed(RetryDue{0}).feed(Settled{0, Finding::committed});
  EXPECT_EQ(driver.outcome(), Outcome::committed);
}

TEST(OnePhase, WhatCannotBeProvenIsUnknown) {
  Driver driver(begin(1, true));
  driver.feed(lost(0)).feed(Settled{0, Finding::unproven});
  EXPECT_EQ(driver.outcome(), Outcome::unknown);
}

TEST(OnePhase, TheDeadlineFencesInsteadOfGuessing) {
  Driver driver(begin(1, true));
  driver.feed(DeadlinePassed{});
  EXPECT_FALSE(driver.outcome());
  EXPECT_EQ(driver.settles(), (std::vector<Settle>{{0, Decided::one_phase, false}}));
  driver.feed(lost(0)).feed(Settled{0, Finding::ambiguous});
  EXPECT_EQ(driver.outcome(), Outcome::unknown);
  driver.feed(RetryDue{0}).feed(Settled{0, Finding::rolled_back});
  EXPECT_EQ(driver.rules().phase, Phase::ended);
}

TEST(Resume, ADecisionFromTheLogIsOnlyEverCommitted) {
  Driver driver(resume_decided({false, true, false}, {false, false, true}));
  EXPECT_EQ(driver.rules().branches[1].state, State::committed);
  driver.feed(RetryDue{0});
  EXPECT_EQ(driver.settles(), (std::vector<Settle>{{0, Decided::commit, true}}));
  driver.feed(RetryDue{1});
  EXPECT_TRUE(driver.settles().empty());
  driver.feed(Settled{0, Finding::committed});
  EXPECT_EQ(driver.count<LogSettled>(), 1U);
  driver.feed(RetryDue{2}).feed(Settled{2, Finding::committed});
  EXPECT_EQ(driver.count<LogEnd>(), 1U);
  EXPECT_FALSE(driver.outcome()) << "nobody is left to be told";
}

Driver resumed_after_a_lost_log() {
  return Driver(resume_decided({false, false}, {false, false}, {}, true));
}

TEST(Resume, WhatAnotherLogMayHaveRolledBackIsCarriedOutAndToldOnceAllIsProven) {
  auto driver = resumed_after_a_lost_log();
  driver.feed(RetryDue{0});
  EXPECT_EQ(driver.settles(), (std::vector<Settle>{{0, Decided::commit, true}}));
  driver.feed(Settled{0, Finding::committed});
  EXPECT_FALSE(driver.outcome());
  driver.feed(RetryDue{1}).feed(Settled{1, Finding::ambiguous});
  EXPECT_FALSE(driver.outcome());
  driver.feed(Settled{1, Finding::committed});
  EXPECT_EQ(driver.outcome(), Outcome::committed);
  EXPECT_TRUE(driver.told_settled());
  EXPECT_EQ(driver.count<LogEnd>(), 1U);
}

TEST(Resume, UntilThenItIsUnknownToWhoeverWaitsNoLonger) {
  for (const Event& event : {Event{DeadlinePassed{}}, Event{Cancelled{}}}) {
    auto driver = resumed_after_a_lost_log();
    driver.feed(Settled{0, Finding::committed}).feed(event);
    EXPECT_EQ(driver.outcome(), Outcome::unknown);
    driver.feed(RetryDue{1});
    EXPECT_EQ(driver.settles(), (std::vector<Settle>{{1, Decided::commit, true}})) << "it is carried out as ever";
    driver.feed(Settled{1, Finding::committed});
    EXPECT_EQ(driver.count<LogEnd>(), 1U);
  }
}

TEST(Resume, WhatAnotherLogMayHaveRolledBackIsAHazardWhereItIsNotProven) {
  for (const auto finding : {Finding::hazard, Finding::unproven}) {
    auto driver = resumed_after_a_lost_log();
    driver.feed(Settled{0, Finding::committed}).feed(Settled{1, finding});
    EXPECT_EQ(driver.count<LogHazard>(), 1U);
    EXPECT_EQ(driver.outcome(), Outcome::unknown);
    driver.feed(Acknowledged{1});
    EXPECT_EQ(driver.count<LogEnd>(), 1U);
  }
}

TEST(RulesDeathTest, AVoteWithoutABranchIsABrokenInvariant) {
  EXPECT_DEATH((void)step(begin(2, false), prepared(2)), "broken invariant");
  EXPECT_DEATH((void)step(begin(2, false), DecisionDurable{}), "broken invariant");
}

}  // namespace
}  // namespace assent::protocol
