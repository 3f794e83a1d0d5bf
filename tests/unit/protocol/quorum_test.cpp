#include "protocol/quorum.hpp"

#include <gtest/gtest.h>

namespace assent::protocol {
namespace {

using Phase = Proposal::Phase;

TEST(Acceptor, AcceptsTheCoordinatorUntilSomebodyElseHasAPromise) {
  AcceptorRow row;
  EXPECT_TRUE(accept(row, kCoordinatorsBallot, Value::commit));
  EXPECT_EQ(row.accepted, (Accepted{0, Value::commit}));
  EXPECT_TRUE(accept(row, kCoordinatorsBallot, Value::commit));
  EXPECT_TRUE(promise(row, 3));
  EXPECT_FALSE(accept(row, kCoordinatorsBallot, Value::commit));
  EXPECT_EQ(row, (AcceptorRow{3, Accepted{0, Value::commit}}));
}

TEST(Acceptor, PromisesAgainAndHigherAndNeverLower) {
  AcceptorRow row;
  EXPECT_TRUE(promise(row, 3));
  EXPECT_TRUE(promise(row, 3));
  EXPECT_FALSE(promise(row, 2));
  EXPECT_FALSE(accept(row, 2, Value::rollback));
  EXPECT_TRUE(accept(row, 5, Value::rollback));
  EXPECT_FALSE(promise(row, 4));
  EXPECT_EQ(row, (AcceptorRow{5, Accepted{5, Value::rollback}}));
}

TEST(Quorum, AMajorityIsMoreThanHalf) {
  EXPECT_EQ(majority_of(1), 1U);
  EXPECT_EQ(majority_of(2), 2U);
  EXPECT_EQ(majority_of(3), 2U);
  EXPECT_EQ(majority_of(4), 3U);
  EXPECT_EQ(majority_of(5), 3U);
}

TEST(Quorum, PreCommitIsDecidedByAMajorityAndAnAnswerCountsOnce) {
  auto proposal = pre_commit(3);
  EXPECT_TRUE(asks(proposal, 0));
  proposal = step(proposal, AcceptedBy{0});
  EXPECT_FALSE(asks(proposal, 0));
  proposal = step(proposal, AcceptedBy{0});
  EXPECT_EQ(proposal.phase, Phase::accepting);
  proposal = step(proposal, AcceptedBy{2});
  EXPECT_EQ(proposal.phase, Phase::decided);
  EXPECT_EQ(proposal.value, Value::commit);
  EXPECT_FALSE(asks(proposal, 1));
  EXPECT_EQ(step(proposal, Refused{1, 9}).phase, Phase::decided);
}

TEST(Quorum, ARefusalEndsItOnlyOnceNoMajorityIsLeft) {
  auto proposal = step(pre_commit(3), Refused{0, 4});
  EXPECT_EQ(proposal.phase, Phase::accepting);
  EXPECT_FALSE(asks(proposal, 0));
  const auto outbid = step(proposal, Refused{1, 7});
  EXPECT_EQ(outbid.phase, Phase::outbid);
  EXPECT_EQ(outbid.outbid_by, 7U);
  EXPECT_FALSE(asks(outbid, 2));
  proposal = step(step(proposal, AcceptedBy{1}), AcceptedBy{2});
  EXPECT_EQ(proposal.phase, Phase::decided);
  EXPECT_EQ(step(pre_commit(2), Refused{0, 4}).phase, Phase::outbid);
}

TEST(Quorum, WithNothingAcceptedATerminationRollsBack) {
  auto proposal = terminate(3, 5);
  proposal = step(proposal, Promised{1, std::nullopt});
  EXPECT_EQ(proposal.phase, Phase::promising);
  proposal = step(proposal, Promised{2, std::nullopt});
  EXPECT_EQ(proposal.phase, Phase::accepting);
  EXPECT_EQ(proposal.value, Value::rollback);
  EXPECT_TRUE(asks(proposal, 1));
  // Late, and of the phase before.
  EXPECT_EQ(step(proposal, Promised{0, Accepted{0, Value::commit}}), proposal);
  proposal = step(step(proposal, AcceptedBy{0}), AcceptedBy{1});
  EXPECT_EQ(proposal.phase, Phase::decided);
  EXPECT_EQ(proposal.value, Value::rollback);
}

TEST(Quorum, WhatWasAcceptedAtTheHighestBallotBinds) {
  auto proposal = terminate(5, 9);
  proposal = step(proposal, Promised{0, Accepted{0, Value::commit}});
  proposal = step(proposal, Promised{1, Accepted{4, Value::rollback}});
  proposal = step(proposal, Promised{2, Accepted{2, Value::commit}});
  EXPECT_EQ(proposal.phase, Phase::accepting);
  EXPECT_EQ(proposal.value, Value::rollback);
  auto one = terminate(3, 9);
  one = step(step(one, Promised{0, std::nullopt}), Promised{1, Accepted{0, Value::commit}});
  EXPECT_EQ(one.value, Value::commit);
}

TEST(Quorum, OneThatHasClosedItSaysNothingByItself) {
  // It may have had no part in what the others accepted.
  auto proposal = step(terminate(3, 9), Closed{2});
  EXPECT_EQ(proposal.phase, Phase::promising);
  EXPECT_FALSE(asks(proposal, 2));
  proposal = step(proposal, Promised{0, Accepted{0, Value::commit}});
  proposal = step(proposal, Promised{1, std::nullopt});
  EXPECT_EQ(proposal.phase, Phase::over) << "a majority has nothing, and one of them has closed it";
  proposal = step(terminate(3, 9), Promised{0, Accepted{0, Value::commit}});
  proposal = step(step(proposal, Promised{1, Accepted{0, Value::commit}}), Closed{2});
  EXPECT_EQ(proposal.phase, Phase::accepting);
  EXPECT_EQ(proposal.value, Value::commit);
}

TEST(Quorum, ClosedByAMajorityItIsOverAlsoAfterItWasOutbid) {
  auto proposal = step(terminate(2, 9), Closed{0});
  EXPECT_EQ(proposal.phase, Phase::outbid);
  EXPECT_EQ(step(proposal, Closed{1}).phase, Phase::over);
  EXPECT_EQ(step(proposal, Promised{1, std::nullopt}).phase, Phase::over);
  EXPECT_EQ(step(proposal, Promised{1, Accepted{3, Value::rollback}}).phase, Phase::outbid);
  EXPECT_EQ(step(pre_commit(1), Closed{0}).phase, Phase::outbid) << "the coordinator asks as a recoverer first";
}

}  // namespace
}  // namespace assent::protocol
