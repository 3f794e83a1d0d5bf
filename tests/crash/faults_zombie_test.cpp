// An owner that was taken for dead while a pre-commit of its was still to be sent, by a successor that could not see
// its sessions.

#include <gmock/gmock.h>
#include <signal.h>

#include <future>

#include "support/seams.hpp"

namespace assent::testing {
namespace {

using namespace std::chrono_literals;

class FaultsZombieTest : public SeamsTest {
 protected:
  /// An account that may do all that a participant needs, and does not see others' sessions.
  void make_account(const Server& server) {
    Sql admin(server, "", true);
    const std::string name = "'" + account() + "'@'%'";
    admin.run("DROP USER IF EXISTS " + name);
    admin.run("CREATE USER " + name + " IDENTIFIED BY 'secret'");
    admin.run("GRANT ALL PRIVILEGES ON " + database_ + ".* TO " + name);
    admin.run("GRANT ALL PRIVILEGES ON assent.* TO " + name);
    if (server.kind != "mysql") return;
    admin.run("GRANT XA_RECOVER_ADMIN ON *.* TO " + name);
    admin.run("GRANT SELECT ON performance_schema.* TO " + name);
  }
  void grant_process(const Server& server) {
    Sql(server, "", true).run("GRANT PROCESS ON *.* TO '" + account() + "'@'%'");
  }
  std::string account() const { return database_ + "_blind"; }

  /// The same coordinator on a new log, under that account.
  std::unique_ptr<Daemon> successor() {
    auto options = daemon_.options();
    for (auto& participant : options.participants) {
      participant.user = account();
      participant.password = "secret";
    }
    options.program = "assentd";
    options.environment.clear();
    options.arguments = {"--log-lost"};
    return std::make_unique<Daemon>(options);
  }
  /// On MariaDB a branch is its session's until that ends; the session that pre-commits has no branch.
  void end_branches_sessions() {
    for (const auto& server : {east(), west()}) {
      if (server.kind != "mariadb") continue;
      auto sql = dba(server);
      for (const auto& row : sql.rows("SELECT trx_mysql_thread_id FROM information_schema.INNODB_TRX WHERE "
                                      "trx_mysql_thread_id<>0 AND trx_mysql_thread_id<>CONNECTION_ID()")) {
        sql.error_of("KILL " + row[0]);
      }
    }
  }
  std::int64_t accepted(const Server& server, const std::string& value) {
    return dba(server).number("SELECT COUNT(*) FROM assent.acceptor WHERE gtrid LIKE '" + database_ +
                              ".%' AND accepted_value='" + value + "'");
  }
};
ASSENT_FOR_EVERY_PAIR(FaultsZombieTest);

TEST_P(FaultsZombieTest, ItsLatePreCommitIsRefusedByTheStatementThatWouldAcceptIt) {
  start();
  for (const auto& server : {east(), west()}) make_account(server);
  failpoints().arm("packet_unsent/'commit'=hold");
  auto told = std::async(std::launch::async, [client = std::make_shared<Client>(daemon_.client())] {
    auto one = order(Protocol::three_phase);
    one.timeout = 60s;
    return client->submit(one);
  });
  wait_passed("packet_unsent", 2);
  daemon_.signal(SIGSTOP);
  end_branches_sessions();
  auto next = successor();
  next->start();
  // On MariaDB it waits for sessions that it cannot see, and says so.
  const auto waits = [&] { return next->output().find("PROCESS") != std::string::npos; };
  EXPECT_TRUE(eventually([&] { return ours() == 0 || waits(); }, 40s)) << next->output();
  const auto sweeps = [&] { return next->client().info()->counters.at("sweeps"); };
  const auto enough = sweeps() + 40;
  EXPECT_TRUE(eventually([&] { return sweeps() >= enough; })) << next->output();
  const bool rolled_back = ours() == 0;
  daemon_.signal(SIGCONT);
  failpoints().disarm();
  const auto answer = told.get();
  if (rolled_back) {
    EXPECT_FALSE(answer.ok() && answer->outcome == Outcome::committed) << daemon_.output();
    for (const auto& server : {east(), west()}) EXPECT_EQ(accepted(server, "commit"), 0) << server.name;
    expect_moved(false);
  }
  // Whoever it was decided by: one outcome, and the client was told no other.
  for (const auto& server : {east(), west()}) grant_process(server);
  EXPECT_TRUE(eventually([&] { return ours() == 0; }, 40s)) << next->output() << daemon_.output();
  const bool moved = balance(east(), 1) != kOpening;
  expect_moved(moved);
  if (!answer.ok()) return;
  EXPECT_NE(answer->outcome, moved ? Outcome::rolled_back : Outcome::committed);
}

}  // namespace
}  // namespace assent::testing
