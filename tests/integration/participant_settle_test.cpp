#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include "support/participants.hpp"
#include "support/proxy.hpp"

// Branches whose session, answer or server was lost, and branches that somebody else touched.

namespace assent::testing {
namespace {

using ports::ListedXid;
using ports::Vote;
using protocol::Decided;
using protocol::Finding;

class ParticipantSettleTest : public ParticipantTest {
 protected:
  static Statement take_one() { return sql("UPDATE stock SET amount = amount - 1 WHERE id = 1"); }

  protocol::Xid prepared(BlockingParticipant& participant) {
    const auto xid = next_xid(coordinator);
    const auto vote = participant.prepare(work_for(xid, {take_one()}));
    EXPECT_EQ(vote.kind, Vote::Kind::prepared) << told(vote);
    return xid;
  }

  /// Prepares a branch as Assent would, without a participant and without a proof row.
  void prepare_by_hand(const std::string& literal) {
    Sql hand(server, database, true);
    hand.run("XA START " + literal);
    hand.run("UPDATE stock SET amount = amount - 1 WHERE id = 2");
    hand.run("XA END " + literal);
    hand.run("XA PREPARE " + literal);
  }

  /// The same with a proof row, on a row of its own that it inserts.
  void prepare_by_hand_with_proof(const protocol::Xid& xid, int row) {
    const auto literal = protocol::xid_literal(xid);
    Sql hand(server, database, true);
    hand.run("XA START " + literal);
    hand.run("INSERT INTO assent.proof(gtrid,branch,kind,participants,protocol) VALUES ('" + xid.gtrid +
             "',1,'proof','stock,orders',0)");
    hand.run("INSERT INTO stock VALUES (" + std::to_string(row) + ",1)");
    hand.run("XA END " + literal);
    hand.run("XA PREPARE " + literal);
  }
  /// Connections to this test's database that are neither its own nor the participants'.
  std::int64_t hands() {
    return direct->number("SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE DB='" + database +
                          "' AND USER<>'" + server.user + "' AND ID<>CONNECTION_ID()");
  }

  /// Settles until it is known, as the coordinator does.
  ports::SettleReport settled(BlockingParticipant& participant, const protocol::Xid& xid, Decided decided,
                              bool known_prepared = true) {
    ports::SettleReport report;
    EXPECT_TRUE(eventually(
        [&] {
          report = participant.settle(xid, decided, known_prepared);
          return report.finding != Finding::ambiguous;
        },
        kPatience))
        << report.detail;
    return report;
  }
};

INSTANTIATE_TEST_SUITE_P(Kinds, ParticipantSettleTest, ::testing::Values("mariadb", "mysql"),
                         [](const auto& param) { return param.param; });

TEST_P(ParticipantSettleTest, KilledOwnersBranchCommitsFromElsewhere) {
  auto participant = up();
  const auto xid = prepared(*participant);
  kill_connections();
  EXPECT_EQ(settled(*participant, xid, Decided::commit).finding, Finding::committed);
  EXPECT_EQ(amount(1), 99);
  EXPECT_EQ(proofs(xid), 1);
}

TEST_P(ParticipantSettleTest, KilledOwnersBranchRollsBackFromElsewhere) {
  auto participant = up();
  const auto xid = prepared(*participant);
  kill_connections();
  EXPECT_EQ(settled(*participant, xid, Decided::rollback).finding, Finding::rolled_back);
  EXPECT_EQ(amount(1), 100);
  EXPECT_EQ(proofs(xid), 0);
  EXPECT_FALSE(listed(*participant, xid));
}

// The server goes on without its client: the lost session is ended, before or after it has prepared.
TEST_P(ParticipantSettleTest, LostAnswerToPrepareIsRolledBackWhetherItHadPreparedOrNot) {
  Proxy proxy(server);
  auto participant = up([&](auto& config) { config.port = proxy.port(); });
  for (int round = 0; round < 5; ++round) {
    const auto xid = next_xid(coordinator);
    proxy.cut_answer_to("XA PREPARE '" + xid.gtrid);
    const auto vote = participant->prepare(work_for(xid, {take_one()}));
    EXPECT_EQ(vote.kind, Vote::Kind::lost);
    ASSERT_TRUE(proxy.wait_cut());
    EXPECT_EQ(settled(*participant, xid, Decided::rollback, false).finding, Finding::rolled_back);
    EXPECT_FALSE(listed(*participant, xid));
    EXPECT_EQ(amount(1), 100);
  }
}

TEST_P(ParticipantSettleTest, PrepareThatNeverArrivedIsFencedOff) {
  Proxy proxy(server);
  auto participant = up([&](auto& config) { config.port = proxy.port(); });
  const auto xid = next_xid(coordinator);
  proxy.cut_before("XA PREPARE '" + xid.gtrid);
  EXPECT_EQ(participant->prepare(work_for(xid, {take_one()})).kind, Vote::Kind::lost);
  EXPECT_EQ(settled(*participant, xid, Decided::rollback, false).finding, Finding::rolled_back);
  // What was sent arrives after all.
  const auto late = participant->prepare(work_for(xid, {take_one()}));
  EXPECT_EQ(late.kind, Vote::Kind::refused);
  EXPECT_EQ(late.cause->server_errno, 1062U);
  EXPECT_EQ(amount(1), 100);
}

TEST_P(ParticipantSettleTest, LostAnswerToCommitIsProvenByTheRow) {
  Proxy proxy(server);
  auto participant = up([&](auto& config) { config.port = proxy.port(); });
  const auto xid = prepared(*participant);
  proxy.cut_answer_to("XA COMMIT '" + xid.gtrid);
  EXPECT_EQ(settled(*participant, xid, Decided::commit).finding, Finding::committed);
  EXPECT_EQ(amount(1), 99);
  EXPECT_EQ(proofs(xid), 1);
}

TEST_P(ParticipantSettleTest, CommitThatNeverArrivedIsRepeated) {
  Proxy proxy(server);
  auto participant = up([&](auto& config) { config.port = proxy.port(); });
  const auto xid = prepared(*participant);
  proxy.cut_before("XA COMMIT '" + xid.gtrid);
  EXPECT_EQ(settled(*participant, xid, Decided::commit).finding, Finding::committed);
  EXPECT_EQ(amount(1), 99);
}

TEST_P(ParticipantSettleTest, LostAnswerToOnePhaseIsSettledByRowOrFence) {
  Proxy proxy(server);
  auto participant = up([&](auto& config) { config.port = proxy.port(); });
  const auto arrived = next_xid(coordinator);
  proxy.cut_answer_to("XA COMMIT '" + arrived.gtrid);
  EXPECT_EQ(participant->one_phase(work_for(arrived, {take_one()})).kind, Vote::Kind::lost);
  ASSERT_TRUE(eventually([&] { return proofs(arrived) == 1; }));
  EXPECT_EQ(settled(*participant, arrived, Decided::one_phase, false).finding, Finding::committed);
  EXPECT_EQ(amount(1), 99);
  const auto vanished = next_xid(coordinator);
  proxy.cut_before("XA COMMIT '" + vanished.gtrid);
  EXPECT_EQ(participant->one_phase(work_for(vanished, {take_one()})).kind, Vote::Kind::lost);
  EXPECT_EQ(settled(*participant, vanished, Decided::one_phase, false).finding, Finding::rolled_back);
  EXPECT_EQ(participant->one_phase(work_for(vanished, {take_one()})).kind, Vote::Kind::refused);
  EXPECT_EQ(amount(1), 99);
}

TEST_P(ParticipantSettleTest, UnknownXidWithItsProofIsCommitted) {
  auto participant = up();
  const auto xid = prepared(*participant);
  kill_connections();
  Sql dba(server, database, true);
  dba.run("XA COMMIT " + protocol::xid_literal(xid));
  EXPECT_EQ(settled(*participant, xid, Decided::commit).finding, Finding::committed);
}

TEST_P(ParticipantSettleTest, BranchRolledBackByHandIsAHazard) {
  auto participant = up();
  const auto xid = prepared(*participant);
  kill_connections();
  Sql dba(server, database, true);
  dba.run("XA ROLLBACK " + protocol::xid_literal(xid));
  const auto report = settled(*participant, xid, Decided::commit);
  EXPECT_EQ(report.finding, Finding::hazard);
  EXPECT_THAT(report.detail, ::testing::HasSubstr("proof row absent"));
}

TEST_P(ParticipantSettleTest, OkFromAnotherSessionWithoutProofIsAHazard) {
  auto participant = up();
  const auto xid = next_xid(coordinator);
  prepare_by_hand(protocol::xid_literal(xid));
  const auto report = settled(*participant, xid, Decided::commit);
  EXPECT_EQ(report.finding, Finding::hazard);
  EXPECT_THAT(report.detail, ::testing::HasSubstr("OK to another session"));
}

TEST_P(ParticipantSettleTest, WithoutProofRowsSuchAnAnswerIsUnproven) {
  auto participant = up([](auto& config) { config.proof_rows = false; });
  const auto own = prepared(*participant);
  EXPECT_EQ(proofs(own), 0);
  EXPECT_EQ(participant->settle(own, Decided::commit).finding, Finding::committed);
  const auto lost = prepared(*participant);
  kill_connections();
  EXPECT_EQ(settled(*participant, lost, Decided::commit).finding, Finding::unproven);
  EXPECT_EQ(amount(1), 98);
}

TEST_P(ParticipantSettleTest, ForeignBranchesAreListedAndLeftAlone) {
  auto participant = up();
  std::string binary("\x00\xff'\\\x01z", 6);
  const auto other = next_xid("someone-else");
  const auto alien = next_xid(coordinator);
  const std::vector<ListedXid> theirs = {{99, binary, std::string("\x80\x00", 2)},
                                         {protocol::kFormatId, other.gtrid, other.bqual},
                                         {1, alien.gtrid, alien.bqual}};
  const std::vector<std::string> literals = {"x'00ff275c017a',x'8000',99", protocol::xid_literal(other),
                                             "'" + alien.gtrid + "','" + alien.bqual + "',1"};
  std::vector<Sql> hands;
  for (std::size_t i = 0; i < literals.size(); ++i) {
    hands.emplace_back(server, database, true);
    hands[i].run("XA START " + literals[i]);
    hands[i].run("UPDATE stock SET amount = amount - 1 WHERE id = " + std::to_string(i + 1));
    hands[i].run("XA END " + literals[i]);
    hands[i].run("XA PREPARE " + literals[i]);
  }
  EXPECT_THAT(participant->scan().value(), ::testing::UnorderedElementsAreArray(theirs));
  EXPECT_THAT(participant->inspect().value().in_doubt, ::testing::IsEmpty());
  for (std::size_t i = 0; i < literals.size(); ++i) hands[i].run("XA ROLLBACK " + literals[i]);
}

TEST_P(ParticipantSettleTest, PreparedBranchSurvivesTheServersDeath) {
  auto participant = up();
  const auto committed = prepared(*participant);
  const auto given_up = next_xid(coordinator);
  ASSERT_EQ(participant->prepare(work_for(given_up, {sql("DELETE FROM stock WHERE id = 2")})).kind,
            Vote::Kind::prepared);
  Servers::get().kill(server.name);
  EXPECT_EQ(participant->settle(committed, Decided::commit).finding, Finding::ambiguous);
  EXPECT_TRUE(eventually([&] { return !participant->port().available(); }));
  const auto refused = participant->prepare(work_for(next_xid(coordinator), {take_one()}));
  EXPECT_EQ(refused.kind, Vote::Kind::refused);
  EXPECT_TRUE(refused.cause->retryable);
  const int ups = participant->ups();
  Servers::get().restart(server.name);
  reconnect();
  ASSERT_TRUE(eventually([&] { return participant->ups() > ups; }));
  EXPECT_EQ(settled(*participant, committed, Decided::commit).finding, Finding::committed);
  EXPECT_EQ(settled(*participant, given_up, Decided::rollback).finding, Finding::rolled_back);
  EXPECT_EQ(amount(1), 99);
  EXPECT_EQ(amount(2), 100);
}

TEST_P(ParticipantSettleTest, RefusedCommitKeepsTheBranchOnItsSession) {
  auto participant = up();
  const auto xid = prepared(*participant);
  direct->run("SET GLOBAL read_only=1");
  if (!is_mysql()) {
    EXPECT_EQ(participant->settle(xid, Decided::commit).finding, Finding::ambiguous);
    EXPECT_EQ(participant->port().info().in_flight, 1U);
  }
  direct->run("SET GLOBAL read_only=0");
  EXPECT_EQ(participant->settle(xid, Decided::commit).finding, Finding::committed);
  EXPECT_EQ(amount(1), 99);
}

TEST_P(ParticipantSettleTest, ProofsArePurgedInRangesBesideRunningBranches) {
  auto participant = up();
  std::vector<protocol::Xid> xids;
  for (int i = 0; i < 5; ++i) {
    xids.push_back(next_xid(coordinator));
    ASSERT_EQ(participant->prepare(work_for(xids.back(), {sql("SELECT 1")})).kind, Vote::Kind::prepared);
  }
  // The first, the third and the last stay prepared, their rows locked, inside and beside the range.
  for (const auto i : {1U, 3U}) ASSERT_EQ(participant->settle(xids[i], Decided::commit).finding, Finding::committed);
  const auto purged = participant->purge(xids[1].gtrid, xids[4].gtrid);
  ASSERT_TRUE(purged) << purged.error().what;
  EXPECT_EQ(*purged, 2U);
  EXPECT_EQ(proofs(xids[1]) + proofs(xids[3]), 0);
  for (const auto i : {0U, 2U, 4U}) {
    EXPECT_EQ(participant->settle(xids[i], Decided::commit).finding, Finding::committed);
    EXPECT_EQ(proofs(xids[i]), 1);
  }
  EXPECT_EQ(participant->purge("", "~").value(), 3U);
  EXPECT_EQ(participant->purge("", "~").value(), 0U);
}

TEST_P(ParticipantSettleTest, ThousandBranchesOfAPredecessorAreSettledInOneGo) {
  constexpr int kBranches = 1000;
  auto config = config_for(server, database, coordinator);
  BlockingParticipant participant(config);
  participant.enrol(1, 2);
  wait_up(participant);
  std::vector<protocol::Xid> xids;
  for (int i = 0; i < kBranches; ++i) {
    xids.push_back(next_xid(coordinator));
    prepare_by_hand_with_proof(xids.back(), 1000 + i);
  }
  ASSERT_TRUE(eventually([&] { return hands() == 0; }));

  const auto decided = [](std::size_t i) { return i % 2 == 0 ? Decided::commit : Decided::rollback; };
  const auto begun = base::SteadyClock::now();
  std::vector<std::future<ports::SettleReport>> reports;
  for (std::size_t i = 0; i < xids.size(); ++i) reports.push_back(participant.start_settle(xids[i], decided(i)));
  for (std::size_t i = 0; i < xids.size(); ++i) {
    const auto report = reports[i].get();
    EXPECT_EQ(report.finding, decided(i) == Decided::commit ? Finding::committed : Finding::rolled_back)
        << report.detail;
  }
  const std::chrono::duration<double> took = base::SteadyClock::now() - begun;
  std::printf("%s: %d branches settled in %.2f s\n", GetParam().c_str(), kBranches, took.count());

  EXPECT_EQ(direct->number("SELECT COUNT(*) FROM stock WHERE id >= 1000"), kBranches / 2);
  EXPECT_EQ(direct->number("SELECT COUNT(*) FROM stock WHERE id >= 1000 AND id % 2 = 1"), 0);
  EXPECT_EQ(direct->number("SELECT COUNT(*) FROM assent.proof WHERE gtrid BETWEEN '" + xids.front().gtrid + "' AND '" +
                           xids.back().gtrid + "'"),
            kBranches / 2);
  EXPECT_THAT(participant.inspect().value().in_doubt, ::testing::IsEmpty());
}

TEST_P(ParticipantSettleTest, SilentServerIsGivenUpAndTheBranchSettledWhenItSpeaksAgain) {
  auto participant = up([](auto& config) { config.control_answer_timeout = std::chrono::milliseconds(1000); });
  const auto xid = prepared(*participant);
  ASSERT_EQ(::kill(server.pid, SIGSTOP), 0);
  const auto begun = base::SteadyClock::now();
  const auto report = participant->settle(xid, Decided::commit);
  EXPECT_LT(base::SteadyClock::now() - begun, std::chrono::seconds(15));
  EXPECT_EQ(report.finding, Finding::ambiguous);
  ASSERT_EQ(::kill(server.pid, SIGCONT), 0);
  EXPECT_EQ(settled(*participant, xid, Decided::commit).finding, Finding::committed);
  EXPECT_EQ(amount(1), 99);
}

// A name that leads to another server since its branch was prepared.
TEST_P(ParticipantSettleTest, WhatAnotherServerDoesNotKnowIsNeitherLostNorToBeFenced) {
  auto participant = up();
  const auto here = participant->port().identity();
  ASSERT_TRUE(here);
  const auto xid = next_xid(coordinator);
  const auto settle = [&](Decided decided, bool known_prepared, protocol::ServerIdentity whose) {
    return participant->settle(ports::SettleOrder{xid, decided, known_prepared, whose});
  };
  EXPECT_EQ(settle(Decided::commit, true, *here).finding, Finding::hazard) << "the very server has lost it";
  const auto report = settle(Decided::commit, true, *here + 1);
  EXPECT_EQ(report.finding, Finding::ambiguous);
  EXPECT_NE(report.detail.find("participant 'stock' is another server now (identity "), std::string::npos)
      << report.detail;
  EXPECT_EQ(settle(Decided::rollback, false, *here + 1).finding, Finding::ambiguous);
  EXPECT_EQ(settle(Decided::one_phase, false, *here + 1).finding, Finding::ambiguous);
  EXPECT_EQ(direct->number("SELECT COUNT(*) FROM assent.proof WHERE gtrid='" + xid.gtrid + "'"), 0);
  auto work = work_for(next_xid(coordinator), {sql("UPDATE stock SET amount=1 WHERE id=1")});
  work.server = *here + 1;
  const auto vote = participant->prepare(work);
  EXPECT_EQ(vote.kind, ports::Vote::Kind::refused);
  ASSERT_TRUE(vote.cause);
  EXPECT_TRUE(vote.cause->retryable);
  EXPECT_NE(vote.cause->message.find("is another server now"), std::string::npos) << vote.cause->message;
  EXPECT_EQ(amount(1), 100);
}

}  // namespace
}  // namespace assent::testing
