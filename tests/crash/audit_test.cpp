// The audit of crash tests finds each thing that it looks for, put into the databases by hand.

#include "support/audit.hpp"

#include <gmock/gmock.h>

#include <set>

#include "support/pair.hpp"

namespace assent::testing {
namespace {

using namespace std::chrono_literals;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

/// One transfer that was committed and one that was rolled back, and a coordinator that has purged its rows and gone.
class AuditTest : public PairTest {
 protected:
  void SetUp() override {
    daemon_.start();
    daemon_.wait_up();
    auto client = daemon_.client();
    committed_ = make(client, 5);
    refused_ = make(client, kOpening + 1);
    ASSERT_EQ(committed_.outcome, Told::Outcome::committed);
    ASSERT_EQ(refused_.outcome, Told::Outcome::rolled_back);
    ASSERT_THAT(audit(bank_, record_, database_).problems, IsEmpty());
    ASSERT_EQ(daemon_.terminate(), 0);
  }

  Told make(Client& client, std::int64_t amount) {
    Told told{.id = bank_.next_id(), .from = 1, .to = 2, .amount = amount, .gtrid = {}};
    const auto result = submit(client, bank_.transfer(told.id, told.from, told.to, told.amount));
    told.outcome = result.outcome == Outcome::committed ? Told::Outcome::committed : Told::Outcome::rolled_back;
    told.gtrid = result.gtrid;
    record_.tell(told, "test");
    return told;
  }

  /// The names of the checks that find something.
  std::set<std::string> found() {
    std::set<std::string> checks;
    for (const auto& problem : audit(bank_, record_, database_, 100ms).problems) {
      checks.insert(problem.substr(0, problem.find(':')));
    }
    return checks;
  }

  static std::string row(const Told& told, std::int64_t amount) {
    return "INSERT INTO transfers VALUES (" + std::to_string(told.id) + ", " + std::to_string(amount) + ")";
  }
  static std::string proof(const Told& told, const std::string& kind) {
    return "INSERT INTO assent.proof (gtrid, branch, kind, participants, protocol) VALUES ('" + told.gtrid + "', 1, '" +
           kind + "', 'east,west', 2)";
  }
  void put_right(const Server& server) { Sql(server).run("DELETE FROM assent.proof"); }

  Record record_;
  Told committed_;
  Told refused_;
  Sql in_the_east_{east(), database_};
  Sql in_the_west_{west(), database_};
};
INSTANTIATE_TEST_SUITE_P(Mixed, AuditTest, ::testing::Values("mariadb_mysql"),
                         [](const auto& which) { return which.param; });

TEST_P(AuditTest, MoneyThatWasMade) {
  in_the_east_.run("UPDATE accounts SET balance = balance + 1 WHERE id = 77");
  EXPECT_THAT(found(), UnorderedElementsAre("total balance", "balance"));
}

TEST_P(AuditTest, MoneyThatWentToAnotherAccount) {
  in_the_east_.run("UPDATE accounts SET balance = balance + 1 WHERE id = 77");
  in_the_east_.run("UPDATE accounts SET balance = balance - 1 WHERE id = 78");
  EXPECT_THAT(found(), UnorderedElementsAre("balance"));
}

TEST_P(AuditTest, ATransferWhoseCommitWasLostAtOnePlace) {
  in_the_west_.run("DELETE FROM transfers");
  in_the_west_.run("UPDATE accounts SET balance = " + std::to_string(kOpening));
  EXPECT_THAT(found(), UnorderedElementsAre("not at all places", "committed and lost", "total balance"));
}

TEST_P(AuditTest, ATransferWhoseCommitWasLostEverywhere) {
  for (auto* sql : {&in_the_east_, &in_the_west_}) {
    sql->run("DELETE FROM transfers");
    sql->run("UPDATE accounts SET balance = " + std::to_string(kOpening));
  }
  EXPECT_THAT(found(), UnorderedElementsAre("committed and lost"));
}

TEST_P(AuditTest, ATransferThatCommittedThoughTheClientWasToldOtherwise) {
  for (auto* sql : {&in_the_east_, &in_the_west_}) {
    const int sign = sql == &in_the_east_ ? -1 : 1;
    sql->run(row(refused_, sign * refused_.amount));
    sql->run("UPDATE accounts SET balance = balance + " + std::to_string(sign * refused_.amount) +
             " WHERE id = " + (sign < 0 ? "1" : "2"));
  }
  EXPECT_THAT(found(), UnorderedElementsAre("not committed and there"));
}

TEST_P(AuditTest, ATransferThatNeverRanAndIsThere) {
  Told told{.id = bank_.next_id(), .from = 1, .to = 2, .amount = 3, .outcome = Told::Outcome::never_run, .gtrid = {}};
  record_.tell(told, "test");
  in_the_east_.run(row(told, -3));
  EXPECT_THAT(found(), UnorderedElementsAre("not committed and there", "not at all places", "balance"));
}

TEST_P(AuditTest, ATransferThatNobodyMade) {
  Told told;
  told.id = 4711;
  in_the_east_.run(row(told, 0));
  in_the_west_.run(row(told, 0));
  EXPECT_THAT(found(), UnorderedElementsAre("nobody's"));
}

TEST_P(AuditTest, AnotherAmount) {
  in_the_west_.run("UPDATE transfers SET amount = 6");
  in_the_west_.run("UPDATE accounts SET balance = balance + 1 WHERE id = 2");
  EXPECT_THAT(found(), UnorderedElementsAre("another amount", "total balance"));
}

TEST_P(AuditTest, ABranchInDoubtOnEitherKindOfServer) {
  const std::string xid = "'" + database_ + ".00000001.000000000fff.0123456789abcdef.2','01.02.east',1095978580";
  for (const auto* server : {&east(), &west()}) {
    {
      Sql sql(*server, database_);
      sql.run("XA START " + xid);
      sql.run("UPDATE accounts SET note = 'held' WHERE id = 1");
      sql.run("XA END " + xid);
      sql.run("XA PREPARE " + xid);
    }
    EXPECT_THAT(found(), UnorderedElementsAre("in doubt")) << server->kind;
    // Only once the session that prepared it has left.
    Sql sql(*server);
    EXPECT_TRUE(eventually([&] { return sql.error_of("XA ROLLBACK " + xid) == 0; }));
  }
  EXPECT_THAT(found(), IsEmpty());
}

TEST_P(AuditTest, ABranchOfSomebodyElseIsNone) {
  const std::string xid = "'other.00000001.000000000fff.0123456789abcdef.2','01.02.east',1095978580";
  {
    Sql sql(east(), database_);
    sql.run("XA START " + xid);
    sql.run("UPDATE accounts SET note = 'held' WHERE id = 1");
    sql.run("XA END " + xid);
    sql.run("XA PREPARE " + xid);
  }
  EXPECT_THAT(found(), IsEmpty());
  Sql sql(east());
  EXPECT_TRUE(eventually([&] { return sql.error_of("XA ROLLBACK " + xid) == 0; }));
}

TEST_P(AuditTest, AProofOfATransferThatWasRolledBack) {
  in_the_west_.run(proof(refused_, "proof"));
  EXPECT_THAT(found(), UnorderedElementsAre("proof of no commit", "not purged"));
  put_right(west());
}

TEST_P(AuditTest, AFenceProvesNoCommitAndIsPurgedLikeAProof) {
  in_the_west_.run(proof(refused_, "fence"));
  EXPECT_THAT(found(), UnorderedElementsAre("not purged"));
  put_right(west());
}

TEST_P(AuditTest, AProofThatWasNotPurged) {
  in_the_east_.run(proof(committed_, "proof"));
  EXPECT_THAT(found(), UnorderedElementsAre("not purged"));
  put_right(east());
}

TEST_P(AuditTest, AnOutcomeThatWasTakenBack) {
  auto told = committed_;
  told.outcome = Told::Outcome::rolled_back;
  record_.tell(told, "test");
  EXPECT_THAT(found(), UnorderedElementsAre("told two outcomes"));
}

TEST_P(AuditTest, AnUnknownOutcomeIsCountedByHowItEnded) {
  Told told{.id = bank_.next_id(), .from = 1, .to = 2, .amount = 3, .outcome = Told::Outcome::unknown, .gtrid = {}};
  record_.tell(told, "test");
  auto audited = audit(bank_, record_, database_, 100ms);
  EXPECT_THAT(audited.problems, IsEmpty());
  EXPECT_EQ(audited.unknown_committed, 0U);
  EXPECT_EQ(audited.unknown_rolled_back, 1U);
  for (auto* sql : {&in_the_east_, &in_the_west_}) {
    const int sign = sql == &in_the_east_ ? -1 : 1;
    sql->run(row(told, sign * 3));
    sql->run("UPDATE accounts SET balance = balance + " + std::to_string(sign * 3) +
             " WHERE id = " + (sign < 0 ? "1" : "2"));
  }
  audited = audit(bank_, record_, database_, 100ms);
  EXPECT_THAT(audited.problems, IsEmpty());
  EXPECT_EQ(audited.unknown_committed, 1U);
}

}  // namespace
}  // namespace assent::testing
