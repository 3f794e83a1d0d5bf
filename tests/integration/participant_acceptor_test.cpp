// The acceptor that a participant's server keeps: its rules are SQL, and must be those of protocol/quorum.hpp.

#include "support/participants.hpp"

namespace assent::testing {
namespace {

using protocol::Accepted;
using protocol::AcceptorRow;
using protocol::Ballot;
using protocol::Decided;
using protocol::Finding;
using protocol::Value;
using Kind = ports::AcceptorAnswer::Kind;

class ParticipantAcceptorTest : public ParticipantTest {
 protected:
  ports::AcceptorQuestion promise(Ballot ballot) const { return {gtrid, 1, ballot, std::nullopt, "stock,orders"}; }
  ports::AcceptorQuestion accept(Ballot ballot, Value value) const { return {gtrid, 1, ballot, value, "stock,orders"}; }
  ports::AcceptorQuestion pre_commit() const { return accept(protocol::kCoordinatorsBallot, Value::commit); }
  std::int64_t rows() const {
    return Sql(server).number("SELECT COUNT(*) FROM assent.acceptor WHERE gtrid='" + gtrid + "'");
  }

  const std::string gtrid = next_xid(coordinator).gtrid;
};
INSTANTIATE_TEST_SUITE_P(Kinds, ParticipantAcceptorTest, ::testing::Values("mariadb", "mysql"),
                         [](const auto& which) { return which.param; });

// Every short sequence of questions has the same answers as the pure rules give.
TEST_P(ParticipantAcceptorTest, ItAnswersEverySequenceAsTheRulesDo) {
  auto participant = up();
  const std::vector<ports::AcceptorQuestion> questions = {pre_commit(), promise(3), promise(5),
                                                          accept(3, Value::rollback), accept(5, Value::commit)};
  for (std::size_t code = 0; code < 5 * 5 * 5; ++code) {
    direct->run("DELETE FROM assent.acceptor WHERE gtrid='" + gtrid + "'");
    AcceptorRow row;
    std::size_t left = code;
    for (int i = 0; i < 3; ++i, left /= 5) {
      const auto& question = questions[left % 5];
      const auto answer = participant->ask(question);
      ASSERT_TRUE(answer) << answer.error().what;
      // What it has accepted it says again, as if the first answer were late.
      const bool said_before = question.value && row.accepted == Accepted{question.ballot, *question.value};
      const bool granted = question.value ? protocol::accept(row, question.ballot, *question.value) || said_before
                                          : protocol::promise(row, question.ballot);
      EXPECT_EQ(answer->kind, granted ? Kind::granted : Kind::refused) << "sequence " << code << ", question " << i;
      EXPECT_EQ(answer->row, row) << "sequence " << code << ", question " << i;
    }
  }
}

TEST_P(ParticipantAcceptorTest, PreCommitsThatComeTogetherAreAnsweredEachForItself) {
  auto participant = up();
  const auto other = next_xid(coordinator).gtrid;
  ASSERT_EQ(participant->ask(promise(7))->kind, Kind::granted);
  std::vector<std::future<Result<ports::AcceptorAnswer>>> answers;
  for (int i = 0; i < 200; ++i) {
    auto question = pre_commit();
    // One that is promised to somebody, one that is there from the first on, the others new.
    question.gtrid = i % 3 == 0 ? gtrid : i % 3 == 1 ? other : next_xid(coordinator).gtrid;
    answers.push_back(std::async(std::launch::async, [&, question] { return participant->ask(question); }));
  }
  for (int i = 0; i < 200; ++i) {
    const auto answer = answers[static_cast<std::size_t>(i)].get();
    ASSERT_TRUE(answer) << answer.error().what;
    EXPECT_EQ(answer->kind, i % 3 == 0 ? Kind::refused : Kind::granted) << i;
  }
}

TEST_P(ParticipantAcceptorTest, WhatIsClosedIsNoNewTransaction) {
  auto participant = up();
  const auto later = next_xid(coordinator).gtrid;
  EXPECT_EQ(participant->close_acceptor("", later).value(), 0U);
  EXPECT_EQ(participant->ask(promise(3))->kind, Kind::granted) << "nothing was there to be closed";
  EXPECT_EQ(participant->close_acceptor("", later).value(), 1U);
  EXPECT_EQ(participant->ask(promise(4))->kind, Kind::closed);
  EXPECT_EQ(participant->ask(accept(4, Value::rollback))->kind, Kind::closed);
  EXPECT_EQ(rows(), 0);
  auto next = promise(4);
  next.gtrid = later;
  EXPECT_EQ(participant->ask(next)->kind, Kind::granted);
  // Another coordinator's range is its own.
  BlockingParticipant foreign(config_for(server, database, coordinator + "b"));
  foreign.enrol();
  wait_up(foreign);
  auto theirs = promise(3);
  theirs.gtrid = next_xid(coordinator + "b").gtrid;
  EXPECT_EQ(foreign.ask(theirs)->kind, Kind::granted);
  EXPECT_EQ(participant->inspect()->closed_below, later);
}

// Sent long ago, or by a process that was stopped in between: the statement that accepts tests both by itself.
TEST_P(ParticipantAcceptorTest, APreCommitIsNotAcceptedOnceItIsClosed) {
  auto participant = up();
  auto other = pre_commit();
  other.gtrid = next_xid(coordinator).gtrid;
  ASSERT_EQ(participant->ask(other)->kind, Kind::granted) << "its session is there";
  direct->run("UPDATE assent.pulse SET closed_below='" + next_xid(coordinator).gtrid + "' WHERE coordinator='" +
              coordinator + "'");
  const auto answer = participant->ask(pre_commit());
  EXPECT_FALSE(answer && answer->kind == Kind::granted);
  EXPECT_EQ(rows(), 0);
}

TEST_P(ParticipantAcceptorTest, APreCommitIsNotAcceptedOnceAnotherProcessOwnsTheParticipant) {
  auto participant = up();
  auto other = pre_commit();
  other.gtrid = next_xid(coordinator).gtrid;
  ASSERT_EQ(participant->ask(other)->kind, Kind::granted) << "its session is there";
  direct->run("UPDATE assent.coordinator SET instance=4711 WHERE id='" + coordinator + "'");
  EXPECT_FALSE(participant->ask(pre_commit()));
  EXPECT_EQ(rows(), 0);
}

TEST_P(ParticipantAcceptorTest, RowsTellWhoTakesPartAlsoThoseOfAPreparedBranch) {
  auto participant = up();
  const auto xid = next_xid(coordinator);
  EXPECT_FALSE(participant->find_rows(xid)->members);
  ASSERT_EQ(participant->prepare(work_for(xid, {sql("SELECT 1")})).kind, ports::Vote::Kind::prepared);
  const auto own = participant->find_rows(xid);
  ASSERT_TRUE(own) << own.error().what;
  EXPECT_EQ(own->members->participants, (std::vector<std::string>{"stock", "orders"}));
  EXPECT_EQ(participant->settle(xid, Decided::rollback).finding, Finding::rolled_back);
  EXPECT_FALSE(participant->find_rows(xid)->members) << "it was there, and not committed";
  ASSERT_EQ(participant->ask(pre_commit())->kind, Kind::granted);
  const auto kept = participant->find_rows({gtrid, "01.02.stock"});
  EXPECT_EQ(kept->members->acceptors, (std::vector<std::string>{"stock", "orders"}));
  ASSERT_EQ(kept->acceptors.size(), 1U);
  EXPECT_EQ(kept->acceptors[0].first, 1U);
}

// A name that leads to another server, and rows that speak of the one before.
TEST_P(ParticipantAcceptorTest, AnotherServerIsNotAskedInItsPlace) {
  auto participant = up();
  const auto here = participant->port().identity();
  ASSERT_TRUE(here);
  for (auto question : {promise(3), pre_commit(), accept(3, Value::commit)}) {
    question.server = *here + 1;
    const auto answer = participant->ask(question);
    ASSERT_FALSE(answer) << "another server was asked at ballot " << question.ballot;
    EXPECT_NE(answer.error().what.find("participant 'stock' is another server now (identity "), std::string::npos)
        << answer.error().what;
    EXPECT_TRUE(answer.error().retryable);
    question.server = protocol::kNoServer;
    EXPECT_FALSE(participant->ask(question)) << "it was not there when the transaction began";
  }
  EXPECT_EQ(rows(), 0);
  auto question = pre_commit();
  question.server = here;
  EXPECT_EQ(participant->ask(question)->kind, Kind::granted);
  EXPECT_EQ(participant->find_rows({gtrid, ""})->server, here);
}

// What it granted went with its schema, or with the day that it was restored from.
TEST_P(ParticipantAcceptorTest, OneThatHasForgottenHasNoVote) {
  const auto later = next_xid(coordinator, 1, 3).gtrid;
  auto ask_later = promise(3);
  ask_later.gtrid = later;
  const auto expect_no_vote = [&](BlockingParticipant& asked, const ports::AcceptorQuestion& question) {
    const auto answer = asked.ask(question);
    ASSERT_FALSE(answer) << "it voted on what it does not remember";
    EXPECT_NE(answer.error().what.find("it has no vote"), std::string::npos) << answer.error().what;
    EXPECT_FALSE(asked.find_rows({question.gtrid, ""})->remembers);
    EXPECT_FALSE(asked.find_rows({question.gtrid, ""})->proofs_kept);
  };
  {
    auto participant = up();
    ASSERT_EQ(participant->ask(promise(3))->kind, Kind::granted);
    EXPECT_TRUE(participant->find_rows({gtrid, ""})->remembers);
    // Restored from a copy of before epoch 3, which the transaction is of.
    expect_no_vote(*participant, ask_later);
  }
  // Emptied, and nobody has been there since.
  for (const auto* table : {"acceptor", "coordinator", "pulse", "proof"}) {
    direct->run(std::string("DELETE FROM assent.") + table + " WHERE " +
                (table == std::string("coordinator") ? "id"
                 : table == std::string("pulse")     ? "coordinator"
                                                     : "gtrid") +
                " LIKE '" + coordinator + "%'");
  }
  BlockingParticipant tool(config_for(server, database, coordinator));
  expect_no_vote(tool, promise(4));
  // Claimed by a later start: what it begins from then on is remembered, and nothing older.
  BlockingParticipant successor(config_for(server, database, coordinator));
  successor.enrol(1, 3);
  wait_up(successor);
  expect_no_vote(successor, promise(4));
  EXPECT_EQ(successor.ask(ask_later)->kind, Kind::granted);
  EXPECT_EQ(rows(), 0);
}

// What it granted in this epoch is gone too, when its rows go while the coordinator runs.
TEST_P(ParticipantAcceptorTest, OneThatForgetsWhileItsCoordinatorRunsHasNoVoteInThisEpoch) {
  auto participant = up();
  ASSERT_EQ(participant->ask(pre_commit())->kind, Kind::granted);
  direct->run("DELETE FROM assent.acceptor WHERE gtrid='" + gtrid + "'");
  direct->run("DELETE FROM assent.coordinator WHERE id='" + coordinator + "'");
  ASSERT_TRUE(eventually([&] { return participant->ups() == 2; }, kPatience));
  EXPECT_FALSE(participant->ask(promise(4))) << "it has forgotten what it had accepted";
  EXPECT_EQ(rows(), 0);
}

// What else is asked on the same session must not be undone with it.
TEST_P(ParticipantAcceptorTest, APurgeThatFailsLeavesNoTransactionBehind) {
  auto participant = up();
  std::vector<protocol::Xid> xids;
  for (int i = 0; i < 2; ++i) {
    xids.push_back(next_xid(coordinator));
    ASSERT_EQ(participant->prepare(work_for(xids.back(), {sql("SELECT 1")})).kind, ports::Vote::Kind::prepared);
    ASSERT_EQ(participant->settle(xids.back(), Decided::commit).finding, Finding::committed);
  }
  direct->run("START TRANSACTION");
  direct->rows("SELECT gtrid FROM assent.proof WHERE gtrid='" + xids[1].gtrid + "' FOR UPDATE");
  EXPECT_FALSE(participant->purge("", "~"));
  ASSERT_EQ(participant->ask(promise(3))->kind, Kind::granted);
  EXPECT_EQ(rows(), 1) << "seen from another session";
  direct->run("COMMIT");
  EXPECT_EQ(participant->purge("", "~").value(), 2U);
}

}  // namespace
}  // namespace assent::testing
