// What the real daemon does after it, or a server, was killed, and what it refuses to start on.

#include <gmock/gmock.h>

#include <atomic>
#include <filesystem>
#include <future>

#include "support/audit.hpp"
#include "support/pair.hpp"
#include "support/tellers.hpp"

namespace assent::testing {
namespace {

using namespace std::chrono_literals;

class RecoveryTest : public PairTest {
 protected:
  RecoveryTest() : PairTest(Servers::Use::killable) {}
  void SetUp() override {
    daemon_.start();
    daemon_.wait_up();
  }

  void start_again() {
    daemon_.start();
    port_ = daemon_.port();
  }

  /// Tellers that transfer until they are stopped.
  Tellers load() {
    port_ = daemon_.port();
    return {bank_, told_, [this] { return port_.load(); }, {}};
  }
  void wait_for_more_commits() {
    const auto committed = [&] { return told_.counts()[static_cast<std::size_t>(Told::Outcome::committed)]; };
    const auto before = committed();
    EXPECT_TRUE(eventually([&] { return committed() > before + 20; })) << daemon_.output();
  }
  void expect_all_holds() {
    EXPECT_THAT(audit(bank_, told_, database_).problems, ::testing::IsEmpty()) << daemon_.output();
  }

  Record told_;
  std::atomic<std::uint16_t> port_{0};
};
ASSENT_FOR_EVERY_PAIR(RecoveryTest);

TEST_P(RecoveryTest, KilledAgainAndAgainUnderLoadNoMoneyIsMadeOrLost) {
  auto tellers = load();
  for (int i = 0; i < 5; ++i) {
    wait_for_more_commits();
    daemon_.kill_9();
    start_again();
  }
  daemon_.wait_up();
  tellers.stop();
  expect_all_holds();
}

TEST_P(RecoveryTest, AServerKilledUnderLoadIsSettledWhenItReturns) {
  auto tellers = load();
  for (const auto* name : {&east_, &west_}) {
    wait_for_more_commits();
    servers().kill(*name);
    servers().restart(*name);
    daemon_.wait_up();
  }
  tellers.stop();
  expect_all_holds();
  auto client = daemon_.client();
  EXPECT_TRUE(eventually([&] { return client.list()->empty(); })) << daemon_.output();
  EXPECT_EQ(client.info()->hazards, 0U);
}

TEST_P(RecoveryTest, AParticipantThatIsDownFailsNewTransactionsFastAndOthersAreServed) {
  servers().kill(west_);
  auto client = daemon_.client();
  ASSERT_TRUE(eventually([&] {
    const auto result = client.submit(transfer(1, 2, 1));
    return !result.ok() && result.error().code == Errc::unavailable;
  }));
  const auto started = std::chrono::steady_clock::now();
  const auto refused = client.submit(transfer(1, 2, 1));
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, Errc::unavailable);
  EXPECT_TRUE(refused.error().retryable);
  EXPECT_LT(std::chrono::steady_clock::now() - started, 1s);
  Transaction single;
  single.branches.push_back({"east", {change(1, -1), change(2, 1)}});
  EXPECT_EQ(submit(client, single).outcome, Outcome::committed);
  servers().restart(west_);
  daemon_.wait_up();
  EXPECT_EQ(submit(client, transfer(1, 2, 1)).outcome, Outcome::committed);
  expect_settled_and_balanced();
}

TEST_P(RecoveryTest, ItStartsWhileAParticipantIsDownAndSettlesItLater) {
  servers().kill(west_);
  EXPECT_EQ(daemon_.terminate(), 0);
  daemon_.start();
  auto client = daemon_.client();
  Transaction single;
  single.branches.push_back({"east", {change(1, -1), change(2, 1)}});
  EXPECT_TRUE(eventually([&] {
    const auto result = client.submit(single);
    return result.ok() && result->outcome == Outcome::committed;
  }));
  servers().restart(west_);
  daemon_.wait_up();
  EXPECT_EQ(submit(client, transfer(1, 2, 1)).outcome, Outcome::committed);
}

TEST_P(RecoveryTest, ACommitThatItsServerRefusesKeepsItsSessionAndIsRetried) {
  EXPECT_EQ(daemon_.terminate(), 0);
  for (auto& participant : daemon_.options().participants) participant.more_json = "\"sessions_max\": 1";
  daemon_.start();
  daemon_.wait_up();
  auto slow = transfer(1, 2, 7);
  slow.timeout = 2s;
  slow.branches[0].statements.push_back({"SELECT SLEEP(1)", {}, {}});
  auto first = std::async(std::launch::async, [&] {
    auto client = daemon_.client();
    return submit(client, slow);
  });
  // Locked after the west has prepared and before the east has, so that the decision finds the west's commit blocked.
  Sql admin(west(), "", true);
  EXPECT_TRUE(eventually([&] { return admin.rows("XA RECOVER").size() == 1; }));
  admin.run("FLUSH TABLES WITH READ LOCK");
  const auto told = first.get();
  EXPECT_EQ(told.outcome, Outcome::committed);
  EXPECT_FALSE(told.settled);
  auto client = daemon_.client();
  EXPECT_TRUE(eventually([&] { return client.info()->counters.at("settle_retries") > 0; })) << daemon_.output();
  auto second = std::async(std::launch::async, [&] {
    auto other = daemon_.client();
    return submit(other, transfer(1, 2, 1));
  });
  EXPECT_EQ(client.info()->state, "serving");
  admin.run("UNLOCK TABLES");
  EXPECT_EQ(second.get().outcome, Outcome::committed);
  EXPECT_TRUE(eventually([&] { return client.list()->empty(); }));
  EXPECT_EQ(balance(west(), 2), kOpening + 8);
  expect_settled_and_balanced();
}

TEST_P(RecoveryTest, ForeignBranchesAndAnotherCoordinatorsAreNeverTouched) {
  const std::vector<std::string> xids = {
      "X'00ff0a27','b',7",                                                          // binary, foreign
      "'" + database_ + "','01.01.east',1095978580",                                // our format, not our form
      "'other1.00000001.000000000001.0123456789abcdef.2','01.02.east',1095978580",  // another coordinator
      "'" + database_ + ".7fffffff.000000000001.0123456789abcdef.2','01.02.east',1095978580"};
  {
    for (std::size_t i = 0; i < xids.size(); ++i) {
      Sql sql(east(), database_);
      sql.run("XA START " + xids[i]);
      sql.run("INSERT INTO accounts VALUES (" + std::to_string(2 * kAccounts + i) + ", 0, '')");
      sql.run("XA END " + xids[i]);
      sql.run("XA PREPARE " + xids[i]);
    }
  }
  // One that is ours, of this log, and undecided: the sweeper's proof of life.
  const auto orphan = "'" + database_ + ".00000001.000000000fff.0123456789abcdef.2','01.02.east',1095978580";
  {
    Sql sql(east(), database_);
    sql.run("XA START " + orphan);
    // Without its row it would be taken for planted.
    sql.run("INSERT INTO assent.proof(gtrid,branch,kind,participants,protocol) VALUES ('" + database_ +
            ".00000001.000000000fff.0123456789abcdef.2',1,'proof','east,west',2)");
    sql.run("INSERT INTO accounts VALUES (99999, 0, '')");
    sql.run("XA END " + orphan);
    sql.run("XA PREPARE " + orphan);
  }
  Sql look(east());
  EXPECT_TRUE(eventually([&] { return look.rows("XA RECOVER").size() == xids.size(); })) << daemon_.output();
  auto client = daemon_.client();
  EXPECT_EQ(submit(client, transfer(1, 2, 1)).outcome, Outcome::committed);
  EXPECT_EQ(daemon_.terminate(), 0);
  daemon_.start();
  daemon_.wait_up();
  EXPECT_TRUE(eventually([&] { return daemon_.client().info()->uptime_ms > 3000; }));
  EXPECT_EQ(look.rows("XA RECOVER").size(), xids.size());
  EXPECT_EQ(daemon_.terminate(), 0);
  for (const auto& xid : xids) look.run("XA ROLLBACK " + xid);
}

TEST_P(RecoveryTest, ASecondCoordinatorOnTheSameLogIsRefused) {
  const auto [code, output] = daemon_.run_to_exit();
  EXPECT_NE(code, 0);
  EXPECT_NE(output.find("belongs to pid " + std::to_string(daemon_.pid())), std::string::npos) << output;
  auto client = daemon_.client();
  EXPECT_EQ(submit(client, transfer(1, 2, 1)).outcome, Outcome::committed);
}

TEST_P(RecoveryTest, ACopiedLogIsRefusedOnceTheOriginalHasRunOn) {
  EXPECT_EQ(daemon_.terminate(), 0);
  const auto copy = daemon_.folder() + "/copy";
  std::filesystem::copy(daemon_.log_folder(), copy, std::filesystem::copy_options::recursive);
  daemon_.start();
  daemon_.wait_up();
  EXPECT_EQ(daemon_.terminate(), 0);
  std::filesystem::remove_all(daemon_.log_folder());
  std::filesystem::rename(copy, daemon_.log_folder());
  const auto [code, output] = daemon_.run_to_exit();
  EXPECT_EQ(code, 78);
  EXPECT_NE(output.find("--log-lost"), std::string::npos) << output;
}

TEST_P(RecoveryTest, AnEmptyLogIsRefusedWhileOwnBranchesAreInDoubt) {
  EXPECT_EQ(daemon_.terminate(), 0);
  const auto orphan = "'" + database_ + ".00000001.000000000001.0123456789abcdef.2','01.02.east',1095978580";
  {
    Sql sql(east(), database_);
    sql.run("XA START " + orphan);
    sql.run("INSERT INTO accounts VALUES (99999, 0, '')");
    sql.run("XA END " + orphan);
    sql.run("XA PREPARE " + orphan);
  }
  std::filesystem::remove_all(daemon_.log_folder());
  const auto [code, output] = daemon_.run_to_exit();
  EXPECT_NE(code, 0);
  EXPECT_NE(output.find("--log-lost"), std::string::npos) << output;
  Sql look(east());
  EXPECT_EQ(look.rows("XA RECOVER").size(), 1U);
  look.run("XA ROLLBACK " + orphan);
  daemon_.options().arguments = {"--log-lost"};
  daemon_.start();
  daemon_.wait_up();
}

TEST_P(RecoveryTest, ALogThatIsDeletedEndsTheDaemonAndNothingIsAcknowledged) {
  auto client = daemon_.client();
  EXPECT_EQ(submit(client, transfer(1, 2, 1)).outcome, Outcome::committed);
  std::filesystem::remove_all(daemon_.log_folder());
  const auto result = client.submit(transfer(1, 2, 1));
  if (result.ok()) {
    EXPECT_EQ(result->outcome, Outcome::unknown);
  }
  EXPECT_EQ(daemon_.wait(20s), 70) << daemon_.output();
  EXPECT_EQ(daemon_.run_to_exit().first, 78);
  // Where it was not refused at once, nobody can know its outcome: the branches are left for an operator.
  EXPECT_EQ(in_doubt(), result.ok() ? 2U : 0U);
  for (const auto* server : {&east(), &west()}) {
    Sql sql(*server);
    const auto rows = sql.rows("XA RECOVER");
    if (rows.empty()) continue;
    const auto& listed = rows.front();
    const auto gtrid_bytes = static_cast<std::size_t>(std::stoi(listed[1]));
    sql.run("XA ROLLBACK '" + listed[3].substr(0, gtrid_bytes) + "','" + listed[3].substr(gtrid_bytes) + "'," +
            listed[0]);
  }
}

TEST_P(RecoveryTest, ProofRowsAreThereUntilTheEndAndPurgedAfterwards) {
  auto client = daemon_.client();
  for (int i = 0; i < 20; ++i) EXPECT_EQ(submit(client, transfer(1, 2, 1)).outcome, Outcome::committed);
  const std::string count = "SELECT COUNT(*) FROM assent.proof WHERE gtrid LIKE '" + database_ + ".%'";
  Sql look(east());
  EXPECT_TRUE(eventually([&] { return client.info()->counters.at("proof_rows_purged") == 40; })) << daemon_.output();
  EXPECT_EQ(look.number(count), 0);
}

}  // namespace
}  // namespace assent::testing
