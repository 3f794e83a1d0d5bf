// Branches that somebody settled by hand against what was, or was not, decided: seen by the start and the sweep as the
// tool sees them, kept with their rows through restarts, and closed by an operator only.

#include <gmock/gmock.h>

#include <future>
#include <memory>

#include "support/seams.hpp"

namespace assent::testing {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using ::testing::Not;

class FaultsHazardsTest : public SeamsTest {
 protected:
  /// What monitoring and people ask a running coordinator: each tells of the hazard.
  void expect_shown(const std::string& gtrid) {
    EXPECT_TRUE(eventually([&] { return live({"hazards"}).code == kCtlInDoubt; })) << daemon_.output();
    EXPECT_THAT(live({"hazards"}).output, HasSubstr(gtrid));
    for (const auto* what : {"list", "info", "recover"}) {
      const auto told = live({what});
      EXPECT_EQ(told.code, kCtlInDoubt) << what << "\n" << told.output;
    }
    EXPECT_THAT(live({"list"}).output, HasSubstr(gtrid));
    EXPECT_GE(daemon_.client().info()->hazards, 1U);
  }
  /// What they are told once it is acknowledged.
  void expect_not_shown() {
    for (const auto* what : {"hazards", "list", "info", "recover"}) {
      Told told;
      EXPECT_TRUE(eventually([&] { return (told = live({what})).code == kCtlClean; })) << what << "\n" << told.output;
    }
  }
  Told acknowledge(const std::string& gtrid, int branch) {
    return live({"hazards", "acknowledge", gtrid, std::to_string(branch), "--reason", "seen to, ticket 4711"});
  }
  /// A thorough operator: the money that was committed by hand in the west goes back, and its proof row too.
  void undo_in_the_west(const std::string& gtrid) {
    dba(west()).run("UPDATE accounts SET balance=balance-" + std::to_string(kAmount) + " WHERE id=2");
    Sql(west(), "", true).run("DELETE FROM assent.proof WHERE gtrid='" + gtrid + "'");
    EXPECT_EQ(rows_in(west(), "proof", gtrid), 0);
    expect_moved(false);
  }
};
ASSENT_FOR_EVERY_PAIR(FaultsHazardsTest);

TEST_P(FaultsHazardsTest, OneOfThreePhasesOutlivesEveryRestartWithItsRowsUntilItIsAcknowledged) {
  const auto gtrid = die_at("pre_commit_unsent=crash", Protocol::three_phase);
  settle_by_hand(east(), gtrid, "COMMIT");
  for (int run = 0; run < 3; ++run) {
    SCOPED_TRACE(run);
    start();
    expect_shown(gtrid);
    wait_purged();
    expect_shown(gtrid);
    EXPECT_EQ(rows_in(east(), "proof", gtrid), 1) << "the evidence of what was done by hand";
    if (run == 1) {
      EXPECT_EQ(daemon_.terminate(), 0);
    } else {
      daemon_.kill_9();
    }
    EXPECT_EQ(offline({"hazards"}).code, kCtlInDoubt);
    EXPECT_EQ(offline({"recover"}).code, kCtlInDoubt);
  }
  start();
  EXPECT_EQ(acknowledge(gtrid, 1).code, kCtlClean);
  EXPECT_TRUE(eventually([&] { return ours() == 0; })) << daemon_.output();
  expect_not_shown();
  EXPECT_TRUE(eventually([&] { return rows_in(east(), "proof", gtrid) == 0; })) << daemon_.output();
  daemon_.kill_9();
  start();
  expect_not_shown();
  EXPECT_EQ(balance(west(), 2), kOpening);
}

TEST_P(FaultsHazardsTest, ACommitByHandBeforeAnyDecisionIsSeenByTheStartAndTheRestIsLeftAlone) {
  const auto gtrid = die_at("decision_unforced=crash");
  settle_by_hand(west(), gtrid, "COMMIT");
  for (int run = 0; run < 2; ++run) {
    SCOPED_TRACE(run);
    start();
    expect_shown(gtrid);
    wait_purged();
    EXPECT_EQ(rows_in(west(), "proof", gtrid), 1) << daemon_.output();
    EXPECT_TRUE(is_listed(east(), gtrid)) << "nobody has said yet which way it goes\n" << daemon_.output();
    if (run == 0) daemon_.kill_9();
  }
  EXPECT_EQ(acknowledge(gtrid, 2).code, kCtlClean);
  EXPECT_TRUE(eventually([&] { return ours() == 0; })) << daemon_.output();
  EXPECT_EQ(balance(east(), 1), kOpening);
  EXPECT_EQ(balance(west(), 2), kOpening + kAmount);
  expect_not_shown();
}

// Without the row nothing but the acknowledged hazard tells of the branch in the west, and it tells of no decision.
TEST_P(FaultsHazardsTest, OnceACommitByHandIsUndoneWithItsRowTheRestIsRolledBackByTheAcknowledgement) {
  const auto gtrid = die_at("decision_unforced=crash");
  settle_by_hand(west(), gtrid, "COMMIT");
  start();
  expect_shown(gtrid);
  // No look between the two.
  failpoints().arm("sweep_scanned=hold");
  EXPECT_TRUE(eventually([&] { return failpoints().passed("sweep_scanned") > 0; }));
  undo_in_the_west(gtrid);
  EXPECT_EQ(acknowledge(gtrid, 2).code, kCtlClean);
  EXPECT_TRUE(is_listed(east(), gtrid));
  failpoints().disarm();
  EXPECT_TRUE(eventually([&] { return ours() == 0; })) << daemon_.output();
  expect_moved(false);
  expect_not_shown();
}

TEST_P(FaultsHazardsTest, AnAcknowledgedCommitByHandIsNoDecisionAfterARestartEither) {
  const auto gtrid = die_at("decision_unforced=crash");
  settle_by_hand(west(), gtrid, "COMMIT");
  start();
  expect_shown(gtrid);
  daemon_.kill_9();
  start("sweep_scanned=hold");
  expect_shown(gtrid);
  undo_in_the_west(gtrid);
  EXPECT_EQ(acknowledge(gtrid, 2).code, kCtlClean);
  EXPECT_TRUE(is_listed(east(), gtrid));
  daemon_.kill_9();
  EXPECT_TRUE(is_listed(east(), gtrid)) << "killed before it was settled";
  EXPECT_EQ(survey().at("east").at("verdict"), "will_roll_back");
  start();
  EXPECT_TRUE(eventually([&] { return ours() == 0; })) << daemon_.output();
  expect_moved(false);
  expect_not_shown();
}

TEST_P(FaultsHazardsTest, AfterARestartAHazardIsListedBeforeAnyBranchWasLookedAt) {
  const auto gtrid = die_at("decision_unforced=crash");
  settle_by_hand(west(), gtrid, "COMMIT");
  start();
  expect_shown(gtrid);
  daemon_.kill_9();
  start("sweep_scanned=hold");
  expect_shown(gtrid);
  failpoints().disarm();
  wait_sweeps(2);
  expect_shown(gtrid);
  EXPECT_EQ(acknowledge(gtrid, 2).code, kCtlClean);
  expect_not_shown();
}

TEST_P(FaultsHazardsTest, WhatWasShownIsInTheLogAtAKill) {
  // What is not forced is not written in the time that this takes.
  auto& usual = daemon_.options().more_json;
  const auto at = usual.find("\"segment_bytes\"");
  ASSERT_NE(at, std::string::npos);
  usual.insert(at, "\"lazy_flush_ms\": 60000, ");
  start("decision_durable=hold");
  auto told = std::async(std::launch::async, [client = std::make_shared<Client>(daemon_.client()), this] {
    return client->submit(order(Protocol::two_phase)).ok();
  });
  wait_passed("decision_durable");
  const auto gtrid = *listed(west()).begin();
  kill_branch_connections(west());
  settle_by_hand(west(), gtrid, "ROLLBACK");
  failpoints().disarm();
  expect_shown(gtrid);
  daemon_.kill_9();
  told.wait();
  const auto kept = offline({"hazards"});
  EXPECT_EQ(kept.code, kCtlInDoubt) << kept.output;
  EXPECT_THAT(kept.output, HasSubstr(gtrid));
}

TEST_P(FaultsHazardsTest, WhatWasCommittedByHandBeforeAnyDecisionIsCommittedEverywhereWhereAnOperatorSaysSo) {
  const auto gtrid = die_at("decision_unforced=crash");
  settle_by_hand(west(), gtrid, "COMMIT");
  start();
  expect_shown(gtrid);
  daemon_.kill_9();
  const auto chosen = offline({"resolve", gtrid, "--commit", "--reason", "it was delivered"});
  EXPECT_EQ(chosen.code, kCtlClean) << chosen.output;
  EXPECT_EQ(ours(), 0U);
  expect_moved(true);
  EXPECT_THAT(offline({"resolve", gtrid, "--commit", "--reason", "again"}).output, HasSubstr("commit was chosen by "));
  EXPECT_THAT(offline({"resolve", gtrid, "--rollback", "--reason", "no"}).output, HasSubstr("the opposite stands: "));
  start();
  expect_not_shown();
  EXPECT_THAT(live({"status", gtrid}).output,
              AllOf(HasSubstr("assentctl recover shows"), Not(HasSubstr("rolled back"))));
}

TEST_P(FaultsHazardsTest, TheRestMayBeCommittedWhileTheServerWithTheProofIsDown) {
  const auto gtrid = die_at("decision_unforced=crash");
  settle_by_hand(west(), gtrid, "COMMIT");
  start();
  expect_shown(gtrid);
  daemon_.kill_9();
  const auto away = west();
  servers().kill(away.name);
  EXPECT_THAT(offline({"recover"}).output, HasSubstr("HAZARD"));
  const auto chosen = offline({"resolve", gtrid, "--commit", "--reason", "it was delivered", "--timeout-ms", "3000"});
  EXPECT_EQ(chosen.code, kCtlInDoubt) << "not everything could be reached\n" << chosen.output;
  EXPECT_EQ(balance(east(), 1), kOpening - kAmount) << chosen.output;
  servers().restart(away.name);
  start();
  expect_not_shown();
  expect_moved(true);
}

TEST_P(FaultsHazardsTest, AChosenRollbackBindsWithoutTheLogToo) {
  const auto gtrid = die_at("decision_unforced=crash");
  settle_by_hand(east(), gtrid, "COMMIT");
  start();
  expect_shown(gtrid);
  // It is killed before it could follow.
  daemon_.signal(SIGSTOP);
  const auto chosen = offline({"resolve", gtrid, "--rollback", "--reason", "cancelled", "--timeout-ms", "1000"});
  EXPECT_EQ(chosen.code, kCtlInDoubt) << chosen.output;
  daemon_.kill_9();
  dba(east()).run("UPDATE accounts SET balance=balance+" + std::to_string(kAmount) + " WHERE id=1");
  lose_log();
  be_silent();
  const auto applied = offline({"recover", "--log-lost", "--apply", "--timeout-ms", "10000"});
  EXPECT_EQ(applied.code, kCtlInDoubt) << "the hazard is left\n" << applied.output;
  EXPECT_EQ(ours(), 0U);
  expect_moved(false);
  start_without_log();
  wait_sweeps(5);
  expect_moved(false);
  EXPECT_THAT(live({"recover"}).output, Not(HasSubstr("it was to commit")));
}

TEST_P(FaultsHazardsTest, WhereNothingIsLeftToCommitAnOperatorIsToldSo) {
  const auto gtrid = die_at("decision_unforced=crash");
  settle_by_hand(west(), gtrid, "COMMIT");
  settle_by_hand(east(), gtrid, "ROLLBACK");
  start();
  expect_shown(gtrid);
  daemon_.kill_9();
  const auto chosen = offline({"resolve", gtrid, "--commit", "--reason", "as hazards says"});
  EXPECT_EQ(chosen.code, kCtlInDoubt) << chosen.output;
  EXPECT_THAT(chosen.output, HasSubstr("no branch of it is left that could be committed"));
  EXPECT_EQ(rows_in(west(), "heuristic", gtrid), 0);
}

// The other direction: with the hand at work before the start, the branch comes when the coordinator runs.
TEST_P(FaultsHazardsTest, ALatePrepareIsNotRolledBackBehindACommitByHand) {
  be_gone();
  const auto gtrid = orphan_gtrid(1, 7);
  prepare_by_hand(west(), gtrid, "UPDATE accounts SET balance=balance+7 WHERE id=2");
  settle_by_hand(west(), gtrid, "COMMIT");
  start();
  expect_shown(gtrid);
  prepare_unswept(east(), gtrid, "UPDATE accounts SET balance=balance-7 WHERE id=1");
  wait_purged();
  EXPECT_TRUE(is_listed(east(), gtrid)) << daemon_.output();
  EXPECT_EQ(rows_in(west(), "proof", gtrid), 1);
  expect_shown(gtrid);
  EXPECT_EQ(acknowledge(gtrid, 2).code, kCtlClean);
  EXPECT_TRUE(eventually([&] { return ours() == 0; })) << daemon_.output();
  EXPECT_EQ(balance(east(), 1), kOpening);
}

// What the start may not do, the tool may not do either.
TEST_P(FaultsHazardsTest, TheToolAppliesWhatTheStartWouldDo) {
  const auto gtrid = die_at("decision_unforced=crash");
  settle_by_hand(west(), gtrid, "COMMIT");
  const auto shown = offline({"recover"});
  EXPECT_EQ(shown.code, kCtlInDoubt) << shown.output;
  EXPECT_THAT(shown.output, HasSubstr("HAZARD"));
  EXPECT_THAT(shown.output, Not(HasSubstr("will roll back")));
  const auto applied = offline({"recover", "--apply"});
  EXPECT_EQ(applied.code, kCtlInDoubt) << applied.output;
  EXPECT_TRUE(is_listed(east(), gtrid)) << applied.output;
  EXPECT_EQ(audited("roll_back", "done", "east"), 0U);
  EXPECT_EQ(offline({"hazards"}).code, kCtlInDoubt) << "found by the tool, it is kept in the log";
  start();
  expect_shown(gtrid);
  EXPECT_TRUE(is_listed(east(), gtrid));
}

// A participant says how far all has ended when it deletes rows, and that goes past those of a hazard.
TEST_P(FaultsHazardsTest, WithoutTheLogItIsNotTakenForOneThatHasEnded) {
  be_gone();
  const auto gtrid = orphan_gtrid(1, 7);
  prepare_by_hand(west(), gtrid, "UPDATE accounts SET balance=balance+7 WHERE id=2");
  settle_by_hand(west(), gtrid, "COMMIT");
  const auto later = orphan_gtrid(1, 8);
  for (const auto* server : {&east(), &west()}) {
    prepare_by_hand(*server, later, "UPDATE accounts SET balance=balance+0 WHERE id=3");
    settle_by_hand(*server, later, "COMMIT");
  }
  start();
  expect_shown(gtrid);
  for (const auto* server : {&east(), &west()}) {
    EXPECT_TRUE(eventually([&] { return rows_in(*server, "proof", later) == 0; })) << daemon_.output();
  }
  EXPECT_EQ(rows_in(west(), "proof", gtrid), 1);
  daemon_.kill_9();
  lose_log();
  be_silent();
  const auto looked = offline({"recover", "--log-lost"});
  EXPECT_EQ(looked.code, kCtlInDoubt) << looked.output;
  EXPECT_THAT(looked.output, HasSubstr(gtrid));
  start_without_log();
  expect_shown(gtrid);
  wait_purged();
  EXPECT_EQ(rows_in(west(), "proof", gtrid), 1);
}

}  // namespace
}  // namespace assent::testing
