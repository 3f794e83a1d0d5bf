#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "bench/bench_workload.hpp"

namespace assent::bench {
namespace {

Workload::Options options(unsigned participants, unsigned touched = 2, unsigned statements = 1) {
  Workload::Options made;
  for (unsigned i = 0; i < participants; ++i) made.databases.push_back("db" + std::to_string(i));
  made.touched = touched;
  made.statements = statements;
  made.accounts = 100;
  return made;
}

std::string sql_of(const Statement& statement) {
  std::string sql;
  statement.shape->append_sql(sql, statement.args);
  return sql;
}

/// Stands for the databases: what each "SELECT SUM(balance)" or the like gives.
Workload::Ask answers(std::map<std::string, std::int64_t> by_query) {
  return [by_query](unsigned, const std::string& query) {
    const auto found = by_query.find(query);
    EXPECT_NE(found, by_query.end()) << query;
    return found == by_query.end() ? 0 : found->second;
  };
}

std::int64_t money_of(const Transaction& transaction) {
  std::int64_t sum = 0;
  for (std::size_t i = 0; i < transaction.used; ++i) {
    for (const auto& statement : transaction.branches[i].statements) sum += statement.args[0];
  }
  return sum;
}

TEST(WorkloadTest, EveryNameCanBeMade) {
  for (const auto& kind : workload_kinds()) {
    EXPECT_EQ(find_workload(kind.name), &kind);
    const auto made = make_workload(kind.name, options(3, kind.participants_min));
    Transaction transaction;
    made->next(transaction);
    EXPECT_GE(transaction.used, kind.participants_min) << kind.name;
  }
  EXPECT_EQ(find_workload("nothing"), nullptr);
}

TEST(WorkloadTest, ATransferMovesMoneyBetweenDifferentParticipantsAndMakesNone) {
  const auto workload = make_workload("transfer", options(8, 3, 2));
  std::set<unsigned> seen;
  Transaction transaction;
  for (int i = 0; i < 500; ++i) {
    workload->next(transaction);
    ASSERT_EQ(transaction.used, 3U);
    std::set<unsigned> touched;
    for (std::size_t k = 0; k < transaction.used; ++k) {
      touched.insert(transaction.branches[k].participant);
      ASSERT_EQ(transaction.branches[k].statements.size(), 2U);
      const auto& statements = transaction.branches[k].statements;
      EXPECT_LE(statements[0].args[1], statements[1].args[1]) << "rows are locked in one order";
      EXPECT_TRUE(sql_of(statements[0])
                      .starts_with("UPDATE db" + std::to_string(transaction.branches[k].participant) +
                                   ".accounts SET balance = balance + "));
    }
    EXPECT_EQ(touched.size(), 3U);
    seen.insert(touched.begin(), touched.end());
    EXPECT_EQ(money_of(transaction), 0);
    EXPECT_LT(transaction.branches[0].statements[0].args[0], 0);
  }
  EXPECT_EQ(seen.size(), 8U) << "all participants get their turn";
}

TEST(WorkloadTest, HotTransfersArePaidByFewAccounts) {
  const auto workload = make_workload("hot", options(2));
  std::set<std::int64_t> payers;
  std::set<std::int64_t> receivers;
  Transaction transaction;
  for (int i = 0; i < 500; ++i) {
    workload->next(transaction);
    payers.insert(transaction.branches[0].statements[0].args[1]);
    receivers.insert(transaction.branches[1].statements[0].args[1]);
  }
  EXPECT_EQ(payers.size(), 8U);
  EXPECT_GT(receivers.size(), 50U);
}

TEST(WorkloadTest, ReadMostlyReadsInNineOfTen) {
  const auto workload = make_workload("read-mostly", options(2));
  int reads = 0;
  Transaction transaction;
  for (int i = 0; i < 2000; ++i) {
    workload->next(transaction);
    reads += sql_of(transaction.branches[0].statements[0]).starts_with("SELECT") ? 1 : 0;
  }
  EXPECT_NEAR(reads, 1800, 100);
}

TEST(WorkloadTest, TheTotalOfAccountsMustNotChange) {
  const auto workload = make_workload("transfer", options(2));
  const auto check = [&](std::int64_t first, std::int64_t second) {
    const auto checks = workload->check(
        answers({{"SELECT SUM(balance) FROM db0.accounts", first}, {"SELECT SUM(balance) FROM db1.accounts", second}}));
    return checks.at(0);
  };
  EXPECT_TRUE(check(100 * kOpening - 7, 100 * kOpening + 7).right);
  const auto wrong = check(100 * kOpening - 7, 100 * kOpening + 6);
  EXPECT_FALSE(wrong.right);
  EXPECT_EQ(wrong.seen, "expected 200000000, seen 199999999");
}

TEST(WorkloadTest, OfATornTransferWhatCommittedIsAllowedFor) {
  const auto workload = make_workload("transfer", options(2));
  Transaction transaction;
  workload->next(transaction);
  const auto paid = transaction.branches[0].statements[0].args[0];
  workload->ended(transaction, Outcome::committed, 3);
  workload->ended(transaction, Outcome::rolled_back, 0);
  workload->ended(transaction, Outcome::unknown, 0);
  workload->ended(transaction, Outcome::torn, 1);
  const auto check = [&](std::int64_t first) {
    return workload
        ->check(answers({{"SELECT SUM(balance) FROM db0.accounts", first},
                         {"SELECT SUM(balance) FROM db1.accounts", 100 * kOpening}}))
        .at(0)
        .right;
  };
  EXPECT_TRUE(check(100 * kOpening + paid));
  EXPECT_FALSE(check(100 * kOpening));
}

TEST(WorkloadTest, SingleDepositsAreCountedAndUnknownOnesAllowedFor) {
  const auto workload = make_workload("single", options(1, 1));
  Transaction transaction;
  workload->next(transaction);
  ASSERT_EQ(transaction.used, 1U);
  for (int i = 0; i < 5; ++i) workload->ended(transaction, Outcome::committed, 1);
  workload->ended(transaction, Outcome::rolled_back, 0);
  workload->ended(transaction, Outcome::refused, 0);
  workload->ended(transaction, Outcome::unknown, 0);
  const auto right = [&](std::int64_t made) {
    return workload->check(answers({{"SELECT SUM(balance) FROM db0.accounts", 100 * kOpening + made}})).at(0).right;
  };
  EXPECT_FALSE(right(4));
  EXPECT_TRUE(right(5));
  EXPECT_TRUE(right(6));
  EXPECT_FALSE(right(7));
}

TEST(WorkloadTest, OrdersPaymentsAndStockMustAgree) {
  const auto workload = make_workload("order", options(3, 3));
  const auto rights = [&](std::int64_t orders, std::int64_t ordered, std::int64_t left, std::int64_t payments) {
    const auto checks = workload->check(answers({{"SELECT COUNT(*) FROM db0.orders", orders},
                                                 {"SELECT SUM(quantity) FROM db0.orders", ordered},
                                                 {"SELECT SUM(quantity) FROM db1.stock", left},
                                                 {"SELECT COUNT(*) FROM db2.payments", payments}}));
    return std::pair(checks.at(0).right, checks.at(1).right);
  };
  EXPECT_EQ(rights(3, 9, 100 * kOpening - 9, 3), std::pair(true, true));
  EXPECT_EQ(rights(3, 9, 100 * kOpening - 9, 2), std::pair(false, true));
  EXPECT_EQ(rights(3, 9, 100 * kOpening - 8, 3), std::pair(true, false));
  // The stock was taken, and nothing else of it was done.
  Transaction transaction;
  workload->next(transaction);
  const auto quantity = transaction.branches[1].statements[0].args[0];
  workload->ended(transaction, Outcome::torn, 0b010);
  EXPECT_EQ(rights(3, 9, 100 * kOpening - 9 - quantity, 3), std::pair(true, true));
  EXPECT_EQ(rights(3, 9, 100 * kOpening - 9, 3), std::pair(true, false));
}

TEST(WorkloadTest, EveryOrderHasANumberOfItsOwnAndExpectsItsStock) {
  const auto workload = make_workload("order", options(3, 3));
  std::set<std::int64_t> numbers;
  Transaction transaction;
  for (int i = 0; i < 100; ++i) {
    workload->next(transaction);
    ASSERT_EQ(transaction.used, 3U);
    const auto& order = transaction.branches[0].statements[0];
    const auto& take = transaction.branches[1].statements[0];
    const auto& pay = transaction.branches[2].statements[0];
    numbers.insert(order.args[0]);
    EXPECT_EQ(pay.args[0], order.args[0]);
    EXPECT_EQ(take.args[0], order.args[2]);
    EXPECT_EQ(take.args[2], take.args[0]) << "takes no more than there is";
    EXPECT_TRUE(take.shape->expect_one());
    EXPECT_FALSE(order.shape->expect_one());
  }
  EXPECT_EQ(numbers.size(), 100U);
}

TEST(WorkloadTest, TablesAreFilledWithTheRowsAskedFor) {
  auto wanted = options(3, 3);
  wanted.accounts = 2500;
  const auto statements = make_workload("transfer", wanted)->make_tables(1);
  ASSERT_EQ(statements.size(), 4U) << "a table and 2,500 rows by the thousand";
  EXPECT_TRUE(statements[0].starts_with("CREATE TABLE db1.accounts "));
  EXPECT_EQ(std::count(statements[1].begin(), statements[1].end(), '('), 1000);
  EXPECT_EQ(std::count(statements[3].begin(), statements[3].end(), '('), 500);
  EXPECT_NE(statements[3].find("(2500,1000000)"), std::string::npos);
}

}  // namespace
}  // namespace assent::bench
