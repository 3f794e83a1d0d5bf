#include "support/pair.hpp"

#include <atomic>

namespace assent::testing {
namespace {

Servers& servers_for(const std::string& pair, Servers::Use use) {
  if (pair == "mariadb_mariadb") return Servers::start(2, 0, use);
  if (pair == "mysql_mysql") return Servers::start(0, 2, use);
  return Servers::start(1, 1, use);
}

std::string fresh_name() {
  static std::atomic<int> next{0};
  return "test" + std::to_string(++next);
}

}  // namespace

PairTest::PairTest(Servers::Use use)
    : servers_(servers_for(GetParam(), use)),
      east_(GetParam() == "mysql_mysql" ? "mysql1" : "mariadb1"),
      west_(GetParam() == "mariadb_mariadb" ? "mariadb2"
            : GetParam() == "mysql_mysql"   ? "mysql2"
                                            : "mysql1"),
      database_(fresh_name()),
      bank_({.database = database_,
             .places = {{"east", east()}, {"west", west()}},
             .accounts = kAccounts,
             .opening = kOpening}),
      daemon_({.coordinator_id = database_, .participants = bank_.participants(), .more_json = ""}) {}

PairTest::~PairTest() = default;

Statement PairTest::change(int account, std::int64_t by) {
  return Bank::change(account, by);
}

Transaction PairTest::transfer(int from, int to, std::int64_t amount) {
  Transaction transaction;
  transaction.branches.push_back({"east", {change(from, -amount)}});
  transaction.branches.push_back({"west", {change(to, amount)}});
  return transaction;
}

std::int64_t PairTest::balance(const Server& server, int account) {
  return Sql(server, database_).number("SELECT balance FROM accounts WHERE id = " + std::to_string(account));
}

std::int64_t PairTest::total(const Server& server) {
  return Sql(server, database_).number("SELECT SUM(balance) FROM accounts");
}

std::size_t PairTest::in_doubt() {
  return Sql(east()).rows("XA RECOVER").size() + Sql(west()).rows("XA RECOVER").size();
}

void PairTest::expect_settled_and_balanced() {
  EXPECT_TRUE(eventually([&] { return in_doubt() == 0; })) << daemon_.output();
  EXPECT_EQ(total(east()) + total(west()), 2LL * kAccounts * kOpening);
}

TransactionResult PairTest::submit(Client& client, const Transaction& transaction) {
  auto result = client.submit(transaction);
  if (!result.ok()) throw std::runtime_error(std::string(to_string(result.error().code)) + ": " + result.error().what);
  return std::move(result).value();
}

}  // namespace assent::testing
