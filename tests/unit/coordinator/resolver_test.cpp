#include "coordinator/resolver.hpp"

#include <gtest/gtest.h>

#include <memory>

#include "coordinator/live_transaction.hpp"
#include "fake_log.hpp"
#include "fake_participant.hpp"
#include "protocol/xid.hpp"

namespace assent::coordinator {
namespace {

using fakes::FakeLog;
using fakes::FakeParticipant;
using protocol::Decided;

/// Coordinator shop1 in epoch 5, whose log begins with epoch 2, over `east` and `west`.
class ResolverTest : public ::testing::Test {
 protected:
  static constexpr std::uint32_t kEpoch = 5;

  FakeParticipant east{"east", "shop1"}, west{"west", "shop1"};
  FakeLog log;
  std::shared_ptr<House> house = make_house(log, {&east, &west}, 100, 100);
  std::shared_ptr<const Knowledge> knowledge = std::make_shared<LiveKnowledge>(*house, 2, kEpoch);
  std::shared_ptr<Resolver> resolver = std::make_shared<Resolver>(
      Resolver::Means{.participants = {&east, &west}, .house = house, .knowledge = knowledge, .interrupted = nullptr});
  const protocol::Members members{{"east", "west"}, {"east", "west"}};

  static std::string gtrid(std::uint64_t sequence, std::uint32_t epoch = 4, Protocol protocol = Protocol::two_phase) {
    return protocol::format_gtrid({"shop1", epoch, sequence, 9, protocol});
  }
  static protocol::Xid at_east(const std::string& gtrid) { return {gtrid, "01.02.east"}; }
  static protocol::Xid at_west(const std::string& gtrid) { return {gtrid, "02.02.west"}; }

  void go_round() {
    while (resolver->round()) {
    }
  }
};

TEST_F(ResolverTest, WhatNothingDecidedIsRolledBackOnceAllSiblingsWereRead) {
  east.prepare(at_east(gtrid(1)), members);
  west.prepare(at_west(gtrid(1)), members);
  go_round();
  EXPECT_TRUE(east.prepared.empty() && west.prepared.empty());
  EXPECT_EQ(house->orphans_rolled_back, 2U);
  EXPECT_TRUE(resolver->doubts().all().empty());
}

TEST_F(ResolverTest, WhileASiblingIsDownItWaitsAndIsShown) {
  east.prepare(at_east(gtrid(1)), members);
  west.is_down = true;
  go_round();
  EXPECT_TRUE(east.settled.empty());
  ASSERT_EQ(resolver->doubts().all().size(), 1U);
  EXPECT_EQ(resolver->doubts().all()[0].branches[0].state, BranchState::in_doubt);
  EXPECT_FALSE(resolver->past()) << "nothing of the past may be purged";
  west.is_down = false;
  go_round();
  EXPECT_TRUE(east.prepared.empty());
  EXPECT_TRUE(resolver->past());
}

TEST_F(ResolverTest, OfItsOwnEpochNothingIsWaitedFor) {
  east.prepare(at_east(gtrid(1, kEpoch)), members);
  west.is_down = true;
  go_round();
  EXPECT_TRUE(east.prepared.empty());
}

TEST_F(ResolverTest, AProofWithoutADecisionIsLoggedAsAHazardAndNothingElseIsDone) {
  east.add_proof(at_east(gtrid(1)), members);
  west.prepare(at_west(gtrid(1)), members);
  go_round();
  go_round();
  EXPECT_EQ(log.count<ports::HazardFound>(), 1U);
  EXPECT_TRUE(house->hazards.has(gtrid(1), 1));
  EXPECT_TRUE(west.settled.empty());
  const auto past = resolver->past();
  ASSERT_TRUE(past);
  EXPECT_FALSE(past->lowest_left) << "what has an open hazard is kept by that";
}

TEST_F(ResolverTest, OnceItIsAcknowledgedTheRestIsRolledBackAndItIsForgottenWithItsRows) {
  east.add_proof(at_east(gtrid(1)), members);
  west.prepare(at_west(gtrid(1)), members);
  go_round();
  house->hazards.see_to(gtrid(1), 1);
  go_round();
  EXPECT_EQ(west.settled, (std::vector<std::pair<protocol::Xid, Decided>>{{at_west(gtrid(1)), Decided::rollback}}));
  go_round();
  EXPECT_EQ(log.count<ports::HazardFound>(), 1U) << "it is no hazard again";
  EXPECT_EQ(log.count<ports::TransactionEnded>(), 0U);
  east.proofs.clear();
  go_round();
  EXPECT_EQ(log.count<ports::TransactionEnded>(), 1U);
  EXPECT_FALSE(house->hazards.is_seen_to(gtrid(1), 1));
}

TEST_F(ResolverTest, AnOperatorsCommitCommitsTheRestAndClosesTheHazard) {
  east.add_proof(at_east(gtrid(1)), members);
  west.prepare(at_west(gtrid(1)), members);
  go_round();
  EXPECT_TRUE(house->hazards.has(gtrid(1), 1));
  west.choices[gtrid(1)] = {protocol::Value::commit, "ada", "paid", 0};
  go_round();
  EXPECT_EQ(west.settled, (std::vector<std::pair<protocol::Xid, Decided>>{{at_west(gtrid(1)), Decided::commit}}));
  go_round();
  EXPECT_EQ(log.count<ports::HazardAcknowledged>(), 1U);
  EXPECT_FALSE(house->hazards.has_any(gtrid(1)));
}

TEST_F(ResolverTest, OfAnOlderLogNothingIsPresumedAndWhatIsTornIsAHazard) {
  east.prepare(at_east(gtrid(1, 1)), members);
  east.add_proof(at_east(gtrid(2, 1)), members);
  go_round();
  EXPECT_TRUE(east.settled.empty());
  EXPECT_TRUE(house->hazards.has(gtrid(2, 1), 2)) << "the one that is gone";
  const auto past = resolver->past();
  ASSERT_TRUE(past);
  EXPECT_FALSE(past->lowest_left) << "it keeps nothing of this log's";
  ASSERT_EQ(log.count<ports::HazardFound>(), 1U);
  EXPECT_EQ(log.all<ports::HazardFound>()[0].kind, ports::HazardKind::lost);
}

TEST_F(ResolverTest, AnAcknowledgedCommitByHandRollsTheRestBackThoughItsRowIsGone) {
  east.add_proof(at_east(gtrid(1)), members);
  west.prepare(at_west(gtrid(1)), members);
  go_round();
  ASSERT_EQ(log.count<ports::HazardFound>(), 1U);
  EXPECT_EQ(log.all<ports::HazardFound>()[0].kind, ports::HazardKind::committed_against);
  east.proofs.clear();
  house->hazards.see_to(gtrid(1), 1);
  go_round();
  EXPECT_EQ(west.settled, (std::vector<std::pair<protocol::Xid, Decided>>{{at_west(gtrid(1)), Decided::rollback}}));
}

TEST_F(ResolverTest, AProofThatNobodyListsAnythingOfIsAHazardUnlessItHasEnded) {
  east.add_proof(at_east(gtrid(1)), members);
  east.add_proof(at_east(gtrid(2)), members);
  west.ended.insert(gtrid(2));
  go_round();
  EXPECT_TRUE(house->hazards.has(gtrid(1), 1));
  EXPECT_FALSE(house->hazards.has(gtrid(2), 1));
}

TEST_F(ResolverTest, AHiddenBranchKeepsTheRowsOfThePast) {
  east.add_proof(at_east(gtrid(7)), members, false);
  go_round();
  const auto past = resolver->past();
  ASSERT_TRUE(past && past->lowest_left);
  EXPECT_EQ(*past->lowest_left, gtrid(7));
  EXPECT_EQ(resolver->doubts().all().size(), 1U);
}

TEST_F(ResolverTest, PlantedBranchesAreNeitherTouchedNorShownNorStarveOthers) {
  for (std::uint64_t i = 0; i < 5'000; ++i) east.prepared.insert(at_east(gtrid(i, 4, Protocol::three_phase)));
  east.prepare(at_east(gtrid(5'001)), members);
  west.prepare(at_west(gtrid(5'001)), members);
  // A bounded part of it in each round.
  int rounds = 0;
  while (!west.prepared.empty() && ++rounds < 10) resolver->round();
  EXPECT_GT(rounds, 1);
  EXPECT_TRUE(west.prepared.empty());
  EXPECT_EQ(east.prepared.size(), 5'000U);
  EXPECT_TRUE(resolver->doubts().all().empty());
}

TEST_F(ResolverTest, WhatCannotBeSettledStarvesNobody) {
  for (std::uint64_t i = 0; i < 5'000; ++i) east.prepare(at_east(gtrid(i, 1)), members);
  east.prepare(at_east(gtrid(1)), members);
  for (int rounds = 0; rounds < 4; ++rounds) resolver->round();
  EXPECT_FALSE(east.prepared.contains(at_east(gtrid(1))));
  EXPECT_EQ(east.prepared.size(), 5'000U) << "older than this log";
}

TEST_F(ResolverTest, AParticipantThatIsNotConfiguredIsWaitedForAndShown) {
  const protocol::Members with_gone{{"east", "gone"}, {}};
  east.prepare({gtrid(1), "01.02.east"}, with_gone);
  // Of a participant that was renamed: its server lists it still.
  west.prepare({gtrid(2), "02.02.gone"}, with_gone);
  go_round();
  EXPECT_TRUE(east.settled.empty() && west.settled.empty());
  EXPECT_EQ(resolver->doubts().all().size(), 2U);
}

TEST_F(ResolverTest, ASiblingWhoseNameLeadsToAnotherServerIsWaitedFor) {
  auto its = members;
  its.identities = {{"east", 1}, {"west", 1}};
  for (const auto sequence : {1U, 2U}) east.prepare(at_east(gtrid(sequence)), its);
  west.server = 2;
  go_round();
  EXPECT_TRUE(east.settled.empty()) << "what the server of then would have shown is not known";
  EXPECT_EQ(resolver->doubts().all().size(), 2U);
  west.server = 1;
  go_round();
  EXPECT_TRUE(east.prepared.empty());
}

TEST_F(ResolverTest, AnAcceptorThatHasForgottenHasNoVote) {
  const auto its = gtrid(1, 4, Protocol::three_phase);
  east.prepare(at_east(its), members);
  west.remembers = false;
  go_round();
  EXPECT_FALSE(house->registry.find(its)) << "one of two is no majority";
  EXPECT_EQ(resolver->doubts().all().size(), 1U);
  west.remembers = true;
  go_round();
  EXPECT_TRUE(house->registry.find(its)) << "its acceptors are asked";
}

TEST_F(ResolverTest, WhatCannotBeLoggedAsAHazardIsNotActedOn) {
  east.add_proof(at_east(gtrid(1)), members);
  west.prepare(at_west(gtrid(1)), members);
  east.choices[gtrid(1)] = {protocol::Value::rollback, "ada", "not paid", 0};
  log.is_full = true;
  go_round();
  EXPECT_TRUE(west.settled.empty());
  log.is_full = false;
  go_round();
  EXPECT_EQ(west.settled.size(), 1U);
}

TEST_F(ResolverTest, NothingIsSettledBeforeItsHazardIsDurable) {
  // To be rolled back by an operator's choice, and committed at one place: a hazard there.
  east.add_proof(at_east(gtrid(1)), members);
  west.prepare(at_west(gtrid(1)), members);
  east.choices[gtrid(1)] = {protocol::Value::rollback, "ada", "not paid", 0};
  west.before_settling = [&] { EXPECT_EQ(log.count<ports::HazardFound>(), 1U); };
  go_round();
  EXPECT_EQ(west.settled.size(), 1U);
}

}  // namespace
}  // namespace assent::coordinator
