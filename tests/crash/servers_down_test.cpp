// Servers killed, alone, together and with the daemon, at each stage of a transaction.

#include <gmock/gmock.h>

#include <future>

#include "support/crash.hpp"
#include "wal/log.hpp"

namespace assent::testing {
namespace {

using namespace std::chrono_literals;

class ServersDownTest : public CrashTest {
 protected:
  static constexpr std::int64_t kAmount = 7;

  void SetUp() override { start(); }

  std::future<TransactionResult> submitting(std::chrono::milliseconds timeout = 2s) {
    auto transaction = transfer(1, 2, kAmount);
    transaction.timeout = timeout;
    return std::async(std::launch::async, [transaction, client = std::make_shared<Client>(daemon_.client())] {
      return submit(*client, transaction);
    });
  }
  /// Of a daemon that is killed while it waits.
  std::future<bool> submitting_in_vain() {
    return std::async(std::launch::async, [client = std::make_shared<Client>(daemon_.client())] {
      return client->submit(transfer(1, 2, kAmount)).ok();
    });
  }

  /// Starts the daemon whoever of its participants is there.
  void start_alone() {
    daemon_.options().environment = {};
    daemon_.start();
  }

  void bring_back(const std::vector<std::string>& names) {
    for (const auto& name : names) servers().restart(name);
    daemon_.wait_up();
  }

  void expect_moved(std::int64_t amount) {
    auto client = daemon_.client();
    EXPECT_TRUE(eventually([&] { return in_doubt() == 0 && client.list()->empty(); })) << daemon_.output();
    EXPECT_EQ(balance(east(), 1), kOpening - amount);
    EXPECT_EQ(balance(west(), 2), kOpening + amount);
    EXPECT_EQ(client.info()->hazards, 0U);
  }
};
ASSENT_FOR_EVERY_PAIR(ServersDownTest);

TEST_P(ServersDownTest, OneKilledBeforeItsPrepareRollsAllBack) {
  failpoints().arm("packet_unsent/XA PREPARE=hold");
  auto told = submitting();
  wait_passed("packet_unsent", 2);
  servers().kill(west_);
  failpoints().disarm();
  EXPECT_EQ(told.get().outcome, Outcome::rolled_back);
  bring_back({west_});
  expect_moved(0);
}

TEST_P(ServersDownTest, OneKilledAfterItsPrepareWasAcknowledgedCommitsWhenItIsBack) {
  failpoints().arm("decision_unforced=hold");
  auto told = submitting();
  wait_passed("decision_unforced");
  servers().kill(west_);
  failpoints().disarm();
  const auto result = told.get();
  EXPECT_EQ(result.outcome, Outcome::committed);
  EXPECT_FALSE(result.settled);
  bring_back({west_});
  expect_moved(kAmount);
}

TEST_P(ServersDownTest, OneKilledDuringItsCommitIsAskedAgainAndTheProofRowDecides) {
  for (const auto* moment : {"packet_unsent/branches:XA COMMIT", "packet_answered/branches:XA COMMIT"}) {
    SCOPED_TRACE(moment);
    const auto before = kOpening - balance(east(), 1);
    const std::string hold = moment;
    failpoints().arm(hold + "=hold");
    auto told = submitting();
    wait_passed(hold.substr(0, hold.find('/')), 2);
    servers().kill(west_);
    failpoints().disarm();
    EXPECT_EQ(told.get().outcome, Outcome::committed);
    bring_back({west_});
    expect_moved(before + kAmount);
  }
}

TEST_P(ServersDownTest, BothKilledAfterTheirPreparesCommitWhenTheyAreBackInEitherOrder) {
  std::int64_t moved = 0;
  for (const auto& order : {std::vector{east_, west_}, std::vector{west_, east_}}) {
    failpoints().arm("decision_unforced=hold");
    auto told = submitting();
    wait_passed("decision_unforced", moved == 0 ? 1 : 2);
    servers().kill(east_);
    servers().kill(west_);
    failpoints().disarm();
    const auto result = told.get();
    EXPECT_EQ(result.outcome, Outcome::committed);
    EXPECT_FALSE(result.settled);
    bring_back(order);
    moved += kAmount;
    expect_moved(moved);
  }
}

// The one that is down may show a commit, by a DBA's hand for instance: until it was read its sibling waits, and
// monitoring sees that.
TEST_P(ServersDownTest, WithTheDaemonKilledBeforeTheDecisionAllIsRolledBackOnceAllAreBack) {
  failpoints().arm("decision_unforced=hold");
  auto told = submitting_in_vain();
  wait_passed("decision_unforced");
  servers().kill(west_);
  daemon_.kill_9();
  EXPECT_FALSE(told.get());
  start_alone();
  auto client = daemon_.client();
  EXPECT_TRUE(eventually([&] { return client.list()->size() == 1U && client.info()->in_doubt > 0; }))
      << daemon_.output();
  EXPECT_EQ(listed(east()).size(), 1U);
  bring_back({west_});
  expect_moved(0);
}

TEST_P(ServersDownTest, WithTheDaemonKilledAfterTheDecisionAllCommitsAndNewWorkIsServedMeanwhile) {
  failpoints().arm("decision_durable=hold");
  auto told = submitting_in_vain();
  wait_passed("decision_durable");
  servers().kill(west_);
  daemon_.kill_9();
  EXPECT_FALSE(told.get());
  start_alone();
  EXPECT_TRUE(eventually([&] { return balance(east(), 1) == kOpening - kAmount; })) << daemon_.output();
  auto client = daemon_.client();
  Transaction single;
  single.branches.push_back({"east", {change(3, -1), change(4, 1)}});
  EXPECT_EQ(submit(client, single).outcome, Outcome::committed);
  EXPECT_EQ(client.list()->size(), 1U);
  bring_back({west_});
  expect_moved(kAmount);
}

TEST_P(ServersDownTest, DownAtTheStartBackInAnyOrderAndDownAgainTheyAreSettledInTheEnd) {
  failpoints().arm("decision_durable=hold");
  auto told = submitting_in_vain();
  wait_passed("decision_durable");
  servers().kill(east_);
  servers().kill(west_);
  daemon_.kill_9();
  EXPECT_FALSE(told.get());
  start_alone();
  auto client = daemon_.client();
  EXPECT_EQ(client.list()->size(), 1U);
  const auto refused = client.submit(transfer(3, 4, 1));
  ASSERT_FALSE(refused.ok());
  EXPECT_TRUE(refused.error().retryable);
  servers().restart(west_);
  EXPECT_TRUE(eventually([&] { return listed(west()).empty(); })) << daemon_.output();
  servers().kill(west_);
  servers().restart(east_);
  EXPECT_TRUE(eventually([&] { return listed(east()).empty(); })) << daemon_.output();
  servers().kill(east_);
  daemon_.kill_9();
  start_alone();
  bring_back({east_, west_});
  expect_moved(kAmount);
}

TEST_P(ServersDownTest, AThousandBranchesInDoubtAreSettledWhileNewWorkIsServed) {
  constexpr std::uint64_t kDecided = 200;
  constexpr std::uint64_t kOrphans = 300;  // More than one sweep takes.
  EXPECT_EQ(daemon_.terminate(), 0);
  {
    auto opened = wal::open({.directory = daemon_.log_folder(), .segment_bytes = 65536}, wal::posix_disk());
    ASSERT_TRUE(opened.ok()) << opened.error().what;
    for (std::uint64_t i = 0; i < kDecided; ++i) {
      opened->log->append_forced(
          ports::CommitDecision{
              .gtrid = orphan_gtrid(1, i), .participants = {"east", "west"}, .idempotency_key = {}, .label = {}},
          [](const Status& status) { EXPECT_TRUE(status.ok()); });
    }
    EXPECT_TRUE(opened->log->close().ok());
  }
  for (const auto* server : {&east(), &west()}) {
    for (std::uint64_t i = 0; i < kDecided + kOrphans; ++i) {
      prepare_by_hand(*server, orphan_gtrid(1, i),
                      "UPDATE accounts SET balance = balance + 1 WHERE id = " + std::to_string(100 + i));
    }
  }
  const auto begun = std::chrono::steady_clock::now();
  start_alone();
  daemon_.wait_up();
  auto client = daemon_.client();
  EXPECT_EQ(submit(client, transfer(1, 2, kAmount)).outcome, Outcome::committed);
  EXPECT_TRUE(eventually([&] { return in_doubt() == 0; })) << daemon_.output();
  std::printf("%s: %d branches in doubt settled %.2f s after the start of the daemon\n", GetParam().c_str(),
              static_cast<int>(2 * (kDecided + kOrphans)),
              std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count());
  EXPECT_TRUE(eventually([&] { return client.list()->empty(); }));
  for (const auto* server : {&east(), &west()}) {
    EXPECT_EQ(Sql(*server, database_).number("SELECT SUM(balance) FROM accounts WHERE id BETWEEN 100 AND 299"),
              200 * (kOpening + 1));
    EXPECT_EQ(Sql(*server, database_).number("SELECT SUM(balance) FROM accounts WHERE id BETWEEN 300 AND 599"),
              300 * kOpening);
  }
  EXPECT_EQ(client.info()->hazards, 0U);
}

TEST_P(ServersDownTest, APrepareThatFinishesAfterTheFirstScanIsSwept) {
  auto client = daemon_.client();
  EXPECT_TRUE(eventually([&] { return client.info()->counters.at("sweeps") > 2; }));
  EXPECT_EQ(daemon_.terminate(), 0);
  start();
  client = daemon_.client();
  EXPECT_TRUE(eventually([&] { return client.info()->counters.at("sweeps") > 2; }));
  for (const auto* server : {&east(), &west()}) {
    prepare_unswept(*server, orphan_gtrid(1, 1), "UPDATE accounts SET balance = balance + 1 WHERE id = 5");
  }
  EXPECT_TRUE(eventually([&] { return in_doubt() == 0; })) << daemon_.output();
  EXPECT_TRUE(eventually([&] { return client.info()->counters.at("orphans_rolled_back") == 2; }));
  EXPECT_EQ(balance(east(), 5) + balance(west(), 5), 2 * kOpening);
}

// MariaDB was seen to bring acknowledged rollbacks back as prepared when it was killed.
TEST_P(ServersDownTest, ARollbackThatComesBackIsRolledBackAgain) {
  auto client = daemon_.client();
  auto refused = transfer(1, 2, kAmount);
  refused.branches[1].statements[0].expect_affected = AffectedRange{5, 5};
  const auto told = submit(client, refused);
  EXPECT_EQ(told.outcome, Outcome::rolled_back);
  // A branch that was cut short may have been fenced off.
  EXPECT_TRUE(eventually([&] {
    return Sql(east()).number("SELECT COUNT(*) FROM assent.proof WHERE gtrid='" + told.gtrid + "'") == 0;
  })) << daemon_.output();
  prepare_unswept(east(), told.gtrid, "UPDATE accounts SET balance = balance - 7 WHERE id = 1");
  EXPECT_TRUE(eventually([&] { return in_doubt() == 0; })) << daemon_.output();
  expect_moved(0);
}

TEST_P(ServersDownTest, ACommittedTransactionsBranchThatComesBackIsCommitted) {
  auto client = daemon_.client();
  const auto told = submit(client, transfer(1, 2, kAmount));
  EXPECT_EQ(told.outcome, Outcome::committed);
  EXPECT_TRUE(eventually([&] { return client.info()->counters.at("proof_rows_purged") == 2; }));
  // A server that has lost what it had acknowledged: settings that the doctor refuses.
  Sql(west(), database_).run("UPDATE accounts SET balance = balance - 7 WHERE id = 2");
  prepare_unswept(west(), told.gtrid, "UPDATE accounts SET balance = balance + 7 WHERE id = 2");
  EXPECT_TRUE(eventually([&] { return in_doubt() == 0; })) << daemon_.output();
  expect_moved(kAmount);
}

}  // namespace
}  // namespace assent::testing
