#pragma once

#include <gtest/gtest.h>

#include <string>

#include "support/bank.hpp"
#include "support/daemon.hpp"
#include "support/servers.hpp"

namespace assent::testing {

/// Two servers, a bank with accounts at each, and a coordinator over both: `east` and `west`. The test's parameter says
/// which servers: "mariadb_mariadb", "mysql_mysql" or "mariadb_mysql".
class PairTest : public ::testing::TestWithParam<std::string> {
 protected:
  /// So many that transfers seldom wait for each other.
  static constexpr int kAccounts = 10'000;
  static constexpr int kOpening = 1000;  ///< Balance of each account.

  explicit PairTest(Servers::Use use = Servers::Use::any);
  ~PairTest() override;

  Servers& servers() { return servers_; }
  const Server& east() const { return servers_.at(east_); }
  const Server& west() const { return servers_.at(west_); }

  /// Moves money from `from` in the east to `to` in the west; refused when it is not there.
  static Transaction transfer(int from, int to, std::int64_t amount);
  static Statement change(int account, std::int64_t by);

  std::int64_t balance(const Server& server, int account);
  std::int64_t total(const Server& server);
  /// Branches in XA RECOVER at both servers, whoever's.
  std::size_t in_doubt();
  /// Every branch is gone, and no money was made or lost.
  void expect_settled_and_balanced();

  static TransactionResult submit(Client& client, const Transaction& transaction);

  Servers& servers_;
  std::string east_;
  std::string west_;
  std::string database_;  ///< Of this test alone; the coordinator's identity, too.
  Bank bank_;
  Daemon daemon_;
};

}  // namespace assent::testing

/// Instantiates a PairTest for every pair.
#define ASSENT_FOR_EVERY_PAIR(Suite)                                                                           \
  INSTANTIATE_TEST_SUITE_P(Pairs, Suite, ::testing::Values("mariadb_mariadb", "mysql_mysql", "mariadb_mysql"), \
                           [](const auto& which) { return which.param; })
