#include "coordinator/live_transaction.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <thread>

#include "base/clock.hpp"
#include "coordinator/resolver.hpp"
#include "fake_log.hpp"
#include "fake_participant.hpp"
#include "protocol/xid.hpp"

namespace assent::coordinator {
namespace {

using fakes::FakeLog;
using fakes::FakeParticipant;
using protocol::Decided;
using std::chrono::milliseconds;

/// A transaction of coordinator shop1 at `east` and `west`, prepared at both.
class LiveTransactionTest : public ::testing::Test {
 protected:
  FakeParticipant east{"east", "shop1"}, west{"west", "shop1"};
  FakeLog log;

  LiveTransactionTest() {
    for (const auto protocol : {Protocol::two_phase, Protocol::three_phase}) {
      const auto its = members(protocol);
      east.prepare({gtrid(protocol), "01.02.east"}, its);
      west.prepare({gtrid(protocol), "02.02.west"}, its);
    }
  }

  static std::string gtrid(Protocol protocol) { return protocol::format_gtrid({"shop1", 4, 1, 9, protocol}); }
  static protocol::Members members(Protocol protocol) {
    protocol::Members its{{"east", "west"}, {}};
    if (protocol == Protocol::three_phase) its.acceptors = {"east", "west"};
    return its;
  }
  /// Its decision, as the log brings it back.
  static ports::LiveDecision decided() {
    ports::LiveDecision live;
    live.decision.gtrid = gtrid(Protocol::two_phase);
    live.decision.participants = {"east", "west"};
    return live;
  }
  static std::shared_ptr<LiveTransaction> recovered(const std::shared_ptr<House>& house, ports::LiveDecision live) {
    auto places = house->places_of(members(live.decision.protocol));
    auto made = std::make_shared<LiveTransaction>(house, live, std::move(places).value(), milliseconds{0});
    house->registry.insert(made, true);
    return made;
  }
  std::shared_ptr<House> house_with_log() { return make_house(log, {&east, &west}, 10, 10); }

  /// A new one, with an empty branch at each of the two.
  static std::shared_ptr<LiveTransaction> submit(const std::shared_ptr<House>& house, const std::string& key,
                                                 SubmitDone done) {
    Rerun one;
    one.transaction.protocol = Protocol::two_phase;
    one.transaction.idempotency_key = key;
    one.transaction.branches.resize(2);
    one.deadline = base::SteadyClock::now() + std::chrono::seconds{10};
    one.done = std::move(done);
    auto places = house->places_of(members(Protocol::two_phase));
    const auto gtrid = protocol::format_gtrid({"shop1", 4, 2, 9, Protocol::two_phase});
    auto made = std::make_shared<LiveTransaction>(house, gtrid, std::move(one), std::move(places).value(),
                                                  std::vector<std::string>{});
    house->registry.insert(made, true);
    made->submit();
    return made;
  }

  std::size_t settled_as(Decided decided) const {
    const auto count = [&](const FakeParticipant& at) {
      return std::count_if(at.settled.begin(), at.settled.end(),
                           [&](const auto& order) { return order.second == decided; });
    };
    return static_cast<std::size_t>(count(east) + count(west));
  }
};

TEST_F(LiveTransactionTest, WithoutAYoungClaimAtAnyParticipantItIsParked) {
  const auto house = house_with_log();
  const auto live = recovered(house, decided());
  live->tick(base::SteadyClock::now());
  live->tick(base::SteadyClock::now());
  EXPECT_TRUE(east.settled.empty() && west.settled.empty());
  EXPECT_TRUE(log.records.empty());
  house->leases["west"].held(base::since_boot() - protocol::kOwnerSilence);
  live->tick(base::SteadyClock::now());
  EXPECT_TRUE(east.settled.empty() && west.settled.empty()) << "too old";
  house->leases["west"].held(base::since_boot());
  live->tick(base::SteadyClock::now());
  EXPECT_EQ(settled_as(Decided::commit), 2U);
  EXPECT_TRUE(live->status().settled);
}

TEST_F(LiveTransactionTest, AHazardIsLoggedWithItsKind) {
  const auto house = house_with_log();
  for (const auto* name : {"east", "west"}) house->leases[name].held(base::since_boot());
  east.contradicts = true;
  recovered(house, decided())->tick(base::SteadyClock::now());
  ASSERT_EQ(log.count<ports::HazardFound>(), 1U);
  EXPECT_EQ(log.all<ports::HazardFound>()[0].kind, ports::HazardKind::lost);
  log.records.clear();
  log.is_full = true;
  const auto live = submit(house, {}, [](const Result<TransactionResult>&) {});
  live->tick(base::SteadyClock::now());
  ASSERT_EQ(log.count<ports::HazardFound>(), 1U) << "it is rolled back, as it cannot be decided";
  EXPECT_EQ(log.all<ports::HazardFound>()[0].kind, ports::HazardKind::committed_against);
}

TEST_F(LiveTransactionTest, DisplacedItDecidesNothingMoreHoweverYoungItsClaims) {
  const auto house = house_with_log();
  house->leases["east"].held(base::since_boot());
  west.before_voting = [&] { house->displaced = true; };
  std::optional<TransactionResult> told;
  const auto live = submit(house, {}, [&](Result<TransactionResult> result) { told = std::move(result).value(); });
  EXPECT_TRUE(log.records.empty());
  EXPECT_TRUE(east.settled.empty() && west.settled.empty());
  live->tick(base::SteadyClock::now());
  ASSERT_TRUE(told);
  EXPECT_EQ(told->outcome, Outcome::unknown);
}

TEST_F(LiveTransactionTest, InAnothersPlaceItActsWithoutClaims) {
  const auto house = make_house_without_log({&east, &west});
  auto left = LiveTransaction::left_behind(house, gtrid(Protocol::three_phase), members(Protocol::three_phase), false);
  ASSERT_TRUE(left.ok());
  house->registry.take_up(*left);
  const auto stop = base::SteadyClock::now() + std::chrono::seconds{10};
  while (!(*left)->status().settled && base::SteadyClock::now() < stop) {
    (*left)->tick(base::SteadyClock::now());
    std::this_thread::sleep_for(milliseconds{1});
  }
  EXPECT_EQ((*left)->status().outcome, Outcome::rolled_back) << "its acceptors had accepted nothing";
  EXPECT_EQ(settled_as(Decided::rollback), 2U);
}

TEST_F(LiveTransactionTest, ABranchIsSettledOnlyAtTheServerThatItsMembersName) {
  const auto house = house_with_log();
  auto live = decided();
  live.decision.identities = {1, 1};
  west.server = 2;
  const auto made = recovered(house, live);
  house->leases["east"].held(base::since_boot());
  made->tick(base::SteadyClock::now());
  EXPECT_FALSE(made->status().settled);
  EXPECT_EQ(made->status().branches[0].state, BranchState::committed);
  EXPECT_EQ(made->status().branches[1].state, BranchState::in_doubt);
  EXPECT_TRUE(west.prepared.contains({gtrid(Protocol::two_phase), "02.02.west"}));
}

TEST_F(LiveTransactionTest, ARollbackUnderAKeyIsDurableBeforeItIsTold) {
  const auto house = house_with_log();
  house->leases["east"].held(base::since_boot());
  west.refuses = true;
  log.is_slow = true;
  std::optional<Outcome> told;
  house->keys.claim("k", 0, OnRolledBack::return_outcome, nullptr);
  const auto live = submit(house, "k", [&](const Result<TransactionResult>& result) { told = result->outcome; });
  ASSERT_EQ(log.count<ports::KeyRolledBack>(), 1U);
  EXPECT_FALSE(told);
  EXPECT_FALSE(house->keys.find("k"));
  log.flush();
  EXPECT_EQ(told, Outcome::rolled_back);
  EXPECT_EQ(house->keys.find("k")->outcome, Outcome::rolled_back);
}

TEST_F(LiveTransactionTest, ARollbackUnderAKeyThatTheLogDoesNotTakeIsUnknown) {
  const auto house = house_with_log();
  house->leases["east"].held(base::since_boot());
  west.refuses = true;
  log.is_full = true;
  std::optional<Outcome> told;
  house->keys.claim("k", 0, OnRolledBack::return_outcome, nullptr);
  const auto live = submit(house, "k", [&](const Result<TransactionResult>& result) { told = result->outcome; });
  EXPECT_EQ(told, Outcome::unknown);
}

/// A decision of epoch 4, in a log that was called the only one left at the start of epoch 6.
class AfterALostLogTest : public LiveTransactionTest {
 protected:
  const std::shared_ptr<House> house = house_with_log();
  std::shared_ptr<LiveTransaction> live;
  std::optional<Outcome> told;

  void bring_back(ports::LiveDecision decision) {
    decision.decision.idempotency_key = "k";
    ports::LogState state;
    state.live[decision.decision.gtrid] = decision;
    house->given_up_below = 6;
    house->keys.restore(state, house->given_up_below);
    live = recovered(house, decision);
    const auto again = house->keys.claim("k", 0, OnRolledBack::run_again, [this](const auto& r) { told = r->outcome; });
    EXPECT_TRUE(std::holds_alternative<IdempotencyIndex::Attached>(again));
  }
  void hold_claims() {
    for (auto& [name, lease] : house->leases) lease.held(base::since_boot());
  }
};

TEST_F(AfterALostLogTest, ItsDecisionIsToldOnceEveryBranchIsProven) {
  bring_back(decided());
  EXPECT_EQ(live->status().outcome, Outcome::unknown);
  hold_claims();
  west.is_down = true;
  live->tick(base::SteadyClock::now());
  EXPECT_TRUE(east.prepared.size() == 1) << "it is carried out as ever";
  EXPECT_EQ(told, Outcome::unknown) << "who waits no longer";
  EXPECT_EQ(live->status().outcome, Outcome::unknown);
  EXPECT_EQ(live->result().outcome, Outcome::unknown);
  west.is_down = false;
  live->participant_is_up(&west);
  live->tick(base::SteadyClock::now());
  EXPECT_EQ(live->status().outcome, Outcome::committed);
  EXPECT_TRUE(live->status().settled);
  EXPECT_EQ(house->keys.find("k")->outcome, Outcome::committed);
  EXPECT_EQ(log.count<ports::TransactionEnded>(), 1U);
}

TEST_F(AfterALostLogTest, ADecisionOfALaterEpochIsItsOutcomeAtOnce) {
  auto later = decided();
  later.decision.gtrid = protocol::format_gtrid({"shop1", 6, 1, 9, Protocol::two_phase});
  house->given_up_below = 6;
  EXPECT_EQ(recovered(house, later)->status().outcome, Outcome::committed);
}

TEST_F(AfterALostLogTest, WhoWaitsForItIsAnsweredThoughNoParticipantCouldBeClaimed) {
  bring_back(decided());
  live->tick(base::SteadyClock::now());
  EXPECT_FALSE(told) << "its deadline is told to its rules, which wait for a claim";
  live->tick(base::SteadyClock::now());
  EXPECT_EQ(told, Outcome::unknown);
  EXPECT_TRUE(live->answered());
  hold_claims();
  live->tick(base::SteadyClock::now());
  EXPECT_EQ(house->keys.find("k")->outcome, Outcome::committed);
}

}  // namespace
}  // namespace assent::coordinator
