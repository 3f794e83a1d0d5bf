// Transactions through the real daemon over TCP, checked by reading the databases.

#include <future>
#include <thread>

#include "support/pair.hpp"

namespace assent::testing {
namespace {

using namespace std::chrono_literals;

class TransactionsTest : public PairTest {
 protected:
  void SetUp() override {
    daemon_.start();
    daemon_.wait_up();
  }
  void TearDown() override { expect_settled_and_balanced(); }
};
ASSENT_FOR_EVERY_PAIR(TransactionsTest);

TEST_P(TransactionsTest, ATransferCommitsOnBothOrIsRefusedOnBoth) {
  auto client = daemon_.client();
  const auto result = submit(client, transfer(1, 2, 300));
  EXPECT_EQ(result.outcome, Outcome::committed);
  EXPECT_TRUE(result.settled);
  EXPECT_EQ(result.branches[0].statements[0].affected, 1U);
  EXPECT_EQ(balance(east(), 1), 700);
  EXPECT_EQ(balance(west(), 2), 1300);

  const auto refused = submit(client, transfer(1, 2, 701));
  EXPECT_EQ(refused.outcome, Outcome::rolled_back);
  ASSERT_TRUE(refused.cause);
  EXPECT_EQ(refused.cause->participant, "east");
  EXPECT_EQ(refused.cause->statement, 0U);
  EXPECT_FALSE(refused.cause->retryable);
  EXPECT_EQ(balance(east(), 1), 700);
  EXPECT_EQ(balance(west(), 2), 1300);
}

TEST_P(TransactionsTest, AnErrorInOneBranchRollsBackTheOtherAndNamesTheServersReason) {
  auto client = daemon_.client();
  auto transaction = transfer(1, 2, 10);
  transaction.branches[1].statements.push_back({"INSERT INTO accounts VALUES (1, 0, '')", {}, {}});
  const auto result = submit(client, transaction);
  EXPECT_EQ(result.outcome, Outcome::rolled_back);
  ASSERT_TRUE(result.cause);
  EXPECT_EQ(result.cause->participant, "west");
  EXPECT_EQ(result.cause->statement, 1U);
  EXPECT_EQ(result.cause->server_errno, 1062U);
  EXPECT_EQ(result.cause->sqlstate, "23000");
  EXPECT_EQ(balance(east(), 1), 1000);
}

TEST_P(TransactionsTest, RowsOfASelectComeBackByType) {
  auto client = daemon_.client();
  Transaction transaction;
  transaction.branches.push_back({"east",
                                  {{"SELECT id, balance, ? AS b, ? AS d, ? AS n, ? AS t FROM accounts WHERE id = ?",
                                    {Blob{std::string("\0\xff\n", 3)}, Decimal{"12345678901234567890.12"}, Null{},
                                     std::string("h\xC3\xA9 'q' \\"), std::int64_t{7}},
                                    {}}}});
  const auto result = submit(client, transaction);
  ASSERT_EQ(result.outcome, Outcome::committed);
  ASSERT_TRUE(result.branches[0].statements[0].rows);
  const auto& rows = *result.branches[0].statements[0].rows;
  EXPECT_EQ(rows.columns, (std::vector<std::string>{"id", "balance", "b", "d", "n", "t"}));
  ASSERT_EQ(rows.rows.size(), 1U);
  EXPECT_EQ(rows.rows[0][0], Value(std::int64_t{7}));
  EXPECT_EQ(rows.rows[0][1], Value(std::int64_t{1000}));
  EXPECT_EQ(rows.rows[0][2], Value(Blob{std::string("\0\xff\n", 3)}));
  EXPECT_EQ(rows.rows[0][3], Value(Decimal{"12345678901234567890.12"}));
  EXPECT_EQ(rows.rows[0][4], Value(Null{}));
  EXPECT_EQ(rows.rows[0][5], Value(std::string("h\xC3\xA9 'q' \\")));
}

TEST_P(TransactionsTest, AWrongRequestIsAClearErrorBeforeAnythingRuns) {
  auto client = daemon_.client();
  const auto error_of = [&](const Transaction& transaction) {
    const auto result = client.submit(transaction);
    EXPECT_FALSE(result.ok());
    return result.ok() ? Error{} : result.error();
  };
  Transaction empty;
  EXPECT_EQ(error_of(empty).code, Errc::invalid_argument);

  auto unknown = transfer(1, 2, 1);
  unknown.branches[1].participant = "nowhere";
  EXPECT_EQ(error_of(unknown).code, Errc::invalid_argument);
  EXPECT_NE(error_of(unknown).what.find("nowhere"), std::string::npos);

  auto twice = transfer(1, 2, 1);
  twice.branches[1].participant = "east";
  EXPECT_NE(error_of(twice).what.find("twice"), std::string::npos);

  auto no_statements = transfer(1, 2, 1);
  no_statements.branches[1].statements.clear();
  EXPECT_EQ(error_of(no_statements).code, Errc::invalid_argument);

  auto control = transfer(1, 2, 1);
  control.branches[1].statements.push_back({"COMMIT", {}, {}});
  EXPECT_EQ(error_of(control).code, Errc::invalid_argument);

  auto two = transfer(1, 2, 1);
  two.branches[1].statements.push_back({"SELECT 1; DELETE FROM accounts", {}, {}});
  EXPECT_EQ(error_of(two).code, Errc::invalid_argument);

  EXPECT_EQ(balance(east(), 1), 1000);
}

TEST_P(TransactionsTest, InThreePhasesItCommitsOrRollsBackLikeAnyOther) {
  auto client = daemon_.client();
  auto transaction = transfer(1, 2, 100);
  transaction.protocol = Protocol::three_phase;
  const auto result = submit(client, transaction);
  EXPECT_EQ(result.outcome, Outcome::committed);
  EXPECT_TRUE(result.settled);
  EXPECT_EQ(result.gtrid.substr(result.gtrid.size() - 2), ".3");
  EXPECT_EQ(client.status_of_gtrid(result.gtrid)->protocol, Protocol::three_phase);
  EXPECT_EQ(balance(east(), 1), 900);
  auto too_much = transfer(1, 2, 1000);
  too_much.protocol = Protocol::three_phase;
  EXPECT_EQ(submit(client, too_much).outcome, Outcome::rolled_back);
  // A single branch: once in one phase, once with a key that is to be kept.
  for (const int amount : {1, -1}) {
    auto alone = transfer(1, 2, amount);
    alone.protocol = Protocol::three_phase;
    alone.branches.pop_back();
    if (amount < 0) alone.idempotency_key = "a branch of its own";
    EXPECT_EQ(submit(client, alone).outcome, Outcome::committed);
  }
  EXPECT_EQ(balance(east(), 1), 900);
  // What acceptors keep goes once nothing needs it any more.
  for (const auto* server : {&east(), &west()}) {
    Sql look(*server);
    EXPECT_TRUE(eventually([&] {
      return look.number("SELECT COUNT(*) FROM assent.acceptor WHERE gtrid LIKE '" + database_ + ".%'") == 0;
    }));
    EXPECT_GE(look.text("SELECT closed_below FROM assent.pulse WHERE coordinator='" + database_ + "'"),
              result.gtrid.substr(0, result.gtrid.rfind('.', result.gtrid.size() - 3)));
  }
}

TEST_P(TransactionsTest, TheSameKeyRunsOnceAlsoAcrossAKill) {
  auto transaction = transfer(1, 2, 100);
  transaction.idempotency_key = "order-1";
  std::string gtrid;
  {
    auto client = daemon_.client();
    const auto first = submit(client, transaction);
    EXPECT_EQ(first.outcome, Outcome::committed);
    gtrid = first.gtrid;
    EXPECT_EQ(submit(client, transaction).gtrid, gtrid);
    auto other = transfer(1, 2, 101);
    other.idempotency_key = "order-1";
    const auto refused = client.submit(other);
    ASSERT_FALSE(refused.ok());
    EXPECT_EQ(refused.error().code, Errc::conflict);
  }
  daemon_.kill_9();
  daemon_.start();
  daemon_.wait_up();
  auto client = daemon_.client();
  const auto again = submit(client, transaction);
  EXPECT_EQ(again.gtrid, gtrid);
  EXPECT_EQ(again.outcome, Outcome::committed);
  EXPECT_EQ(balance(east(), 1), 900);
  const auto status = client.status_of_key("order-1");
  ASSERT_TRUE(status.ok());
  EXPECT_EQ(status->outcome, Outcome::committed);
}

TEST_P(TransactionsTest, ARollbackUnderAKeyStandsAlsoAcrossKills) {
  auto transaction = transfer(1, 2, 1'100);
  transaction.idempotency_key = "order-1";
  std::string gtrid;
  {
    auto client = daemon_.client();
    const auto first = submit(client, transaction);
    EXPECT_EQ(first.outcome, Outcome::rolled_back);
    gtrid = first.gtrid;
    // Now it could run. The client has put another one in its place.
    Transaction deposit;
    deposit.branches.push_back({"east", {change(3, -500), change(1, 500)}});
    EXPECT_EQ(submit(client, deposit).outcome, Outcome::committed);
    EXPECT_EQ(submit(client, transaction).gtrid, gtrid);
  }
  for (int start = 0; start < 2; ++start) {
    daemon_.kill_9();
    daemon_.start();
    daemon_.wait_up();
    auto client = daemon_.client();
    const auto again = submit(client, transaction);
    EXPECT_EQ(again.gtrid, gtrid) << "after start " << start << " it ran again";
    EXPECT_EQ(again.outcome, Outcome::rolled_back);
    ASSERT_TRUE(again.cause);
    EXPECT_EQ(again.cause->participant, "east");
    EXPECT_EQ(client.status_of_key("order-1")->outcome, Outcome::rolled_back);
    EXPECT_EQ(balance(east(), 1), 1500);
  }
  // Whoever wants it to run again says so.
  auto client = daemon_.client();
  transaction.on_rolled_back = OnRolledBack::run_again;
  EXPECT_EQ(submit(client, transaction).outcome, Outcome::committed);
  EXPECT_EQ(balance(east(), 1), 400);
  transaction.on_rolled_back = OnRolledBack::return_outcome;
  EXPECT_EQ(submit(client, transaction).outcome, Outcome::committed);
}

TEST_P(TransactionsTest, ARolledBackKeyRunsAgainUntilItCommitsAndThenNeverMore) {
  auto transaction = transfer(1, 2, 1'100);
  transaction.idempotency_key = "order-1";
  transaction.on_rolled_back = OnRolledBack::run_again;
  std::string before;
  for (int start = 0; start < 2; ++start) {
    auto client = daemon_.client();
    for (int i = 0; i < 3; ++i) {
      const auto result = submit(client, transaction);
      EXPECT_EQ(result.outcome, Outcome::rolled_back);
      EXPECT_NE(result.gtrid, before) << "it was not run again";
      before = result.gtrid;
    }
    auto other = transfer(1, 2, 1'101);
    other.idempotency_key = "order-1";
    other.on_rolled_back = OnRolledBack::run_again;
    // After a start nobody remembers it.
    if (start == 0) {
      EXPECT_EQ(client.submit(other).error().code, Errc::conflict);
    }
    daemon_.kill_9();
    daemon_.start();
    daemon_.wait_up();
  }
  auto client = daemon_.client();
  Transaction deposit;
  deposit.branches.push_back({"east", {change(3, -500), change(1, 500)}});
  EXPECT_EQ(submit(client, deposit).outcome, Outcome::committed);
  std::vector<std::future<TransactionResult>> together;
  for (int i = 0; i < 4; ++i) {
    together.push_back(std::async(std::launch::async, [&] {
      auto own = daemon_.client();
      return submit(own, transaction);
    }));
  }
  std::string committed;
  for (auto& one : together) {
    const auto result = one.get();
    EXPECT_EQ(result.outcome, Outcome::committed);
    if (committed.empty()) committed = result.gtrid;
    EXPECT_EQ(result.gtrid, committed) << "it ran more than once";
  }
  EXPECT_EQ(balance(east(), 1), 400);
  daemon_.kill_9();
  daemon_.start();
  daemon_.wait_up();
  auto later = daemon_.client();
  EXPECT_EQ(submit(later, transaction).gtrid, committed);
  EXPECT_EQ(balance(east(), 1), 400);
}

TEST_P(TransactionsTest, ASingleBranchWithAKeyRunsOnceAlsoAcrossAKill) {
  Transaction transaction;
  transaction.branches.push_back({"east", {change(1, -1), change(2, 1)}});
  transaction.idempotency_key = "single-1";
  {
    auto client = daemon_.client();
    EXPECT_EQ(submit(client, transaction).outcome, Outcome::committed);
  }
  daemon_.kill_9();
  daemon_.start();
  daemon_.wait_up();
  auto client = daemon_.client();
  EXPECT_EQ(submit(client, transaction).outcome, Outcome::committed);
  EXPECT_EQ(balance(east(), 1), 999);
}

TEST_P(TransactionsTest, ADeadlockAcrossTwoServersEndsWithinTheDeadline) {
  // Each locks a row at one server at once, and wants the other's row half a second later.
  const auto make = [](const char* first, const char* second) {
    Transaction transaction;
    transaction.timeout = 2s;
    transaction.branches.push_back({first, {change(5, 1)}});
    transaction.branches.push_back({second, {{"SELECT SLEEP(0.5)", {}, {}}, change(5, -1)}});
    return transaction;
  };
  const auto started = std::chrono::steady_clock::now();
  auto other = std::async(std::launch::async, [&] {
    auto client = daemon_.client();
    return submit(client, make("west", "east"));
  });
  auto client = daemon_.client();
  const auto one = submit(client, make("east", "west"));
  const auto two = other.get();
  EXPECT_LT(std::chrono::steady_clock::now() - started, 5s);
  EXPECT_TRUE(one.outcome == Outcome::rolled_back || two.outcome == Outcome::rolled_back);
  for (const auto* result : {&one, &two}) {
    EXPECT_NE(result->outcome, Outcome::unknown);
    if (result->outcome == Outcome::rolled_back) {
      ASSERT_TRUE(result->cause);
      EXPECT_TRUE(result->cause->retryable) << result->cause->message;
    }
  }
}

TEST_P(TransactionsTest, ADeadlockInsideOneServerRollsBackRetryably) {
  const auto make = [](int first, int second) {
    Transaction transaction;
    transaction.branches.push_back({"east", {change(first, 1), {"SELECT SLEEP(0.5)", {}, {}}, change(second, -1)}});
    transaction.branches.push_back({"west", {{"SELECT 1", {}, {}}}});
    return transaction;
  };
  auto other = std::async(std::launch::async, [&] {
    auto client = daemon_.client();
    return submit(client, make(11, 12));
  });
  auto client = daemon_.client();
  const auto one = submit(client, make(12, 11));
  const auto two = other.get();
  const auto& loser = one.outcome == Outcome::rolled_back ? one : two;
  EXPECT_EQ(loser.outcome, Outcome::rolled_back);
  ASSERT_TRUE(loser.cause);
  EXPECT_TRUE(loser.cause->retryable);
  EXPECT_EQ(loser.cause->server_errno, 1213U);
}

TEST_P(TransactionsTest, ALockWaitEndsWithTheDeadlineAndIsNeverHalfCommitted) {
  Sql holder(west(), database_);
  holder.run("BEGIN");
  holder.run("UPDATE accounts SET note = 'held' WHERE id = 2");
  auto client = daemon_.client();
  auto transaction = transfer(1, 2, 10);
  transaction.timeout = 1s;
  const auto started = std::chrono::steady_clock::now();
  const auto result = submit(client, transaction);
  EXPECT_LT(std::chrono::steady_clock::now() - started, 3s);
  EXPECT_EQ(result.outcome, Outcome::rolled_back);
  ASSERT_TRUE(result.cause);
  EXPECT_TRUE(result.cause->retryable);
  holder.run("ROLLBACK");
  EXPECT_EQ(balance(east(), 1), 1000);
  // The session that waited is free again, or replaced.
  EXPECT_EQ(submit(client, transfer(1, 2, 10)).outcome, Outcome::committed);
}

TEST_P(TransactionsTest, MoreTransactionsThanSessionsWaitTheirTurn) {
  daemon_.terminate();
  for (auto& participant : daemon_.options().participants) participant.more_json = "\"sessions_max\": 2";
  daemon_.start();
  daemon_.wait_up();
  std::vector<std::thread> threads;
  std::atomic<int> committed{0};
  for (int i = 0; i < 12; ++i) {
    threads.emplace_back([&, i] {
      auto client = daemon_.client();
      auto transaction = transfer(20 + i, 20 + i, 1);
      transaction.branches[i % 2 == 0 ? 0 : 1].statements.push_back({"SELECT SLEEP(0.05)", {}, {}});
      if (submit(client, transaction).outcome == Outcome::committed) ++committed;
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(committed, 12);
}

TEST_P(TransactionsTest, OverTheBoundIsARetryableErrorAndNothingRuns) {
  daemon_.terminate();
  daemon_.options().more_json = "\"limits\": {\"live_transactions_max\": 2}";
  daemon_.start();
  daemon_.wait_up();
  std::vector<std::future<Result<TransactionResult>>> running;
  for (int i = 0; i < 2; ++i) {
    running.push_back(std::async(std::launch::async, [&, i] {
      auto client = daemon_.client();
      auto slow = transfer(30 + i, 30 + i, 1);
      slow.branches[0].statements.push_back({"SELECT SLEEP(1)", {}, {}});
      return client.submit(slow);
    }));
  }
  auto client = daemon_.client();
  ASSERT_TRUE(eventually([&] { return client.info()->live == 2; }));
  const auto refused = client.submit(transfer(1, 2, 5));
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, Errc::overloaded);
  EXPECT_TRUE(refused.error().retryable);
  for (auto& future : running) EXPECT_EQ(future.get()->outcome, Outcome::committed);
  EXPECT_EQ(balance(east(), 1), 1000);
  EXPECT_EQ(submit(client, transfer(1, 2, 5)).outcome, Outcome::committed);
}

TEST_P(TransactionsTest, SigtermUnderLoadEndsInOrderWithinItsBound) {
  std::atomic<bool> stop{false};
  std::atomic<int> committed{0};
  std::vector<std::thread> clients;
  for (int i = 0; i < 8; ++i) {
    clients.emplace_back([&, i] {
      auto client = daemon_.client();
      while (!stop) {
        const auto result = client.submit(transfer(40 + i, 40 + i, 1));
        if (!result.ok()) {
          if (result.error().code != Errc::shutting_down) stop = true;
          continue;
        }
        if (result->outcome == Outcome::committed) ++committed;
      }
    });
  }
  ASSERT_TRUE(eventually([&] { return committed > 50; }));
  EXPECT_EQ(daemon_.terminate(15s), 0) << daemon_.output();
  stop = true;
  for (auto& thread : clients) thread.join();
  EXPECT_EQ(in_doubt(), 0U);
  EXPECT_EQ(total(east()), kAccounts * kOpening - committed);
}

}  // namespace
}  // namespace assent::testing
