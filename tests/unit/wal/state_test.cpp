#include "wal/state.hpp"

#include <gtest/gtest.h>

#include "support.hpp"
#include "wal/checkpoint.hpp"

namespace assent::wal::test {
namespace {

TEST(State, ADecisionLivesUntilItsEnd) {
  StateBuilder state(10);
  state.apply(decision(1));
  ASSERT_EQ(state.state().live.count(gtrid(1)), 1U);
  EXPECT_EQ(state.state().live.at(gtrid(1)).decision, decision(1));
  state.apply(ports::TransactionEnded{gtrid(1)});
  EXPECT_TRUE(state.state().live.empty());
  EXPECT_EQ(state.state().kept_keys.at("key-1").gtrid, gtrid(1)) << "its key outlives it";
}

TEST(State, ARollbackInThreePhasesTakesItsKeyBack) {
  StateBuilder state(10);
  state.apply(decision(1));
  state.apply(decision(2));
  state.apply(ports::TransactionRolledBack{gtrid(1)});
  EXPECT_EQ(state.state().live.size(), 1U);
  EXPECT_FALSE(state.state().kept_keys.contains("key-1"));
  EXPECT_EQ(state.key_order(), (std::vector<std::string>{"key-2"}));
  // The same key of a later transaction is not its own.
  auto again = decision(3);
  again.idempotency_key = "key-2";
  state.apply(again);
  state.apply(ports::TransactionRolledBack{gtrid(2)});
  EXPECT_EQ(state.state().kept_keys.at("key-2").gtrid, gtrid(3));
}

TEST(State, AHazardStaysUntilItsBranchIsSettled) {
  StateBuilder state(10);
  state.apply(decision(1));
  state.apply(ports::HazardFound{gtrid(1), 2, "gone", 5});
  EXPECT_EQ(state.state().live.at(gtrid(1)).hazards.at(2).reason, "gone");
  state.apply(ports::BranchSettled{gtrid(1), 2});
  EXPECT_TRUE(state.state().live.at(gtrid(1)).hazards.empty());
  EXPECT_EQ(state.state().live.at(gtrid(1)).settled.count(2), 1U);
}

TEST(State, AHazardFoundLaterOutweighsSettled) {
  StateBuilder state(10);
  state.apply(decision(1));
  state.apply(ports::BranchSettled{gtrid(1), 2});
  state.apply(ports::HazardFound{gtrid(1), 2, "back again", 5});
  EXPECT_TRUE(state.state().live.at(gtrid(1)).settled.empty());
  EXPECT_EQ(state.state().live.at(gtrid(1)).hazards.size(), 1U);
}

TEST(State, RecordsOfATransactionThatIsNotLiveHaveNoEffect) {
  StateBuilder state(10);
  state.apply(ports::BranchSettled{gtrid(1), 1});
  state.apply(ports::TransactionEnded{gtrid(1)});
  state.apply(ports::HazardAcknowledged{gtrid(1), 1, "ada", "seen to", 6});
  state.apply(ports::OperatorAct{"commit", gtrid(1), 1, "ada", "decided", 7});
  ports::LogState nothing;
  nothing.last_sequence = 4;
  EXPECT_EQ(state.state(), nothing);
}

TEST(State, AHazardOfATransactionThatIsNotLiveIsKeptUntilItIsAcknowledged) {
  StateBuilder state(10);
  state.apply(ports::HazardFound{gtrid(1), 1, "committed by hand", 5});
  state.apply(ports::HazardFound{gtrid(1), 2, "committed by hand", 5});
  state.apply(ports::TransactionEnded{gtrid(1)});
  EXPECT_EQ(state.state().hazards.size(), 2U);
  state.apply(ports::HazardAcknowledged{gtrid(1), 1, "ada", "seen to", 6});
  ASSERT_EQ(state.state().hazards.size(), 1U);
  EXPECT_EQ(state.state().hazards.begin()->second.branch, 2);
}

TEST(State, AnAcknowledgedHazardOfALiveDecisionIsNoHazardAndNotSettled) {
  StateBuilder state(10);
  state.apply(decision(1));
  state.apply(ports::HazardFound{gtrid(1), 2, "gone", 5});
  state.apply(ports::HazardAcknowledged{gtrid(1), 2, "ada", "seen to", 6});
  EXPECT_TRUE(state.state().live.at(gtrid(1)).hazards.empty());
  EXPECT_EQ(state.state().live.at(gtrid(1)).acknowledged,
            (std::map<std::uint16_t, ports::HazardKind>{{2, ports::HazardKind::lost}}));
  EXPECT_TRUE(state.state().live.at(gtrid(1)).settled.empty());
  EXPECT_TRUE(state.state().hazards.empty());
  // Its key never stands for a commit again.
  state.apply(ports::TransactionEnded{gtrid(1)});
  EXPECT_TRUE(state.state().kept_keys.at("key-1").contradicted);
}

TEST(State, ABranchThatIsProvenAfterItsHazardWasAcknowledgedCountsOnce) {
  StateBuilder state(10);
  state.apply(decision(1));
  state.apply(ports::HazardFound{gtrid(1), 1, "gone", 5});
  state.apply(ports::HazardAcknowledged{gtrid(1), 1, "ada", "seen to", 6});
  state.apply(ports::BranchSettled{gtrid(1), 1});
  EXPECT_EQ(state.state().live.at(gtrid(1)).settled, (std::set<std::uint16_t>{1}));
  EXPECT_TRUE(state.state().live.at(gtrid(1)).acknowledged.empty());
  state.apply(ports::HazardFound{gtrid(1), 1, "gone again", 7});
  EXPECT_TRUE(state.state().live.at(gtrid(1)).settled.empty());
  EXPECT_EQ(state.state().live.at(gtrid(1)).hazards.size(), 1U);
}

TEST(State, TheKeyOfAContradictedRollbackIsKept) {
  StateBuilder state(10);
  auto three = decision(1);
  three.protocol = Protocol::three_phase;
  state.apply(three);
  state.apply(ports::HazardFound{gtrid(1), 1, "committed by hand", 5});
  state.apply(ports::HazardAcknowledged{gtrid(1), 1, "ada", "seen to", 6});
  state.apply(ports::TransactionRolledBack{gtrid(1)});
  EXPECT_TRUE(state.state().live.empty());
  EXPECT_TRUE(state.state().kept_keys.at("key-1").contradicted) << "run again, it would stand beside the branch";
}

TEST(State, TheKeyDecidedFirstGoesFirstWhateverTheClockSaid) {
  StateBuilder state(3);
  for (std::uint64_t i = 1; i <= 5; ++i) {
    auto record = decision(i);
    record.decided_at_ms = -static_cast<std::int64_t>(i);
    state.apply(record);
  }
  EXPECT_EQ(state.key_order(), (std::vector<std::string>{"key-3", "key-4", "key-5"}));
  EXPECT_EQ(state.state().kept_keys.size(), 3U);
}

TEST(State, AKeyDecidedAgainIsKeptOnceAsTheNewest) {
  StateBuilder state(2);
  state.apply(decision(1));
  state.apply(decision(2));
  auto again = decision(3);
  again.idempotency_key = "key-1";
  state.apply(again);
  EXPECT_EQ(state.key_order(), (std::vector<std::string>{"key-2", "key-1"}));
  EXPECT_EQ(state.state().kept_keys.at("key-1").gtrid, gtrid(3));
}

TEST(State, NoKeysAreKeptWhenNoneMayBe) {
  StateBuilder state(0);
  state.apply(decision(1));
  EXPECT_TRUE(state.state().kept_keys.empty());
}

TEST(State, TheLastEpochCounts) {
  StateBuilder state(0);
  state.apply(ports::EpochStarted{"shop1", 4, 1});
  state.apply(ports::EpochStarted{"shop1", 5, 2});
  EXPECT_EQ(state.state().coordinator, "shop1");
  EXPECT_EQ(state.state().epoch, 5U);
}

TEST(State, EveryStartThatWroteIsKnownWithHowFarItWrote) {
  StateBuilder state(10);
  state.reached(100);
  state.apply(ports::EpochStarted{"shop1", 3, 1});
  state.apply(ports::EpochStarted{"shop1", 4, 1, 11});
  state.apply(decision(1));
  state.apply(ports::EpochStarted{"shop1", 5, 2, 22});
  state.apply(decision(2));
  state.apply(decision(3));
  EXPECT_EQ(state.state().instances, (std::map<std::uint64_t, ports::LogStart>{{11, {4, 103}}, {22, {5, 106}}}));
  EXPECT_EQ(state.state().last_sequence, 106U);
  EXPECT_EQ(state.state().last_unsigned_epoch, 3U);
  EXPECT_EQ(state.state().first_epoch, 3U);
}

TEST(State, ALogThatIsCalledLostMovesTheFirstEpoch) {
  StateBuilder state(0);
  state.apply(ports::EpochStarted{"shop1", 4, 1, 11});
  state.apply(ports::EpochStarted{"shop1", 9, 3, 33, true});
  state.apply(ports::EpochStarted{"shop1", 10, 3, 34});
  EXPECT_EQ(state.state().first_epoch, 9U) << "abort is presumed for nothing older";
  EXPECT_EQ(state.state().given_up_below, 9U);
}

TEST(State, InstancesAreBoundedInBytesAndTheOldestGo) {
  StateBuilder state(0);
  const std::uint64_t more = ports::kInstanceBytesMax / 20 + 10;
  for (std::uint64_t i = 1; i <= more; ++i)
    state.apply(ports::EpochStarted{"shop1", static_cast<std::uint32_t>(i), 1, i});
  EXPECT_EQ(state.state().instances.size(), ports::kInstanceBytesMax / 20);
  EXPECT_TRUE(state.state().instances.contains(more));
  EXPECT_FALSE(state.state().instances.contains(10));
}

ports::KeyRolledBack rolled_back(std::uint64_t number, const std::string& key) {
  return {key, gtrid(number), number * 31, {"orders"}, Cause{"orders", 0, 1213, "40001", "deadlock", true}, 5};
}

TEST(State, TheKeyOfARollbackIsKeptWithItsCauseUntilItIsDecided) {
  StateBuilder state(10);
  state.apply(rolled_back(1, "a"));
  const auto& kept = state.state().kept_keys.at("a");
  EXPECT_TRUE(kept.rolled_back);
  EXPECT_EQ(kept.cause->message, "deadlock");
  EXPECT_EQ(kept.gtrid, gtrid(1));
  auto again = decision(2);
  again.idempotency_key = "a";
  state.apply(again);
  EXPECT_FALSE(state.state().kept_keys.at("a").rolled_back);
  // What was decided is not taken back by another transaction's rollback.
  state.apply(rolled_back(3, "a"));
  EXPECT_EQ(state.state().kept_keys.at("a").gtrid, gtrid(2));
  EXPECT_FALSE(state.state().kept_keys.at("a").rolled_back);
}

TEST(State, AnIntentionThatCameToARollbackKeepsItsKeyAsRolledBack) {
  for (const bool key_first : {true, false}) {
    StateBuilder state(10);
    state.apply(decision(1));
    if (key_first) state.apply(rolled_back(1, "key-1"));
    state.apply(ports::TransactionRolledBack{gtrid(1)});
    if (!key_first) state.apply(rolled_back(1, "key-1"));
    ASSERT_TRUE(state.state().kept_keys.contains("key-1"));
    EXPECT_TRUE(state.state().kept_keys.at("key-1").rolled_back);
    EXPECT_TRUE(state.state().live.empty());
  }
}

TEST(State, RollbacksNeverPushOutTheKeysOfCommits) {
  StateBuilder state(2);
  state.apply(decision(1));
  state.apply(decision(2));
  for (std::uint64_t i = 3; i < 9; ++i) state.apply(rolled_back(i, "r" + std::to_string(i)));
  EXPECT_EQ(state.key_order(), (std::vector<std::string>{"key-1", "key-2", "r7", "r8"}));
}

TEST(State, KeysAreBoundedInBytesSoThatEveryCheckpointFits) {
  constexpr std::uint64_t kBytes = 20'000;
  StateBuilder state(1'000'000, kBytes);
  for (std::uint64_t i = 1; i <= 20; ++i) state.apply(decision(i));
  for (std::uint64_t i = 100; i < 1'000; ++i) state.apply(rolled_back(i, "r" + std::to_string(i)));
  EXPECT_LT(encode_checkpoint({1, 1, 1, 1}, state).size(), kBytes + 20'000);
  EXPECT_TRUE(state.state().kept_keys.contains("key-1")) << "rollbacks go first";
  EXPECT_TRUE(state.state().kept_keys.contains("r999"));
  EXPECT_FALSE(state.state().kept_keys.contains("r100"));
  for (std::uint64_t i = 2'000; i < 3'000; ++i) state.apply(decision(i));
  EXPECT_FALSE(state.state().kept_keys.contains("key-1"));
  EXPECT_TRUE(state.state().kept_keys.contains("key-2999"));
  for (std::uint64_t i = 1; i < 3'000; ++i) state.apply(ports::TransactionEnded{gtrid(i)});
  EXPECT_LT(encode_checkpoint({1, 1, 1, 1}, state).size(), kBytes + 200);
}

}  // namespace
}  // namespace assent::wal::test
