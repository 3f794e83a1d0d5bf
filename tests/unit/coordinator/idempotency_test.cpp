#include "coordinator/idempotency.hpp"

#include <gtest/gtest.h>

#include "coordinator/fingerprint.hpp"
#include "protocol/xid.hpp"

namespace assent::coordinator {
namespace {

TransactionResult committed(const std::string& gtrid) {
  TransactionResult result;
  result.gtrid = gtrid;
  result.outcome = Outcome::committed;
  result.settled = true;
  result.branches.push_back(
      {"stock", BranchState::committed, {StatementResult{.affected = 1, .last_insert_id = {}, .rows = {}}}});
  return result;
}

TransactionResult rolled_back(const std::string& gtrid) {
  auto result = committed(gtrid);
  result.outcome = Outcome::rolled_back;
  result.branches[0].state = BranchState::rolled_back;
  return result;
}

const SubmitDone kNobody = [](const auto&) {};
constexpr auto kReturn = OnRolledBack::return_outcome;
constexpr auto kRunAgain = OnRolledBack::run_again;
using Claim = IdempotencyIndex::Claim;

bool is_mine(const Claim& claim) {
  return std::holds_alternative<IdempotencyIndex::Mine>(claim);
}

TEST(Idempotency, AKeyIsRunOnceAndItsFirstOutcomeIsGivenAgain) {
  IdempotencyIndex index(10);
  EXPECT_TRUE(std::holds_alternative<IdempotencyIndex::Mine>(index.claim("k", 1, kReturn, kNobody)));
  index.finish("k", committed("g"));
  const auto again = index.claim("k", 1, kReturn, kNobody);
  ASSERT_TRUE(std::holds_alternative<TransactionResult>(again));
  EXPECT_EQ(std::get<TransactionResult>(again).gtrid, "g");
  EXPECT_TRUE(std::get<TransactionResult>(again).branches[0].statements.empty());
}

TEST(Idempotency, AResubmissionDuringTheRunGetsTheSameOutcome) {
  IdempotencyIndex index(10);
  index.claim("k", 1, kReturn, kNobody);
  std::string told;
  EXPECT_TRUE(std::holds_alternative<IdempotencyIndex::Attached>(
      index.claim("k", 1, kReturn, [&](const auto& result) { told = result->gtrid; })));
  EXPECT_EQ(told, "");
  index.finish("k", committed("g"));
  EXPECT_EQ(told, "g");
}

TEST(Idempotency, AnotherRequestUnderTheSameKeyIsRefused) {
  IdempotencyIndex index(10);
  index.claim("k", 1, kReturn, kNobody);
  const auto other = index.claim("k", 2, kReturn, kNobody);
  ASSERT_TRUE(std::holds_alternative<Error>(other));
  EXPECT_EQ(std::get<Error>(other).code, Errc::conflict);
}

TEST(Idempotency, WhatTheLogHasOfThreePhasesCountsAsRunning) {
  ports::LogState state;
  for (const auto protocol : {Protocol::two_phase, Protocol::three_phase}) {
    ports::LiveDecision live;
    live.decision.gtrid = to_string(protocol);
    live.decision.protocol = protocol;
    live.decision.idempotency_key = std::string("key of ") + to_string(protocol);
    live.decision.request_fingerprint = 7;
    const auto& decision = live.decision;
    state.kept_keys[decision.idempotency_key] = {decision.idempotency_key, decision.gtrid, 7, 0, {}};
    state.live[decision.gtrid] = live;
  }
  IdempotencyIndex index(10);
  index.restore(state);
  EXPECT_TRUE(std::holds_alternative<TransactionResult>(index.claim("key of 2pc", 7, kReturn, kNobody)));
  EXPECT_FALSE(index.awaits("key of 2pc", "2pc"));
  EXPECT_TRUE(index.awaits("key of 3pc", "3pc"));
  EXPECT_FALSE(index.awaits("key of 3pc", "another"));
  std::string told;
  EXPECT_TRUE(std::holds_alternative<IdempotencyIndex::Attached>(
      index.claim("key of 3pc", 7, kReturn, [&](const auto& result) { told = result->gtrid; })));
  index.finish("key of 3pc", committed("3pc"));
  EXPECT_EQ(told, "3pc");
}

TEST(Idempotency, AnOutcomeThatWasUnknownIsAmendedAndNoOther) {
  IdempotencyIndex index(10);
  for (const auto* key : {"unknown", "known"}) {
    index.claim(key, 1, kReturn, kNobody);
    index.set_gtrid(key, "g");
    auto result = committed("g");
    if (key == std::string("unknown")) result.outcome = Outcome::unknown;
    index.finish(key, result);
    index.amend(key, "another", Outcome::rolled_back);
    index.amend(key, "g", Outcome::unknown);
    EXPECT_EQ(index.find(key)->branches[0].state, BranchState::committed);
    index.amend(key, "g", Outcome::rolled_back);
  }
  EXPECT_EQ(index.find("unknown")->outcome, Outcome::rolled_back);
  EXPECT_EQ(index.find("unknown")->branches[0].state, BranchState::rolled_back);
  EXPECT_EQ(index.find("known")->outcome, Outcome::committed);
}

TEST(Idempotency, WhatWasNeverRunFreesItsKey) {
  IdempotencyIndex index(10);
  index.claim("k", 1, kReturn, kNobody);
  bool failed = false;
  index.claim("k", 1, kReturn, [&](const auto& result) { failed = !result.ok(); });
  index.abandon("k", {Errc::overloaded, "full", true});
  EXPECT_TRUE(failed);
  EXPECT_TRUE(std::holds_alternative<IdempotencyIndex::Mine>(index.claim("k", 2, kReturn, kNobody)));
}

TEST(Idempotency, TheOldestEndedKeysGoFirst) {
  IdempotencyIndex index(2);
  for (const char* key : {"a", "b", "c"}) {
    index.claim(key, 1, kReturn, kNobody);
    index.finish(key, committed(key));
  }
  EXPECT_FALSE(index.find("a"));
  EXPECT_TRUE(index.find("b"));
  EXPECT_TRUE(index.find("c"));
}

TEST(Idempotency, FailuresDoNotPushOutWhatCommitted) {
  IdempotencyIndex index(1);
  index.claim("paid", 1, kReturn, kNobody);
  index.finish("paid", committed("g"));
  for (const char* key : {"a", "b"}) {
    index.claim(key, 1, kReturn, kNobody);
    index.finish_kept(key, rolled_back(key));
  }
  EXPECT_TRUE(index.find("paid"));
  EXPECT_FALSE(index.find("a"));
}

TEST(Idempotency, ARollbackThatStandsIsToldOnceTheLogHasIt) {
  IdempotencyIndex index(10);
  index.claim("k", 1, kReturn, kNobody);
  std::string told;
  index.claim("k", 1, kRunAgain, [&](const auto& result) { told = result->gtrid; });
  EXPECT_FALSE(index.finish("k", rolled_back("g")));
  EXPECT_EQ(told, "");
  EXPECT_FALSE(index.find("k"));
  index.finish_kept("k", rolled_back("g"));
  EXPECT_EQ(told, "g");
  const auto again = index.claim("k", 1, kReturn, kNobody);
  ASSERT_TRUE(std::holds_alternative<TransactionResult>(again));
  EXPECT_EQ(std::get<TransactionResult>(again).outcome, Outcome::rolled_back);
}

TEST(Idempotency, ARolledBackKeyRunsAgainForThoseWhoWantItOneAtATime) {
  IdempotencyIndex index(10);
  ASSERT_TRUE(is_mine(index.claim("k", 1, kRunAgain, kNobody)));
  EXPECT_TRUE(index.finish("k", rolled_back("g1"))) << "nobody wants it to stand: no record is needed";
  ASSERT_TRUE(is_mine(index.claim("k", 1, kRunAgain, kNobody)));
  index.set_gtrid("k", "g2");
  EXPECT_TRUE(std::holds_alternative<IdempotencyIndex::Attached>(index.claim("k", 1, kRunAgain, kNobody)));
  EXPECT_TRUE(std::holds_alternative<Error>(index.claim("k", 2, kRunAgain, kNobody)));
  EXPECT_FALSE(index.find("k")) << "its outcome is open again";
  index.finish("k", committed("g2"));
  const auto again = index.claim("k", 1, kRunAgain, kNobody);
  ASSERT_TRUE(std::holds_alternative<TransactionResult>(again)) << "committed, it never runs again";
  EXPECT_EQ(std::get<TransactionResult>(again).gtrid, "g2");
}

TEST(Idempotency, WhoeverWantsARollbackToStandIsToldOnceTheLogHasIt) {
  IdempotencyIndex index(10);
  index.claim("k", 1, kRunAgain, kNobody);
  index.set_gtrid("k", "g");
  index.finish("k", rolled_back("g"));
  EXPECT_TRUE(std::holds_alternative<IdempotencyIndex::Unkept>(index.claim("k", 1, kReturn, kNobody)));
  EXPECT_TRUE(std::holds_alternative<IdempotencyIndex::Unkept>(index.claim("k", 1, kReturn, kNobody)));
  index.note_kept("k", "another");
  EXPECT_TRUE(std::holds_alternative<IdempotencyIndex::Unkept>(index.claim("k", 1, kReturn, kNobody)));
  index.note_kept("k", "g");
  EXPECT_TRUE(std::holds_alternative<TransactionResult>(index.claim("k", 1, kReturn, kNobody)));
  // One who waits while it runs counts as well.
  EXPECT_TRUE(is_mine(index.claim("k", 1, kRunAgain, kNobody)));
  index.set_gtrid("k", "g2");
  index.claim("k", 1, kReturn, kNobody);
  EXPECT_FALSE(index.finish("k", rolled_back("g2")));
}

TEST(Idempotency, AnotherRunThatNeverBeganLeavesTheKeyAsItWas) {
  IdempotencyIndex index(10);
  index.claim("k", 1, kReturn, kNobody);
  index.finish_kept("k", rolled_back("g1"));
  ASSERT_TRUE(is_mine(index.claim("k", 1, kRunAgain, kNobody)));
  index.set_gtrid("k", "g2");
  index.abandon("k", {Errc::overloaded, "full", true});
  const auto again = index.claim("k", 1, kReturn, kNobody);
  ASSERT_TRUE(std::holds_alternative<TransactionResult>(again));
  EXPECT_EQ(std::get<TransactionResult>(again).gtrid, "g1");
  EXPECT_EQ(index.gtrid_of("k"), "g1");
}

TEST(Idempotency, AKeyThatRunsAgainAndAgainPushesNobodyOut) {
  IdempotencyIndex index(2);
  index.claim("old", 1, kReturn, kNobody);
  index.finish_kept("old", rolled_back("g"));
  for (int i = 0; i < 10'000; ++i) {
    ASSERT_TRUE(is_mine(index.claim("k", 1, kRunAgain, kNobody)));
    index.finish("k", rolled_back("g" + std::to_string(i)));
  }
  EXPECT_TRUE(index.find("old"));
  EXPECT_TRUE(index.find("k"));
  index.claim("new", 1, kReturn, kNobody);
  index.finish_kept("new", rolled_back("g"));
  EXPECT_FALSE(index.find("old"));
  EXPECT_TRUE(index.find("k"));
}

TEST(Idempotency, ALateRollbackOfWhatWasUnknownIsKeptBeforeItIsTold) {
  IdempotencyIndex index(10);
  for (const auto mode : {kReturn, kRunAgain}) {
    const std::string key = to_string(mode);
    index.claim(key, 1, mode, kNobody);
    index.set_gtrid(key, "g");
    EXPECT_FALSE(index.keeps_late_rollback(key, "g"));
    auto unknown = committed("g");
    unknown.outcome = Outcome::unknown;
    index.finish(key, unknown);
    EXPECT_EQ(index.keeps_late_rollback(key, "g"), mode == kReturn);
    EXPECT_FALSE(index.keeps_late_rollback(key, "another"));
  }
}

TEST(Idempotency, WhatTheLogKeepsOfARollbackIsBounded) {
  auto result = rolled_back("g");
  result.cause.emplace();
  const std::string whole(ports::kKeptCauseBytesMax - 1, 'x');
  result.cause->message = whole;
  result.cause->message.append("é and more");
  const auto record = rolled_back_key("k", 7, result);
  EXPECT_EQ(record.participants, std::vector<std::string>{"stock"});
  EXPECT_EQ(record.cause->message, whole) << "no half of a character";
}

TEST(Idempotency, CommittedKeysComeBackFromTheLog) {
  ports::LogState state;
  state.kept_keys["done"] = {"done", "g1", 7, 100, {"stock"}};
  state.kept_keys["running"] = {"running", "g2", 8, 200, {"stock"}};
  state.live["g2"].decision.gtrid = "g2";
  IdempotencyIndex index(10);
  index.restore(state);
  EXPECT_EQ(index.gtrid_of("done"), "g1");
  EXPECT_TRUE(index.find("done")->settled);
  EXPECT_FALSE(index.find("running")->settled);
  EXPECT_TRUE(std::holds_alternative<Error>(index.claim("done", 8, kReturn, kNobody)));
}

TEST(Idempotency, KeysComeBackInTheOrderOfTheLogWhateverTheClockSaid) {
  ports::LogState state;
  for (std::uint64_t i = 1; i <= 3; ++i) {
    const auto key = "k" + std::to_string(i);
    auto& kept = state.kept_keys[key];
    kept = {key, "g" + std::to_string(i), i, 1'000 - static_cast<std::int64_t>(i), {"stock"}};
    kept.order = i;
  }
  IdempotencyIndex index(2);
  index.restore(state);
  EXPECT_FALSE(index.find("k1")) << "the first one goes first, though its clock was ahead";
  EXPECT_TRUE(index.find("k2"));
  EXPECT_TRUE(index.find("k3"));
}

TEST(Idempotency, ARollbackThatTheLogKeptIsAnsweredAsBefore) {
  ports::LogState state;
  state.kept_keys["k"] = {
      "k", "g1", 7, 100, {"stock", "bank"}, false, true, Cause{"bank", 1, 1213, "40001", "deadlock", true}};
  IdempotencyIndex index(10);
  index.restore(state);
  const auto result = index.find("k");
  ASSERT_TRUE(result);
  EXPECT_EQ(result->outcome, Outcome::rolled_back);
  EXPECT_TRUE(result->settled);
  ASSERT_TRUE(result->cause);
  EXPECT_EQ(result->cause->message, "deadlock");
  EXPECT_TRUE(result->cause->retryable);
  EXPECT_EQ(result->branches.at(1).state, BranchState::rolled_back);
}

Transaction transfer(Value amount) {
  Transaction transaction;
  Statement statement{"UPDATE accounts SET balance = balance - ?", {std::move(amount)}, AffectedRange{1, 1}};
  transaction.branches.push_back({"bank", {statement}});
  return transaction;
}

TEST(Fingerprint, TellsRequestsApartByWhatTheyDo) {
  const auto base = fingerprint(transfer(std::int64_t{5}));
  EXPECT_EQ(base, fingerprint(transfer(std::int64_t{5})));
  EXPECT_NE(base, fingerprint(transfer(std::int64_t{6})));
  EXPECT_NE(base, fingerprint(transfer(std::uint64_t{5})));
  EXPECT_NE(base, fingerprint(transfer(std::string("5"))));
  auto other = transfer(std::int64_t{5});
  other.branches[0].statements[0].expect_affected = AffectedRange{0, 1};
  EXPECT_NE(base, fingerprint(other));
  other = transfer(std::int64_t{5});
  other.branches[0].participant = "bank2";
  EXPECT_NE(base, fingerprint(other));
  EXPECT_NE(fingerprint(transfer(Decimal{"1"})), fingerprint(transfer(Blob{"1"})));
}

TEST(Fingerprint, DoesNotDependOnLabelOrTimeout) {
  auto labelled = transfer(std::int64_t{5});
  labelled.label = "a retry";
  labelled.timeout = std::chrono::milliseconds(1);
  EXPECT_EQ(fingerprint(labelled), fingerprint(transfer(std::int64_t{5})));
}

TEST(Idempotency, WhatWasDecidedBeforeAnotherLogWasLostIsWaitedFor) {
  const auto gtrid = [](std::uint32_t epoch) {
    return protocol::format_gtrid({"shop1", epoch, 1, 9, Protocol::two_phase});
  };
  ports::LogState log;
  for (const std::uint32_t epoch : {3U, 4U}) {
    ports::KeptKey kept;
    kept.key = "of epoch " + std::to_string(epoch);
    kept.gtrid = gtrid(epoch);
    log.kept_keys[kept.key] = kept;
    auto& decision = log.live[kept.gtrid].decision;
    decision.gtrid = kept.gtrid;
    decision.idempotency_key = kept.key;
  }
  IdempotencyIndex keys(10);
  keys.restore(log, 4);
  EXPECT_TRUE(keys.awaits("of epoch 3", gtrid(3)));
  std::optional<Outcome> told;
  const auto again = keys.claim("of epoch 3", 0, kReturn, [&](const auto& result) { told = result->outcome; });
  EXPECT_TRUE(std::holds_alternative<IdempotencyIndex::Attached>(again)) << "it must not run again";
  EXPECT_FALSE(told);
  keys.finish("of epoch 3", committed(gtrid(3)));
  EXPECT_EQ(told, Outcome::committed);
  ASSERT_TRUE(keys.find("of epoch 4"));
  EXPECT_EQ(keys.find("of epoch 4")->outcome, Outcome::committed);
}

TEST(Idempotency, AContradictedTransactionIsNeverToldAsCommitted) {
  ports::LogState log;
  ports::KeptKey kept;
  kept.key = "k";
  kept.gtrid = "g";
  kept.participants = {"east", "west"};
  log.kept_keys["k"] = kept;
  kept.key = "old";
  kept.contradicted = true;
  log.kept_keys["old"] = kept;
  ports::LiveDecision three;
  three.decision.gtrid = "h";
  three.decision.protocol = Protocol::three_phase;
  three.decision.idempotency_key = "waits";
  log.live["h"] = three;
  IdempotencyIndex keys(10);
  keys.restore(log);
  EXPECT_EQ(keys.find("k")->outcome, Outcome::committed);
  EXPECT_EQ(keys.find("old")->outcome, Outcome::unknown);
  EXPECT_FALSE(keys.find("waits"));
  keys.contradict("k", "another");
  EXPECT_EQ(keys.find("k")->outcome, Outcome::committed);
  keys.contradict("k", "g");
  keys.contradict("waits", "h");
  for (const auto* key : {"k", "waits"}) {
    EXPECT_EQ(keys.find(key)->outcome, Outcome::unknown);
    EXPECT_TRUE(keys.find(key)->settled);
  }
  EXPECT_EQ(keys.find("k")->branches[0].state, BranchState::unproven);
}

}  // namespace
}  // namespace assent::coordinator
