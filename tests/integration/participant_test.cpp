#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <memory>

#include "support/participants.hpp"
#include "support/proxy.hpp"

namespace assent::testing {
namespace {

using namespace std::string_literals;
using ports::Vote;
using protocol::Decided;
using protocol::Finding;

INSTANTIATE_TEST_SUITE_P(Kinds, ParticipantTest, ::testing::Values("mariadb", "mysql"),
                         [](const auto& param) { return param.param; });

TEST_P(ParticipantTest, PreparedBranchCommitsOnItsOwnSession) {
  auto participant = up();
  const auto xid = next_xid(coordinator);
  const auto vote =
      participant->prepare(work_for(xid, {sql("UPDATE stock SET amount = amount - ? WHERE id = ?",
                                              {std::int64_t{30}, std::int64_t{1}}, AffectedRange{1, 1})}));
  ASSERT_EQ(vote.kind, Vote::Kind::prepared) << told(vote);
  ASSERT_EQ(vote.statements.size(), 1U);
  EXPECT_EQ(vote.statements[0].affected, 1U);
  EXPECT_EQ(amount(1), 100);
  EXPECT_EQ(participant->port().info().in_flight, 1U);
  EXPECT_THAT(participant->scan().value(),
              ::testing::Contains(ports::ListedXid{protocol::kFormatId, xid.gtrid, xid.bqual}));
  const auto report = participant->settle(xid, Decided::commit);
  EXPECT_EQ(report.finding, Finding::committed) << report.detail;
  EXPECT_EQ(amount(1), 70);
  EXPECT_EQ(proofs(xid), 1);
  EXPECT_EQ(participant->port().info().in_flight, 0U);
  EXPECT_EQ(participant->port().info().sessions, 1U);
}

TEST_P(ParticipantTest, PreparedBranchRollsBackOnItsOwnSession) {
  auto participant = up();
  const auto xid = next_xid(coordinator);
  ASSERT_EQ(participant->prepare(work_for(xid, {sql("DELETE FROM stock WHERE id > 1")})).kind, Vote::Kind::prepared);
  EXPECT_EQ(participant->settle(xid, Decided::rollback).finding, Finding::rolled_back);
  EXPECT_EQ(amount(2), 100);
  EXPECT_EQ(proofs(xid), 0);
}

TEST_P(ParticipantTest, OnePhaseCommitsWithAndWithoutExpectations) {
  auto participant = up();
  const auto first = next_xid(coordinator);
  auto vote = participant->one_phase(work_for(first, {sql("UPDATE stock SET amount = 1 WHERE id = 1")}));
  ASSERT_EQ(vote.kind, Vote::Kind::committed) << told(vote);
  const auto second = next_xid(coordinator);
  vote = participant->one_phase(
      work_for(second, {sql("UPDATE stock SET amount = 2 WHERE id = 2", {}, AffectedRange{1, 1})}));
  ASSERT_EQ(vote.kind, Vote::Kind::committed) << told(vote);
  EXPECT_EQ(amount(1), 1);
  EXPECT_EQ(amount(2), 2);
  EXPECT_EQ(proofs(first) + proofs(second), 2);
  vote = participant->one_phase(
      work_for(next_xid(coordinator), {sql("UPDATE stock SET amount = 3 WHERE id = 4", {}, AffectedRange{1, 1})}));
  EXPECT_EQ(vote.kind, Vote::Kind::refused);
  EXPECT_EQ(vote.cause->message, "affected 0 rows, expected 1");
  EXPECT_FALSE(vote.cause->retryable);
}

TEST_P(ParticipantTest, FailedExpectationRollsThePreparedBranchBack) {
  auto participant = up();
  const auto xid = next_xid(coordinator);
  const auto vote = participant->prepare(work_for(
      xid, {sql("UPDATE stock SET amount = 0 WHERE id = 1"),
            sql("UPDATE stock SET amount = 0 WHERE id = 1 AND amount >= 500", {}, AffectedRange{1, UINT64_MAX})}));
  ASSERT_EQ(vote.kind, Vote::Kind::refused);
  ASSERT_TRUE(vote.cause);
  EXPECT_EQ(vote.cause->statement, 1U);
  EXPECT_EQ(vote.cause->server_errno, 0U);
  EXPECT_EQ(vote.cause->message, "affected 0 rows, expected at least 1");
  EXPECT_TRUE(participant->scan().value().empty());
  EXPECT_EQ(amount(1), 100);
  EXPECT_EQ(participant->port().info().in_flight, 0U);
}

TEST_P(ParticipantTest, ServersThatDoNotCommitByThemselvesServeToo) {
  direct->run("SET GLOBAL autocommit=0");
  const std::shared_ptr<void> restored(nullptr, [&](void*) { direct->run("SET GLOBAL autocommit=1"); });
  auto participant = up();
  const auto xid = next_xid(coordinator);
  const auto vote = participant->prepare(work_for(xid, {sql("UPDATE stock SET amount = 7 WHERE id = 1")}));
  ASSERT_EQ(vote.kind, Vote::Kind::prepared) << told(vote);
  EXPECT_EQ(participant->settle(xid, protocol::Decided::commit).finding, protocol::Finding::committed);
  EXPECT_EQ(amount(1), 7);
}

TEST_P(ParticipantTest, EveryTypeGoesInAndComesBack) {
  auto participant = up();
  direct->run(
      "CREATE TABLE kinds(i BIGINT, u BIGINT UNSIGNED, t TINYINT(1), d DOUBLE, e DECIMAL(40,10), s VARCHAR(100) "
      "CHARACTER SET utf8mb4, x TEXT CHARACTER SET utf8mb4, b VARBINARY(300), l BLOB, n INT, j JSON, k ENUM('a','b'), "
      "w DATETIME(3), h DATE, y YEAR, q BIT(12)) ENGINE=InnoDB");
  std::string bytes;
  for (int i = 0; i < 256; ++i) bytes.push_back(static_cast<char>(i));
  const std::string text = "a'b\"c\\d\0e\n%_\xC3\xA9\xF0\x9F\x90\xAC;--"s;
  const std::vector<Value> args = {std::int64_t{INT64_MIN},
                                   std::uint64_t{UINT64_MAX},
                                   true,
                                   0.1,
                                   Decimal{"123456789012345678901234567890.0123456789"},
                                   text,
                                   text,
                                   Blob{bytes},
                                   Blob{""},
                                   Null{},
                                   std::string("{\"a\": 1}"),
                                   std::string("b"),
                                   std::string("2026-02-03 04:05:06.789"),
                                   std::string("2026-02-03"),
                                   std::int64_t{2026},
                                   std::int64_t{0x123}};
  const auto xid = next_xid(coordinator);
  const auto vote = participant->prepare(
      work_for(xid, {sql("INSERT INTO kinds VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", args),
                     sql("SELECT * FROM kinds")}));
  ASSERT_EQ(vote.kind, Vote::Kind::prepared) << told(vote);
  EXPECT_EQ(participant->settle(xid, Decided::commit).finding, Finding::committed);
  EXPECT_EQ(vote.statements[0].affected, 1U);
  EXPECT_FALSE(vote.statements[0].last_insert_id);
  ASSERT_TRUE(vote.statements[1].rows);
  const auto& rows = *vote.statements[1].rows;
  ASSERT_EQ(rows.rows.size(), 1U);
  ASSERT_EQ(rows.columns.size(), args.size());
  EXPECT_EQ(rows.columns[4], "e");
  auto expected = args;
  expected[2] = std::int64_t{1};
  expected[14] = std::uint64_t{2026};
  expected[15] = Blob{"\x01\x23"};
  for (std::size_t i = 0; i < args.size(); ++i) EXPECT_TRUE(rows.rows[0][i] == expected[i]) << rows.columns[i];
}

TEST_P(ParticipantTest, CountsAndInsertIdsBelongToTheirStatements) {
  auto participant = up();
  direct->run("CREATE TABLE orders(id INT AUTO_INCREMENT PRIMARY KEY, note VARCHAR(20)) ENGINE=InnoDB");
  direct->run("CREATE TABLE `lines`(id INT AUTO_INCREMENT PRIMARY KEY, order_id INT) ENGINE=InnoDB");
  const auto xid = next_xid(coordinator);
  const auto vote = participant->prepare(work_for(
      xid, {sql("INSERT INTO orders(note) VALUES ('a'), ('b'), ('c')"), sql("INSERT INTO `lines`(order_id) VALUES (7)"),
            sql("INSERT INTO stock VALUES (9, 9)"), sql("UPDATE stock SET amount = 100"),
            sql("UPDATE stock SET amount = 5 WHERE 1 = 0"), sql("DELETE FROM stock WHERE id < 3"),
            sql("REPLACE INTO stock VALUES (9, 10)"), sql("SELECT id FROM stock WHERE id > 50")}));
  ASSERT_EQ(vote.kind, Vote::Kind::prepared) << told(vote);
  std::vector<std::uint64_t> affected;
  std::vector<std::uint64_t> ids;
  for (const auto& statement : vote.statements) {
    affected.push_back(statement.affected);
    ids.push_back(statement.last_insert_id.value_or(0));
  }
  EXPECT_THAT(affected, ::testing::ElementsAre(3, 1, 1, 1, 0, 2, 2, 0));
  EXPECT_THAT(ids, ::testing::ElementsAre(1, 1, 0, 0, 0, 0, 0, 0));
  ASSERT_TRUE(vote.statements[7].rows);
  EXPECT_TRUE(vote.statements[7].rows->rows.empty());
  EXPECT_FALSE(vote.statements[6].rows);
  EXPECT_EQ(participant->settle(xid, Decided::rollback).finding, Finding::rolled_back);
}

TEST_P(ParticipantTest, InsertIdServesLaterStatementsOfTheBranchAndNoOther) {
  auto participant = up();
  direct->run(
      "CREATE TABLE orders(id INT AUTO_INCREMENT PRIMARY KEY, note VARCHAR(20)) ENGINE=InnoDB AUTO_INCREMENT=77");
  auto xid = next_xid(coordinator);
  auto vote = participant->prepare(work_for(
      xid, {sql("INSERT INTO orders(note) VALUES ('a')"), sql("INSERT INTO stock VALUES (LAST_INSERT_ID(), 1)")}));
  ASSERT_EQ(vote.kind, Vote::Kind::prepared) << told(vote);
  EXPECT_EQ(vote.statements[0].last_insert_id, 77U);
  EXPECT_FALSE(vote.statements[1].last_insert_id);
  EXPECT_EQ(participant->settle(xid, Decided::commit).finding, Finding::committed);
  EXPECT_EQ(amount(77), 1);
  xid = next_xid(coordinator);
  vote = participant->prepare(work_for(xid, {sql("SELECT LAST_INSERT_ID(), @leftover")}));
  ASSERT_EQ(vote.kind, Vote::Kind::prepared) << told(vote);
  EXPECT_TRUE(vote.statements[0].rows->rows[0][0] == Value(std::uint64_t{0}));
  EXPECT_EQ(participant->settle(xid, Decided::commit).finding, Finding::committed);
}

TEST_P(ParticipantTest, UserVariablesDoNotReachTheNextBranch) {
  auto participant = up();
  for (int i = 0; i < 2; ++i) {
    const auto xid = next_xid(coordinator);
    const auto vote = participant->prepare(work_for(xid, {sql("SELECT @kept"), sql("SELECT 5 INTO @kept")}));
    ASSERT_EQ(vote.kind, Vote::Kind::prepared) << told(vote);
    EXPECT_TRUE(vote.statements[0].rows->rows[0][0] == Value(Null{}));
    EXPECT_FALSE(vote.statements[1].rows);
    EXPECT_EQ(participant->settle(xid, Decided::commit).finding, Finding::committed);
  }
}

TEST_P(ParticipantTest, FailedStatementRefusesWithTheServersWords) {
  auto participant = up();
  const auto xid = next_xid(coordinator);
  const auto vote = participant->prepare(work_for(
      xid, {sql("UPDATE stock SET amount = 0 WHERE id = 2"), sql("INSERT INTO stock VALUES (1, 1)"), sql("SELECT 1")}));
  ASSERT_EQ(vote.kind, Vote::Kind::refused);
  EXPECT_EQ(vote.cause->statement, 1U);
  EXPECT_EQ(vote.cause->server_errno, 1062U);
  EXPECT_EQ(vote.cause->sqlstate, "23000");
  EXPECT_THAT(vote.cause->message, ::testing::HasSubstr("Duplicate entry"));
  EXPECT_FALSE(vote.cause->retryable);
  EXPECT_EQ(direct->error_of("UPDATE stock SET amount = 99 WHERE id = 2"), 0) << "its lock is gone";
  EXPECT_TRUE(participant->scan().value().empty());
  EXPECT_EQ(participant->port().info().sessions, 1U) << "the session is as good as new";
}

TEST_P(ParticipantTest, LockWaitEndsByTheDeadlineAndRollsBack) {
  auto participant = up();
  direct->run("SET autocommit=0");
  direct->run("UPDATE stock SET amount = 1 WHERE id = 2");
  const auto begun = base::SteadyClock::now();
  const auto vote = participant->prepare(
      work_for(next_xid(coordinator),
               {sql("UPDATE stock SET amount = 0 WHERE id = 1"), sql("UPDATE stock SET amount = 0 WHERE id = 2")},
               std::chrono::milliseconds(900)));
  EXPECT_LT(base::SteadyClock::now() - begun, std::chrono::seconds(5));
  ASSERT_EQ(vote.kind, Vote::Kind::refused);
  EXPECT_EQ(vote.cause->server_errno, 1205U) << told(vote);
  EXPECT_EQ(vote.cause->statement, 1U);
  EXPECT_TRUE(vote.cause->retryable);
  direct->run("ROLLBACK");
  EXPECT_EQ(amount(1), 100);
  EXPECT_TRUE(participant->scan().value().empty());
}

TEST_P(ParticipantTest, DeadlockRefusesOneAsRetryable) {
  auto participant = up();
  const auto both = [&](int first, int second) {
    return work_for(
        next_xid(coordinator),
        {sql("UPDATE stock SET amount = amount + 1 WHERE id = ?", {std::int64_t{first}}), sql("SELECT SLEEP(0.5)"),
         sql("UPDATE stock SET amount = amount + 1 WHERE id = ?", {std::int64_t{second}})});
  };
  const auto one = both(1, 2);
  const auto other = both(2, 1);
  auto first = participant->start_prepare(one);
  auto second = participant->start_prepare(other);
  const auto votes = std::array{first.get(), second.get()};
  const auto xids = std::array{one.xid, other.xid};
  int refused = 0;
  for (std::size_t i = 0; i < 2; ++i) {
    if (votes[i].kind == Vote::Kind::prepared) {
      EXPECT_EQ(participant->settle(xids[i], Decided::commit).finding, Finding::committed);
      continue;
    }
    ++refused;
    ASSERT_EQ(votes[i].kind, Vote::Kind::refused);
    EXPECT_EQ(votes[i].cause->server_errno, 1213U) << told(votes[i]);
    EXPECT_TRUE(votes[i].cause->retryable);
  }
  EXPECT_EQ(refused, 1);
  EXPECT_EQ(amount(1), 101);
  EXPECT_TRUE(participant->scan().value().empty());
}

TEST_P(ParticipantTest, StatementThatRunsOnIsKilledAfterTheDeadline) {
  auto participant = up();
  const auto vote = participant->prepare(
      work_for(next_xid(coordinator), {sql("UPDATE stock SET amount = 0 WHERE id = 1"), sql("SELECT SLEEP(60)")},
               std::chrono::milliseconds(100)));
  EXPECT_NE(vote.kind, Vote::Kind::prepared);
  EXPECT_EQ(amount(1), 100);
}

TEST_P(ParticipantTest, CancelledLockWaitEndsAtOnce) {
  auto participant = up();
  direct->run("SET autocommit=0");
  direct->run("UPDATE stock SET amount = 1 WHERE id = 2");
  const auto xid = next_xid(coordinator);
  auto vote = participant->start_prepare(work_for(xid, {sql("UPDATE stock SET amount = 0 WHERE id = 2")}, kPatience));
  ASSERT_TRUE(eventually([&] {
    return direct->number(
               "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE INFO LIKE 'UPDATE stock SET amount = 0 %'") ==
           1;
  }));
  const auto begun = base::SteadyClock::now();
  const auto report = participant->settle(xid, Decided::rollback, false);
  EXPECT_LT(base::SteadyClock::now() - begun, std::chrono::seconds(3));
  EXPECT_EQ(vote.wait_for(std::chrono::seconds(0)), std::future_status::ready) << "the vote is told before the report";
  EXPECT_NE(vote.get().kind, Vote::Kind::prepared);
  EXPECT_EQ(report.finding, Finding::rolled_back) << report.detail;
  direct->run("ROLLBACK");
}

TEST_P(ParticipantTest, BranchTakesTwoPacketsAndOnePhaseOne) {
  Proxy proxy(server);
  auto participant = up([&](auto& config) { config.port = proxy.port(); });
  const auto branch = [&] {
    return work_for(next_xid(coordinator),
                    {sql("UPDATE stock SET amount = amount - 1 WHERE id = 1", {}, AffectedRange{1, 1})});
  };
  const auto commit = [&] {
    const auto work = branch();
    ASSERT_EQ(participant->prepare(work).kind, Vote::Kind::prepared);
    ASSERT_EQ(participant->settle(work.xid, Decided::commit).finding, Finding::committed);
  };
  commit();
  // The control session's look at itself is a command, too, every few seconds.
  const auto before = proxy.commands();
  for (int i = 0; i < 50; ++i) commit();
  EXPECT_THAT(proxy.commands() - before, ::testing::AllOf(::testing::Ge(100), ::testing::Le(104)));
  const auto second = proxy.commands();
  for (int i = 0; i < 50; ++i) {
    ASSERT_EQ(
        participant
            ->one_phase(work_for(next_xid(coordinator), {sql("UPDATE stock SET amount = amount - 1 WHERE id = 1")}))
            .kind,
        Vote::Kind::committed);
  }
  EXPECT_THAT(proxy.commands() - second, ::testing::AllOf(::testing::Ge(50), ::testing::Le(54)));
}

TEST_P(ParticipantTest, SqlThatWouldEscapeIsRefusedBeforeItIsSent) {
  auto participant = up();
  for (const auto* text :
       {"BEGIN", "COMMIT", "XA ROLLBACK 'a'", "SET autocommit=1", "UPDATE stock SET amount=1; COMMIT",
        "SELECT GET_LOCK('a',1)", "CREATE TABLE x(a INT)", "CALL p()", "DELETE FROM assent.proof",
        "SELECT 1 /*! ; COMMIT */", "LOCK TABLES stock WRITE"}) {
    const auto status = participant->port().check({"stock", {sql(text)}});
    ASSERT_FALSE(status) << text;
    EXPECT_EQ(status.error().code, Errc::invalid_argument);
    const auto vote = participant->prepare(work_for(next_xid(coordinator), {sql(text)}));
    EXPECT_EQ(vote.kind, Vote::Kind::refused) << text;
  }
  EXPECT_FALSE(participant->port().check({"stock", {sql("SELECT ?", {})}}));
  EXPECT_EQ(participant->port().info().sessions, 0U);
}

TEST_P(ParticipantTest, TablesThatCannotRollBackAreRefusedByName) {
  auto participant = up();
  direct->run("CREATE TABLE audit(a INT) ENGINE=MyISAM");
  direct->run("CREATE VIEW seen AS SELECT a FROM audit");
  direct->run("CREATE VIEW seen_again AS SELECT a FROM seen");
  const std::vector<std::string> texts = {
      "INSERT INTO audit VALUES (1)", "INSERT INTO `audit` VALUES (1)", "INSERT INTO " + database + ".audit VALUES (1)",
      "INSERT INTO seen_again VALUES (1)", "UPDATE stock JOIN audit SET amount = 1"};
  for (const auto& text : texts) {
    const auto vote = participant->prepare(work_for(next_xid(coordinator), {sql("SELECT 1"), sql(text)}));
    ASSERT_EQ(vote.kind, Vote::Kind::refused) << text;
    EXPECT_THAT(vote.cause->message, ::testing::HasSubstr(database + ".audit, whose engine MyISAM")) << text;
    EXPECT_EQ(vote.cause->statement, 1U);
    EXPECT_FALSE(vote.cause->retryable);
  }
  EXPECT_EQ(direct->number("SELECT COUNT(*) FROM audit"), 0);
}

TEST_P(ParticipantTest, TooManyRowsOrBytesAreRefusedAndNothingStays) {
  auto participant = up([](auto& config) {
    config.result_rows_max = 2;
    config.result_bytes_max = 1000;
  });
  for (const auto* text : {"SELECT id FROM stock", "SELECT REPEAT('x', 1001)"}) {
    const auto vote =
        participant->prepare(work_for(next_xid(coordinator), {sql("UPDATE stock SET amount = 0"), sql(text)}));
    ASSERT_EQ(vote.kind, Vote::Kind::refused) << text;
    EXPECT_EQ(vote.cause->statement, 1U);
    EXPECT_THAT(vote.cause->message, ::testing::HasSubstr("more rows than a branch may return"));
  }
  EXPECT_EQ(amount(1), 100);
  EXPECT_TRUE(participant->scan().value().empty());
  EXPECT_EQ(participant->port().info().sessions, 1U);
}

TEST_P(ParticipantTest, IsolationIsTheBranchsOwn) {
  auto participant = up();
  direct->run("SET autocommit=0");
  direct->run("UPDATE stock SET amount = 1 WHERE id = 1");
  const auto seen = [&](Isolation isolation) {
    auto work =
        work_for(next_xid(coordinator), {sql("SELECT amount FROM stock WHERE id = 1")}, std::chrono::milliseconds(500));
    work.isolation = isolation;
    const auto vote = participant->prepare(work);
    if (vote.kind != Vote::Kind::prepared) return -static_cast<std::int64_t>(vote.cause->server_errno);
    EXPECT_EQ(participant->settle(work.xid, Decided::commit).finding, Finding::committed);
    return std::get<std::int64_t>(vote.statements.at(0).rows->rows.at(0).at(0));
  };
  EXPECT_EQ(seen(Isolation::read_uncommitted), 1);
  EXPECT_EQ(seen(Isolation::server_default), 100);
  EXPECT_EQ(seen(Isolation::serializable), -1205) << "its reads take locks";
  EXPECT_EQ(seen(Isolation::server_default), 100);
  EXPECT_EQ(seen(Isolation::repeatable_read), 100);
  EXPECT_EQ(participant->port().info().sessions, 1U);
  direct->run("ROLLBACK");
}

TEST_P(ParticipantTest, DuplicateXidIsRefusedAsRetryable) {
  auto participant = up();
  const auto xid = next_xid(coordinator);
  direct->run("XA START " + protocol::xid_literal(xid));
  const auto vote = participant->prepare(work_for(xid, {sql("SELECT 1")}));
  EXPECT_EQ(vote.kind, Vote::Kind::refused);
  EXPECT_EQ(vote.cause->server_errno, 1440U) << told(vote);
  EXPECT_TRUE(vote.cause->retryable);
  direct->run("XA END " + protocol::xid_literal(xid));
  direct->run("XA ROLLBACK " + protocol::xid_literal(xid));
}

TEST_P(ParticipantTest, SessionCutWhileIdleIsReplacedUnseen) {
  auto participant = up();
  for (int i = 0; i < 2; ++i) {
    const auto xid = next_xid(coordinator);
    const auto vote = participant->prepare(work_for(xid, {sql("UPDATE stock SET amount = amount - 1 WHERE id = 1")}));
    ASSERT_EQ(vote.kind, Vote::Kind::prepared) << told(vote);
    ASSERT_EQ(participant->settle(xid, Decided::commit).finding, Finding::committed);
    if (i == 0) kill_connections();
  }
  EXPECT_EQ(amount(1), 98);
}

TEST_P(ParticipantTest, BranchesRunAtOnceUpToTheBound) {
  auto participant = up();
  std::vector<protocol::Xid> xids;
  std::vector<std::future<Vote>> votes;
  for (std::int64_t i = 0; i < 8; ++i) {
    xids.push_back(next_xid(coordinator));
    votes.push_back(
        participant->start_prepare(work_for(xids.back(), {sql("INSERT INTO stock VALUES (?, 1)", {100 + i})})));
  }
  for (auto& vote : votes) EXPECT_EQ(vote.get().kind, Vote::Kind::prepared);
  EXPECT_EQ(participant->port().info().in_flight, 8U);
  std::vector<std::future<ports::SettleReport>> reports;
  for (const auto& xid : xids) reports.push_back(participant->start_settle(xid, Decided::commit));
  for (auto& report : reports) EXPECT_EQ(report.get().finding, Finding::committed);
  EXPECT_EQ(participant->port().info().sessions, 8U);
  EXPECT_EQ(participant->port().info().in_flight, 0U);
}

// Each report hands out the next piece of work itself, on the loop's thread and with one session in all.
TEST_P(ParticipantTest, ReportsMayDriveTheNextStep) {
  auto participant = up([](auto& config) { config.sessions_max = 1; });
  std::promise<void> over;
  int left = 100;
  std::function<void()> next = [&] {
    if (left-- == 0) return over.set_value();
    const auto xid = next_xid(coordinator);
    participant->port().prepare(
        work_for(xid, {sql("UPDATE stock SET amount = amount - 1 WHERE id = 1")}), [&, xid](Vote vote) {
          EXPECT_EQ(vote.kind, Vote::Kind::prepared) << told(vote);
          participant->port().settle({xid, Decided::commit, true}, [&](ports::SettleReport report) {
            EXPECT_EQ(report.finding, Finding::committed);
            next();
          });
        });
  };
  next();
  ASSERT_EQ(over.get_future().wait_for(kPatience), std::future_status::ready);
  EXPECT_EQ(amount(1), 0);
  EXPECT_EQ(participant->port().info().sessions, 1U);
}

TEST_P(ParticipantTest, StopEndsWhatRuns) {
  auto participant = up();
  auto running = participant->start_prepare(work_for(next_xid(coordinator), {sql("SELECT SLEEP(60)")}, kPatience));
  const auto held = next_xid(coordinator);
  ASSERT_EQ(participant->prepare(work_for(held, {sql("SELECT 1")})).kind, Vote::Kind::prepared);
  ASSERT_TRUE(eventually([&] {
    return direct->number("SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE INFO LIKE '%SLEEP(60)%'") >= 1;
  }));
  const auto begun = base::SteadyClock::now();
  participant->port().stop();
  EXPECT_LT(base::SteadyClock::now() - begun, std::chrono::seconds(8));
  EXPECT_NE(running.get().kind, Vote::Kind::prepared);
  EXPECT_EQ(participant->prepare(work_for(next_xid(coordinator), {sql("SELECT 1")})).kind, Vote::Kind::refused);
  EXPECT_FALSE(participant->scan());
  auto successor = up([&](auto&) {});
  EXPECT_TRUE(listed(*successor, held)) << "a prepared branch outlives its coordinator";
  EXPECT_EQ(successor->settle(held, Decided::rollback).finding, Finding::rolled_back);
}

}  // namespace
}  // namespace assent::testing
