#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "participant/settler.hpp"
#include "support/participants.hpp"

// Sessions that are slow to leave. MariaDB takes one that ends out of its process list first, then frees the memory of
// its longest statement, and tells InnoDB last. An XA COMMIT of its branch in between says OK and commits nothing.

namespace assent::testing {
namespace {

using ports::Vote;
using protocol::Decided;
using protocol::Finding;
using ::testing::HasSubstr;

constexpr std::size_t kLongStatementBytes = 12'000'000;
constexpr int kBranchesPerRound = 4;
/// Without the look at the engine, a branch is stuck in one of the first three rounds.
constexpr int kRoundsMin = 3;
constexpr std::chrono::seconds kRoundsTime{5};
/// They fill the engine's status: each session shows some 10 pages of its locks.
constexpr int kRowsLocked = 20'000;
constexpr int kLockers = 4;
/// A branch that is not settled by then is taken for stuck.
constexpr std::chrono::seconds kSettlesMax{10};
/// Sessions that could not be seen are looked for again every 5 s.
constexpr std::chrono::seconds kForgottenMax{20};

class ParticipantPresenceTest : public ParticipantTest {
 protected:
  ~ParticipantPresenceTest() override { mend_engine_status(); }

  struct Branch {
    protocol::Xid xid;
    int row = 0;
  };
  /// Branches that are to insert a row each, without running them.
  std::vector<Branch> next_branches() {
    std::vector<Branch> branches;
    for (int i = 0; i < kBranchesPerRound; ++i) branches.push_back({next_xid(coordinator), ++rows_});
    return branches;
  }
  static std::string insertion(const Branch& branch) {
    return "INSERT INTO stock VALUES (" + std::to_string(branch.row) + ", 1)";
  }

  /// The connections that are on record for this test's coordinator.
  std::vector<std::string> registered() {
    std::vector<std::string> ids;
    for (auto& row : direct->rows("SELECT connection FROM assent.session WHERE coordinator='" + coordinator + "'")) {
      ids.push_back(row[0]);
    }
    return ids;
  }

  /// Makes the text of SHOW ENGINE INNODB STATUS longer than MariaDB gives.
  void cut_engine_status() {
    direct->run("CREATE TABLE many(id INT PRIMARY KEY) ENGINE=InnoDB");
    std::string rows = "(1)";
    for (int i = 2; i <= kRowsLocked; ++i) rows += ",(" + std::to_string(i) + ")";
    direct->run("INSERT INTO many VALUES " + rows);
    direct->run("SET GLOBAL innodb_status_output_locks=ON");
    for (int i = 0; i < kLockers; ++i) {
      auto& locker = lockers_.emplace_back(server, database, true);
      locker.run("START TRANSACTION");
      locker.rows("SELECT COUNT(*) FROM many LOCK IN SHARE MODE");
    }
    // MySQL says less of locks, and is not asked.
    if (is_mysql()) return;
    EXPECT_GT(direct->rows("SHOW ENGINE INNODB STATUS").at(0).at(2).size(), 1'000'000U);
  }
  void mend_engine_status() {
    lockers_.clear();
    direct->run("SET GLOBAL innodb_status_output_locks=OFF");
  }

  /// Settles all at once and again, as the coordinator does. False when one stays unsettled.
  bool all_commit(BlockingParticipant& participant, const std::vector<Branch>& branches) {
    const auto until = base::SteadyClock::now() + kSettlesMax;
    auto left = branches;
    std::string detail;
    while (!left.empty() && base::SteadyClock::now() < until) {
      std::vector<std::future<ports::SettleReport>> reports;
      for (const auto& branch : left) reports.push_back(participant.start_settle(branch.xid, Decided::commit));
      std::vector<Branch> again;
      for (std::size_t i = 0; i < left.size(); ++i) {
        auto report = reports[i].get();
        if (report.finding == Finding::committed) continue;
        EXPECT_EQ(report.finding, Finding::ambiguous) << report.detail;
        detail = std::move(report.detail);
        again.push_back(left[i]);
      }
      left = std::move(again);
    }
    EXPECT_TRUE(left.empty()) << left.size() << " branches are stuck: " << detail;
    return left.empty();
  }

  /// Empty, or why not.
  std::string closes_acceptor_rows(BlockingParticipant& participant) {
    const auto closed = participant.close_acceptor("", next_xid(coordinator).gtrid);
    return closed.ok() ? "" : closed.error().what;
  }

  /// What is to be seen on MySQL needs no luck.
  bool goes_on(base::SteadyTime begun, int rounds) const {
    return rounds < kRoundsMin || (!is_mysql() && base::SteadyClock::now() - begun < kRoundsTime);
  }

  void expect_rows(int rounds) {
    std::printf("%s: %d rounds of %d branches\n", GetParam().c_str(), rounds, kBranchesPerRound);
    EXPECT_GE(rounds, kRoundsMin);
    EXPECT_EQ(direct->number("SELECT COUNT(*) FROM stock WHERE id >= 1000"), rounds * kBranchesPerRound);
  }

 private:
  int rows_ = 1000;
  std::vector<Sql> lockers_;
};

INSTANTIATE_TEST_SUITE_P(Kinds, ParticipantPresenceTest, ::testing::Values("mariadb", "mysql"),
                         [](const auto& param) { return param.param; });

TEST_P(ParticipantPresenceTest, BranchWhoseKilledSessionIsSlowToLeaveIsCommitted) {
  auto participant = up();
  const auto long_statement = sql("SELECT LENGTH(?)", {std::string(kLongStatementBytes, 'x')});
  int rounds = 0;
  for (const auto begun = base::SteadyClock::now(); goes_on(begun, rounds); ++rounds) {
    const auto branches = next_branches();
    std::vector<std::future<Vote>> votes;
    for (const auto& branch : branches) {
      votes.push_back(participant->start_prepare(work_for(branch.xid, {long_statement, sql(insertion(branch))})));
    }
    for (auto& vote : votes) {
      const auto got = vote.get();
      ASSERT_EQ(got.kind, Vote::Kind::prepared) << told(got);
    }
    for (const auto& id : registered()) direct->error_of("KILL " + id);
    if (!all_commit(*participant, branches)) break;
  }
  expect_rows(rounds);
}

TEST_P(ParticipantPresenceTest, WhileTheEnginesStatusIsCutALostSessionIsGivenTimeToLeave) {
  auto participant = up();
  const auto branch = next_branches().front();
  ASSERT_EQ(participant->prepare(work_for(branch.xid, {sql(insertion(branch))})).kind, Vote::Kind::prepared);
  cut_engine_status();
  kill_connections();
  if (is_mysql()) {
    EXPECT_TRUE(all_commit(*participant, {branch}));
    return;
  }
  const auto begun = base::SteadyClock::now();
  EXPECT_TRUE(all_commit(*participant, {branch}));
  EXPECT_GE(base::SteadyClock::now() - begun, participant::kLeavesUnseenIn);
  const auto diagnosis = participant::doctor(participant->config());
  ASSERT_TRUE(diagnosis) << diagnosis.error().what;
  EXPECT_THAT(diagnosis->findings,
              ::testing::Contains(::testing::AllOf(
                  ::testing::Field(&DoctorFinding::probe, "engine_status"),
                  ::testing::Field(&DoctorFinding::grade, DoctorFinding::Grade::warning),
                  ::testing::Field(&DoctorFinding::remedy, HasSubstr("innodb_status_output_locks = OFF")))));
}

/// Sessions as another process of this coordinator would have left them behind, with a branch each.
class ParticipantPredecessorTest : public ParticipantPresenceTest {
 protected:
  void SetUp() override {
    auto participant = up();
    const auto xid = next_xid(coordinator);
    EXPECT_EQ(participant->prepare(work_for(xid, {sql("SELECT 1")})).kind, Vote::Kind::prepared);
    EXPECT_EQ(participant->settle(xid, Decided::commit).finding, Finding::committed);
    server_start_ = direct->text("SELECT server_start FROM assent.session WHERE coordinator='" + coordinator + "'");
    participant->port().stop();
    direct->run("DELETE FROM assent.session WHERE coordinator='" + coordinator + "'");
  }

  std::vector<Sql> prepare_by_hand(const std::vector<Branch>& branches) {
    std::vector<Sql> hands;
    for (const auto& branch : branches) {
      const auto literal = protocol::xid_literal(branch.xid);
      auto& hand = hands.emplace_back(server, database);
      hand.run("INSERT INTO assent.session(coordinator,instance,connection,server_start,host,account) SELECT '" +
               coordinator + "',1,ID," + server_start_ + ",HOST,'" + server.user +
               "' FROM information_schema.PROCESSLIST WHERE ID=CONNECTION_ID()");
      hand.rows("SELECT LENGTH('" + std::string(kLongStatementBytes, 'x') + "')");
      hand.run("XA START " + literal);
      hand.run("INSERT INTO assent.proof(gtrid,branch,kind,participants,protocol) VALUES ('" + branch.xid.gtrid +
               "',1,'proof','stock,orders',0)");
      hand.run(insertion(branch));
      hand.run("XA END " + literal);
      hand.run("XA PREPARE " + literal);
    }
    return hands;
  }

 private:
  std::string server_start_;
};

INSTANTIATE_TEST_SUITE_P(Kinds, ParticipantPredecessorTest, ::testing::Values("mariadb", "mysql"),
                         [](const auto& param) { return param.param; });

TEST_P(ParticipantPredecessorTest, BranchesThatAreSlowToBeLeftAreCommittedWithoutAClaim) {
  BlockingParticipant tool(config_for(server, database, coordinator));
  int rounds = 0;
  for (const auto begun = base::SteadyClock::now(); goes_on(begun, rounds); ++rounds) {
    const auto branches = next_branches();
    const auto hands = prepare_by_hand(branches);
    for (const auto& id : registered()) direct->error_of("KILL " + id);
    if (!all_commit(tool, branches)) break;
  }
  expect_rows(rounds);
}

TEST_P(ParticipantPredecessorTest, BranchesThatAreSlowToBeLeftAreCommittedByASuccessor) {
  int rounds = 0;
  for (const auto begun = base::SteadyClock::now(); goes_on(begun, rounds); ++rounds) {
    const auto branches = next_branches();
    const auto hands = prepare_by_hand(branches);
    BlockingParticipant successor(config_for(server, database, coordinator));
    successor.enrol();
    // At once: the sessions that enrolment has ended are just leaving.
    const auto until = base::SteadyClock::now() + kPatience;
    while (successor.ups() == 0 && base::SteadyClock::now() < until) std::this_thread::yield();
    ASSERT_EQ(successor.ups(), 1) << successor.port().info().reason;
    if (!all_commit(successor, branches)) break;
    EXPECT_THAT(registered(), ::testing::IsEmpty());
  }
  expect_rows(rounds);
}

TEST_P(ParticipantPredecessorTest, WhileTheEnginesStatusIsCutPredecessorsAreGivenTimeToLeave) {
  const auto branches = next_branches();
  prepare_by_hand(branches).clear();
  cut_engine_status();
  auto config = config_for(server, database, coordinator);
  BlockingParticipant successor(config);
  const auto begun = base::SteadyClock::now();
  successor.enrol();
  wait_up(successor);
  if (!is_mysql()) {
    EXPECT_GE(base::SteadyClock::now() - begun, participant::kLeavesUnseenIn);
  }
  EXPECT_TRUE(all_commit(successor, branches));
  // They were not seen to be gone, which is why they stay on record, and no acceptor row is deleted, until they are.
  if (!is_mysql()) {
    EXPECT_THAT(registered(), ::testing::SizeIs(kBranchesPerRound));
    EXPECT_THAT(closes_acceptor_rows(successor), HasSubstr("were not seen to be gone"));
  }
  mend_engine_status();
  const auto until = base::SteadyClock::now() + kForgottenMax;
  while (!registered().empty() && base::SteadyClock::now() < until)
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  EXPECT_THAT(registered(), ::testing::IsEmpty());
  EXPECT_THAT(closes_acceptor_rows(successor), ::testing::IsEmpty());
}

}  // namespace
}  // namespace assent::testing
