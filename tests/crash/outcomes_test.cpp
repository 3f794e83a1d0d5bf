// One transaction, and the daemon killed at one step of it: what must have become of it after the next start.

#include <gmock/gmock.h>
#include <signal.h>

#include <future>

#include "support/crash.hpp"

namespace assent::testing {
namespace {

using namespace std::chrono_literals;

class OutcomesTest : public CrashTest {
 protected:
  static constexpr std::int64_t kAmount = 7;

  void SetUp() override { start(); }

  static Transaction keyed_transfer() {
    auto transaction = transfer(1, 2, kAmount);
    transaction.idempotency_key = "the order";
    return transaction;
  }

  /// Submits, lets the daemon die at `step`, and starts it again.
  void die_at(const std::string& step) {
    failpoints().arm(step);
    auto told = std::async(std::launch::async, [client = std::make_shared<Client>(daemon_.client())] {
      return client->submit(keyed_transfer()).ok();
    });
    EXPECT_EQ(daemon_.wait(20s), 128 + SIGKILL) << daemon_.output();
    told_ = told.get();
    start();
  }

  void expect_committed() {
    EXPECT_TRUE(eventually([&] { return in_doubt() == 0 && daemon_.client().list()->empty(); })) << daemon_.output();
    EXPECT_EQ(balance(east(), 1), kOpening - kAmount);
    EXPECT_EQ(balance(west(), 2), kOpening + kAmount);
    auto client = daemon_.client();
    EXPECT_EQ(client.info()->hazards, 0U);
    // Its key has outlived the crash: sent again it is not run again.
    EXPECT_EQ(submit(client, keyed_transfer()).outcome, Outcome::committed);
    EXPECT_EQ(balance(east(), 1), kOpening - kAmount);
  }

  void expect_rolled_back() {
    EXPECT_TRUE(eventually([&] { return in_doubt() == 0 && daemon_.client().list()->empty(); })) << daemon_.output();
    EXPECT_EQ(balance(east(), 1), kOpening);
    EXPECT_EQ(balance(west(), 2), kOpening);
    // Nothing of it was done: sent again it is run.
    auto client = daemon_.client();
    EXPECT_EQ(submit(client, keyed_transfer()).outcome, Outcome::committed);
    EXPECT_EQ(balance(west(), 2), kOpening + kAmount);
  }

  /// One that could run only after a deposit.
  static Transaction too_much() {
    auto transaction = transfer(1, 2, kOpening + kAmount);
    transaction.idempotency_key = "the order";
    return transaction;
  }

  /// Submits it, lets the daemon die at `step`, starts it again, and makes the deposit.
  void die_rolling_back(const std::string& step) {
    failpoints().arm(step);
    EXPECT_FALSE(daemon_.client().submit(too_much()).ok());
    EXPECT_EQ(daemon_.wait(20s), 128 + SIGKILL) << daemon_.output();
    start();
    auto client = daemon_.client();
    Transaction deposit;
    deposit.branches.push_back({"east", {change(3, -kAmount), change(1, kAmount)}});
    EXPECT_EQ(submit(client, deposit).outcome, Outcome::committed);
  }

  bool told_ = false;
};
ASSENT_FOR_EVERY_PAIR(OutcomesTest);

TEST_P(OutcomesTest, KilledDuringPrepareItIsRolledBack) {
  die_at("packet_answered/XA PREPARE=crash@1");
  EXPECT_FALSE(told_);
  expect_rolled_back();
}

TEST_P(OutcomesTest, KilledBeforeTheDecisionIsWrittenItIsRolledBackEverywhere) {
  die_at("log_block_unwritten/batch=crash");
  EXPECT_FALSE(told_);
  expect_rolled_back();
}

TEST_P(OutcomesTest, KilledAfterTheDecisionsSyncAndBeforeAnyCommitItIsCommitted) {
  die_at("log_block_durable/batch=crash");
  EXPECT_FALSE(told_);
  expect_committed();
}

TEST_P(OutcomesTest, KilledBetweenTwoCommitsTheRestCommits) {
  die_at("packet_unsent/branches:XA COMMIT=hold@2;branch_settled=crash");
  EXPECT_FALSE(told_);
  expect_committed();
}

TEST_P(OutcomesTest, KilledAfterAllCommitsAndBeforeTheEndRecordNothingIsSettledTwice) {
  die_at("end_unlogged=crash");
  // Both branches are proven from their rows: nothing is left to commit.
  EXPECT_THAT(daemon_.output(), ::testing::HasSubstr("transactions to finish: 1"));
  expect_committed();
}

TEST_P(OutcomesTest, KilledBeforeItsAnswerACommitSentAgainGetsTheFirstOutcome) {
  die_at("answer_unsent=crash");
  EXPECT_FALSE(told_);
  expect_committed();
}

TEST_P(OutcomesTest, KilledAfterItsAnswerWhatWasToldHolds) {
  die_at("answer_sent=crash");
  EXPECT_TRUE(told_);
  expect_committed();
}

// Rolled back, since the money is not there, under a key whose rollback is to stand.
TEST_P(OutcomesTest, KilledBeforeARollbackUnderAKeyIsKeptNobodyWasToldAndItRuns) {
  die_rolling_back("rolled_back_key_unforced=crash");
  auto client = daemon_.client();
  const auto again = submit(client, too_much());
  EXPECT_EQ(again.outcome, Outcome::committed);
  EXPECT_EQ(balance(east(), 1), 0);
}

TEST_P(OutcomesTest, KilledOnceARollbackUnderAKeyIsKeptItStands) {
  die_rolling_back("rolled_back_key_durable=crash");
  for (int start_again = 0; start_again < 2; ++start_again) {
    auto client = daemon_.client();
    const auto again = submit(client, too_much());
    EXPECT_EQ(again.outcome, Outcome::rolled_back);
    ASSERT_TRUE(again.cause);
    EXPECT_EQ(again.cause->participant, "east");
    EXPECT_EQ(balance(east(), 1), kOpening + kAmount);
    daemon_.kill_9();
    start();
  }
}

TEST_P(OutcomesTest, AStatementThatOutlivesTheDaemonIsEndedAndRolledBack) {
  auto client = daemon_.client();
  auto told = std::async(std::launch::async, [&] {
    auto slow = transfer(1, 2, kAmount);
    for (auto& branch : slow.branches) branch.statements.push_back({"SELECT SLEEP(60)", {}, {}});
    slow.timeout = 100s;
    return client.submit(slow).ok();
  });
  const std::string sleeping =
      "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE INFO LIKE '%SLEEP(60)%' AND ID<>CONNECTION_ID()";
  for (const auto* server : {&east(), &west()}) {
    auto look = dba(*server);
    EXPECT_TRUE(eventually([&] { return look.number(sleeping) == 1; }));
  }
  daemon_.kill_9();
  EXPECT_FALSE(told.get());
  start();
  // Its rows are free long before the statement would have ended.
  EXPECT_EQ(submit(*std::make_unique<Client>(daemon_.client()), keyed_transfer()).outcome, Outcome::committed);
  for (const auto* server : {&east(), &west()}) EXPECT_EQ(dba(*server).number(sleeping), 0);
  expect_committed();
}

TEST_P(OutcomesTest, ADuplicateOfItsXidMakesItTakeANewOne) {
  failpoints().arm("packet_unsent/XA PREPARE=hold");
  auto told = std::async(std::launch::async, [client = std::make_shared<Client>(daemon_.client())] {
    return submit(*client, keyed_transfer());
  });
  wait_passed("packet_unsent", 2);
  const auto gtrid = daemon_.client().list()->at(0).gtrid;
  Sql squatter(west(), database_);
  squatter.run("XA START " + xid_at(west(), gtrid));
  failpoints().arm("packet_unsent/branches:XA ROLLBACK=hold");
  failpoints().release();
  wait_passed("packet_unsent", 3);
  // The first run rolls back, and the key's outcome is still open.
  const auto meanwhile = daemon_.client().status_of_key("the order");
  ASSERT_TRUE(meanwhile.ok());
  EXPECT_FALSE(meanwhile->outcome.has_value());
  failpoints().disarm();
  const auto result = told.get();
  EXPECT_EQ(result.outcome, Outcome::committed) << daemon_.output();
  EXPECT_NE(result.gtrid, gtrid);
  squatter.run("XA END " + xid_at(west(), gtrid));
  squatter.run("XA ROLLBACK " + xid_at(west(), gtrid));
  expect_committed();
}

// What a server closes for idleness, or a DBA ends, in the middle of a branch.
TEST_P(OutcomesTest, AnActiveBranchWhoseIdleSessionIsCutIsRolledBack) {
  Transaction single;
  // With an expectation the branch is ended in a second packet: in between its session is idle.
  single.branches.push_back({"east", {change(1, -kAmount)}});
  single.timeout = 10s;
  failpoints().arm("packet_unsent/ONE PHASE=hold");
  auto told = std::async(std::launch::async, [&] {
    auto client = daemon_.client();
    return submit(client, single);
  });
  wait_passed("packet_unsent");
  kill_branch_connections(east());
  failpoints().disarm();
  const auto result = told.get();
  EXPECT_EQ(result.outcome, Outcome::rolled_back);
  ASSERT_TRUE(result.cause);
  EXPECT_TRUE(result.cause->retryable);
  EXPECT_EQ(balance(east(), 1), kOpening);
}

}  // namespace
}  // namespace assent::testing
