// The rules of one transaction in three phases; what they share with two is in transaction_rules_test.cpp.

#include <gtest/gtest.h>

#include <algorithm>

#include "rules_driver.hpp"

namespace assent::protocol {
namespace {

using State = BranchRules::State;

class ThreePhaseRules : public ::testing::Test {
 protected:
  void feed(const Event& event) { driver_.feed(event); }
  template <typename Command>
  std::size_t count() const {
    return driver_.count<Command>();
  }
  std::size_t settles(Decided decided) const {
    const auto all = driver_.settles();
    return static_cast<std::size_t>(
        std::count_if(all.begin(), all.end(), [&](const auto& settle) { return settle.decided == decided; }));
  }
  void prepare_both() {
    feed(Voted{0, Voted::Kind::prepared});
    feed(Voted{1, Voted::Kind::prepared});
  }
  void settle_both(Finding finding) {
    feed(Settled{0, finding});
    feed(Settled{1, finding});
  }

  Driver driver_{begin(2, false, Protocol::three_phase)};
};

TEST_F(ThreePhaseRules, NothingIsCommittedBeforeTheQuorumHasDecided) {
  prepare_both();
  EXPECT_EQ(count<ForceDecision>(), 1U);
  feed(DecisionDurable{});
  EXPECT_EQ(driver_.rules().phase, Phase::pre_committing);
  EXPECT_EQ(count<PreCommit>(), 1U);
  EXPECT_EQ(count<Settle>(), 0U);
  EXPECT_FALSE(driver_.outcome());
  feed(QuorumDecided{Value::commit});
  EXPECT_EQ(settles(Decided::commit), 2U);
  settle_both(Finding::committed);
  EXPECT_EQ(driver_.outcome(), Outcome::committed);
  EXPECT_EQ(count<LogEnd>(), 1U);
}

TEST_F(ThreePhaseRules, OnceThePreCommitIsSentNothingButTheAcceptorsRollsBack) {
  prepare_both();
  feed(DecisionDurable{});
  feed(DeadlinePassed{});
  EXPECT_EQ(count<Settle>(), 0U);
  EXPECT_EQ(driver_.outcome(), Outcome::unknown);
  feed(Cancelled{});
  EXPECT_EQ(count<Settle>(), 0U);
  feed(RetryDue{0});
  EXPECT_EQ(count<Settle>(), 0U);
  EXPECT_EQ(driver_.rules().phase, Phase::pre_committing);
}

TEST_F(ThreePhaseRules, OutbidItLearnsWhatWasDecided) {
  prepare_both();
  feed(DecisionDurable{});
  feed(Outbid{});
  EXPECT_EQ(driver_.rules().phase, Phase::terminating);
  EXPECT_EQ(count<Terminate>(), 1U);
  feed(QuorumDecided{Value::rollback});
  EXPECT_EQ(settles(Decided::rollback), 2U);
  settle_both(Finding::rolled_back);
  EXPECT_EQ(driver_.outcome(), Outcome::rolled_back);
  // The log has the intention, and its key: both must go.
  EXPECT_EQ(count<LogRolledBack>(), 1U);
  EXPECT_EQ(count<Forget>(), 0U);
}

TEST_F(ThreePhaseRules, ADeadlineBeforeThePreCommitIsSentRollsBack) {
  prepare_both();
  feed(DeadlinePassed{});
  EXPECT_FALSE(driver_.outcome());
  feed(DecisionDurable{});
  EXPECT_EQ(count<PreCommit>(), 0U);
  EXPECT_EQ(settles(Decided::rollback), 2U);
  settle_both(Finding::rolled_back);
  EXPECT_EQ(count<LogRolledBack>(), 1U);
}

TEST_F(ThreePhaseRules, WhatTheLogBringsBackIsAskedAboutWhateverTheLogSays) {
  driver_ = Driver(resume_undecided({false, false}, {false, false}, true));
  EXPECT_EQ(driver_.rules().phase, Phase::terminating);
  feed(QuorumDecided{Value::commit});
  EXPECT_EQ(settles(Decided::commit), 2U);
  EXPECT_EQ(count<ForceDecision>(), 0U);
  settle_both(Finding::committed);
  EXPECT_EQ(driver_.outcome(), Outcome::committed);
  EXPECT_EQ(count<LogEnd>(), 1U);
}

TEST_F(ThreePhaseRules, OneThatNoLogKnowsIsLoggedBeforeItIsCommitted) {
  driver_ = Driver(resume_undecided({false, false}, {false, false}, false));
  feed(QuorumDecided{Value::commit});
  EXPECT_EQ(count<ForceDecision>(), 1U);
  EXPECT_EQ(count<Settle>(), 0U);
  feed(DecisionDurable{});
  EXPECT_EQ(settles(Decided::commit), 2U);
  EXPECT_EQ(count<PreCommit>(), 0U);
  for (const auto& branch : driver_.rules().branches) EXPECT_TRUE(branch.known_prepared);
}

TEST_F(ThreePhaseRules, AFullLogDoesNotUndoWhatTheAcceptorsHaveDecided) {
  driver_ = Driver(resume_undecided({false, false}, {false, false}, false));
  feed(QuorumDecided{Value::commit});
  feed(DecisionNotWritten{});
  EXPECT_EQ(settles(Decided::commit), 2U);
  settle_both(Finding::committed);
  EXPECT_EQ(count<Forget>(), 1U);
  EXPECT_EQ(count<LogEnd>(), 0U);
}

TEST_F(ThreePhaseRules, OneThatNobodyDecidedIsRolledBackAndNotTakenForPrepared) {
  driver_ = Driver(resume_undecided({false, false}, {false, false}, false));
  feed(QuorumDecided{Value::rollback});
  EXPECT_EQ(settles(Decided::rollback), 2U);
  // A branch of it may still be on its way to its prepare: it is to be fenced.
  for (const auto& branch : driver_.rules().branches) EXPECT_FALSE(branch.known_prepared);
  settle_both(Finding::rolled_back);
  EXPECT_EQ(count<Forget>(), 1U);
}

TEST_F(ThreePhaseRules, OneThatSomebodyElseHasClosedIsNotGivenAnOutcome) {
  driver_ = Driver(resume_undecided({false, false}, {false, false}, true));
  feed(OverElsewhere{});
  EXPECT_EQ(driver_.outcome(), Outcome::unknown);
  EXPECT_EQ(count<Forget>(), 1U);
  EXPECT_EQ(count<LogEnd>() + count<LogRolledBack>() + count<Settle>(), 0U);
}

TEST_F(ThreePhaseRules, StoppedBeforeThePreCommitIsSentItRollsBack) {
  prepare_both();
  feed(Cancelled{});
  feed(DecisionDurable{});
  EXPECT_EQ(count<PreCommit>(), 0U);
  EXPECT_EQ(settles(Decided::rollback), 2U);
}

TEST_F(ThreePhaseRules, ARefusalBeforeAllArePreparedRollsBackWithoutAskingAnybody) {
  feed(Voted{0, Voted::Kind::prepared});
  feed(Voted{1, Voted::Kind::refused});
  EXPECT_EQ(settles(Decided::rollback), 1U);
  feed(Settled{0, Finding::rolled_back});
  EXPECT_EQ(driver_.outcome(), Outcome::rolled_back);
  EXPECT_EQ(count<Forget>(), 1U);
}

}  // namespace
}  // namespace assent::protocol
