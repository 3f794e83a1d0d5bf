// Three phases at their seams: acceptors that were replaced, that forgot, or that have closed; a branch that its server
// has lost sight of while everything else says that it is over.

#include <gmock/gmock.h>

#include "protocol/xid.hpp"
#include "support/seams.hpp"

namespace assent::testing {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using ::testing::Not;

class FaultsAcceptorsTest : public WideSeamsTest {
 protected:
  static constexpr const char* kPay = "UPDATE accounts SET balance=balance-7 WHERE id=1";
  static constexpr const char* kGet = "UPDATE accounts SET balance=balance+7 WHERE id=2";
  static constexpr const char* kTwo = "east,west";
  static constexpr const char* kThree = "east,west/east,west,witness";

  /// A third acceptor, which takes part in nothing else.
  void add_witness() {
    daemon_.options().participants.push_back(entry("witness", third(), "\"witness\": true"));
    daemon_.options().participants.back().database.clear();
    daemon_.options().more_json += R"(, "transactions": {"acceptors": ["east", "west", "witness"]})";
  }
  /// Starts without waiting for those that cannot be reached.
  void start_with_what_is_there() {
    daemon_.options().environment = failpoint_environment(daemon_.folder() + "/failpoints", "");
    daemon_.start();
  }
  Planted branch_of(const std::string& gtrid, const std::string& name, const char* members) const {
    return {gtrid, name == "east" ? std::uint16_t{1} : std::uint16_t{2}, 2, name, members};
  }
  /// The row of an acceptor, counted from 0, that has accepted.
  void accept(const Server& server, const std::string& gtrid, int acceptor, const char* members,
              const std::string& ballot = "0", const std::string& value = "commit") {
    Sql(server, "", true)
        .run(
            "INSERT INTO assent.acceptor(gtrid,acceptor,promised,accepted_ballot,accepted_value,members) "
            "VALUES ('" +
            gtrid + "'," + std::to_string(acceptor) + "," + ballot + "," + ballot + ",'" + value + "','" + members +
            "')");
  }
  /// This server has closed everything of the first epoch.
  void close(const Server& server) {
    Sql(server, "", true)
        .run("UPDATE assent.pulse SET closed_below='" + protocol::gtrid_range_bound(database_, 2, 0) +
             "' WHERE coordinator='" + database_ + "'");
  }

  /// Accepted by the west and the witness only, and by then killed: the east was not asked.
  std::string die_with_a_majority_without_the_east() {
    start();
    failpoints().arm("packet_unsent/gtrid,0 acceptor=hold;quorum_decided=crash");
    static_cast<void>(daemon_.client().submit(order(Protocol::three_phase)).ok());
    EXPECT_EQ(daemon_.wait(20s), 128 + SIGKILL) << daemon_.output();
    const auto gtrids = listed(east());
    EXPECT_EQ(gtrids.size(), 1U);
    EXPECT_EQ(rows_in(east(), "acceptor", *gtrids.begin()), 0);
    EXPECT_EQ(rows_in(west(), "acceptor", *gtrids.begin()), 1);
    EXPECT_EQ(rows_in(third(), "acceptor", *gtrids.begin()), 1);
    return *gtrids.begin();
  }
  /// The east and a witness that knows nothing of it are a majority by their number.
  void expect_left_alone_until_the_west_is_back(const std::string& gtrid, bool east_has_committed) {
    const auto away = west();
    servers().kill(away.name);
    start_with_what_is_there();
    wait_sweeps(15);
    EXPECT_EQ(is_listed(east(), gtrid), !east_has_committed) << daemon_.output();
    servers().restart(away.name);
    EXPECT_TRUE(eventually([&] { return ours() == 0; })) << daemon_.output();
    expect_moved(true);
  }
  void expect_nothing_rolled_back_against_a_proof(bool with_log);
  void leave_one_row_beside_the_proof();
};
ASSENT_FOR_EVERY_PAIR(FaultsAcceptorsTest);

// On MySQL, which loses sight of no branch, its branch comes late instead.
TEST_P(FaultsAcceptorsTest, WhatWasAcceptedIsNotSettledWhileABranchOfItCannotBeSeen) {
  be_gone();
  const auto gtrid = orphan_gtrid(1, 7, Protocol::three_phase);
  const bool hidden = east().kind == "mariadb";
  if (hidden) prepare_and_hide(east(), branch_of(gtrid, "east", kTwo), kPay);
  prepare_branch(west(), branch_of(gtrid, "west", kTwo), kGet);
  settle_by_hand(west(), gtrid, "COMMIT");
  accept(east(), gtrid, 0, kTwo);
  accept(west(), gtrid, 1, kTwo);
  EXPECT_EQ(ours(), 0U) << "nobody lists anything of it";
  start_without_log();
  wait_purged();
  for (const auto& server : {east(), west()}) {
    EXPECT_EQ(rows_in(server, "acceptor", gtrid), 1) << server.name << "\n" << daemon_.output();
  }
  EXPECT_EQ(rows_in(west(), "proof", gtrid), 1) << daemon_.output();
  EXPECT_EQ(live({"list"}).code, kCtlInDoubt) << live({"list"}).output;
  if (hidden) {
    servers().kill(east().name);
    servers().restart(east().name);
  } else {
    prepare_unswept(east(), gtrid, kPay);
  }
  EXPECT_TRUE(eventually([&] { return ours() == 0 && balance(east(), 1) == kOpening - kAmount; })) << daemon_.output();
  expect_moved(true);
  Told list;
  EXPECT_TRUE(eventually([&] { return (list = live({"list"})).code == kCtlClean; })) << list.output;
  EXPECT_TRUE(eventually([&] { return rows_in(east(), "acceptor", gtrid) == 0; })) << daemon_.output();
}

TEST_P(FaultsAcceptorsTest, WhatWasAcceptedAndIsLostAtOneIsAHazardThoughNobodyListsAnythingOfIt) {
  const auto gtrid = die_at("quorum_decided=crash", Protocol::three_phase);
  settle_by_hand(east(), gtrid, "ROLLBACK");
  settle_by_hand(west(), gtrid, "COMMIT");
  for (int run = 0; run < 2; ++run) {
    SCOPED_TRACE(run);
    start();
    EXPECT_TRUE(eventually([&] { return live({"hazards"}).code == kCtlInDoubt; })) << daemon_.output();
    EXPECT_THAT(live({"hazards"}).output, HasSubstr(gtrid));
    wait_purged();
    EXPECT_EQ(rows_in(west(), "acceptor", gtrid), 1) << daemon_.output();
    EXPECT_EQ(rows_in(west(), "proof", gtrid), 1) << daemon_.output();
    daemon_.kill_9();
  }
  // And so it is for one who has no log.
  start_without_log();
  EXPECT_TRUE(eventually([&] { return live({"hazards"}).code == kCtlInDoubt; })) << daemon_.output();
}

TEST_P(FaultsAcceptorsTest, AnAcceptorWhoseNameLeadsToAnEmptyServerHasNoVoteOnWhatOneHasCommitted) {
  add_witness();
  const auto gtrid = die_with_a_majority_without_the_east();
  settle_by_hand(east(), gtrid, "COMMIT");
  redirect("witness", spare());
  expect_left_alone_until_the_west_is_back(gtrid, true);
}

TEST_P(FaultsAcceptorsTest, AnAcceptorWhoseNameLeadsToAnEmptyServerHasNoVoteOnWhatIsPrepared) {
  add_witness();
  const auto gtrid = die_with_a_majority_without_the_east();
  redirect("witness", spare());
  expect_left_alone_until_the_west_is_back(gtrid, false);
}

// The same server, set back to before it ever accepted anything.
TEST_P(FaultsAcceptorsTest, AnAcceptorThatHasLostItsTablesHasNoVote) {
  add_witness();
  const auto gtrid = die_with_a_majority_without_the_east();
  Sql(third(), "", true).run("DROP DATABASE assent");
  expect_left_alone_until_the_west_is_back(gtrid, false);
}

TEST_P(FaultsAcceptorsTest, TheToolGivesNoVoteToAnAcceptorWhoseNameLeadsToAnEmptyServer) {
  add_witness();
  const auto gtrid = die_with_a_majority_without_the_east();
  lose_log();
  be_silent();
  redirect("witness", spare());
  daemon_.write_config();
  const auto away = west();
  servers().kill(away.name);
  const auto applied = offline({"recover", "--log-lost", "--apply", "--timeout-ms", "3000"});
  EXPECT_EQ(applied.code, kCtlInDoubt) << applied.output;
  EXPECT_TRUE(is_listed(east(), gtrid)) << applied.output;
  servers().restart(away.name);
  const auto again = offline({"recover", "--log-lost", "--apply"});
  EXPECT_EQ(ours(), 0U) << again.output;
  expect_moved(true);
}

TEST_P(FaultsAcceptorsTest, WhatAMajorityHasClosedIsRolledBackByTheToolAsItSaysAndIsNoHazard) {
  add_witness();
  be_gone();
  const auto gtrid = orphan_gtrid(1, 7, Protocol::three_phase);
  prepare_branch(east(), branch_of(gtrid, "east", kThree), kPay);
  accept(third(), gtrid, 2, kThree);
  for (const auto& server : {east(), west()}) close(server);
  lose_log();
  be_silent();
  const auto looked = offline({"recover", "--log-lost"});
  EXPECT_EQ(looked.code, kCtlInDoubt) << looked.output;
  EXPECT_THAT(looked.output, HasSubstr("1 will roll back"));
  EXPECT_THAT(looked.output, Not(HasSubstr("HAZARD")));
  const auto applied = offline({"recover", "--log-lost", "--apply"});
  EXPECT_EQ(applied.code, kCtlClean) << applied.output;
  EXPECT_THAT(applied.output, Not(HasSubstr("HAZARD")));
  EXPECT_EQ(ours(), 0U);
  EXPECT_EQ(balance(east(), 1), kOpening);
  EXPECT_EQ(audited("roll_back", "done", "east"), 1U);
  EXPECT_EQ(audited("commit", "begun", "east") + audited("commit", "done", "east"), 0U);
}

TEST_P(FaultsAcceptorsTest, WhatIsClosedAndNotYetDeletedIsSettledByTheTool) {
  be_gone();
  const auto gtrid = orphan_gtrid(1, 7, Protocol::three_phase);
  prepare_branch(east(), branch_of(gtrid, "east", kTwo), kPay);
  for (const auto& server : {east(), west()}) {
    accept(server, gtrid, server.name == east().name ? 0 : 1, kTwo, "281474976710661", "rollback");
    close(server);
  }
  lose_log();
  be_silent();
  const auto applied = offline({"recover", "--log-lost", "--apply", "--timeout-ms", "15000"});
  EXPECT_EQ(applied.code, kCtlClean) << applied.output;
  EXPECT_EQ(ours(), 0U);
  EXPECT_EQ(balance(east(), 1), kOpening);
  EXPECT_EQ(audited("roll_back", "done", "east"), 1U);
}

// The only copy of the decision that is left is the proof row of the branch that has committed.
void FaultsAcceptorsTest::expect_nothing_rolled_back_against_a_proof(bool with_log) {
  const auto gtrid = die_at("quorum_decided=crash", Protocol::three_phase);
  settle_by_hand(east(), gtrid, "COMMIT");
  for (const auto* server : {&east(), &west()}) dba(*server).run("DELETE FROM assent.acceptor");
  if (with_log) {
    start();
  } else {
    lose_log();
    be_silent();
    start_without_log();
  }
  EXPECT_TRUE(eventually([&] { return live({"hazards"}).code == kCtlInDoubt; })) << daemon_.output();
  wait_purged();
  EXPECT_TRUE(is_listed(west(), gtrid)) << daemon_.output();
  EXPECT_EQ(rows_in(east(), "proof", gtrid), 1);
  EXPECT_EQ(live({"list"}).code, kCtlInDoubt);
  EXPECT_EQ(live({"recover"}).code, kCtlInDoubt);
  daemon_.kill_9();
  EXPECT_EQ(offline({"recover", "--apply", "--timeout-ms", "2000"}).code, kCtlInDoubt);
  EXPECT_TRUE(is_listed(west(), gtrid));
  be_silent();
  const auto chosen = offline({"resolve", gtrid, "--commit", "--reason", "it was delivered"});
  EXPECT_EQ(chosen.code, kCtlClean) << chosen.output;
  EXPECT_EQ(ours(), 0U);
  start();
  EXPECT_TRUE(eventually([&] { return live({"list"}).code == kCtlClean; })) << live({"list"}).output;
  EXPECT_TRUE(eventually([&] { return live({"hazards"}).code == kCtlClean; })) << live({"hazards"}).output;
  expect_moved(true);
}

// Of the rows of a majority that had accepted, one is left, beside the proof.
void FaultsAcceptorsTest::leave_one_row_beside_the_proof() {
  add_witness();
  const auto gtrid = die_at("quorum_decided=crash", Protocol::three_phase);
  settle_by_hand(west(), gtrid, "COMMIT");
  for (const auto* server : {&east(), &third()}) Sql(*server, "", true).run("DELETE FROM assent.acceptor");
  Sql(west(), "", true)
      .run("REPLACE INTO assent.acceptor(gtrid,acceptor,promised,accepted_ballot,accepted_value,members) VALUES ('" +
           gtrid + "',1,0,0,'commit','" + kThree + "')");
}

TEST_P(FaultsAcceptorsTest, WhatOneAcceptorStillHasIsFoundByAStart) {
  leave_one_row_beside_the_proof();
  start();
  EXPECT_TRUE(eventually([&] { return ours() == 0; })) << daemon_.output();
  expect_moved(true);
  EXPECT_EQ(live({"hazards"}).code, kCtlClean);
}

TEST_P(FaultsAcceptorsTest, WhatOneAcceptorStillHasIsFoundByTheTool) {
  leave_one_row_beside_the_proof();
  const auto applied = offline({"recover", "--apply", "--timeout-ms", "10000"});
  EXPECT_EQ(applied.code, kCtlClean) << applied.output;
  EXPECT_EQ(ours(), 0U);
  expect_moved(true);
}

TEST_P(FaultsAcceptorsTest, AHazardIsOneWhileTheServerWithItsProofIsDown) {
  add_witness();
  const auto gtrid = die_at("pre_commit_unsent=crash", Protocol::three_phase);
  settle_by_hand(west(), gtrid, "COMMIT");
  start();
  EXPECT_TRUE(eventually([&] { return live({"hazards"}).code == kCtlInDoubt; })) << daemon_.output();
  const auto away = west();
  servers().kill(away.name);
  for (const bool restarted : {false, true}) {
    SCOPED_TRACE(restarted);
    if (restarted) {
      daemon_.kill_9();
      start_with_what_is_there();
    }
    wait_sweeps(15);
    EXPECT_TRUE(is_listed(east(), gtrid)) << daemon_.output();
    EXPECT_EQ(live({"list"}).code, kCtlInDoubt);
    EXPECT_EQ(live({"hazards"}).code, kCtlInDoubt);
  }
  servers().restart(away.name);
  daemon_.wait_up();
  EXPECT_EQ(live({"hazards", "acknowledge", gtrid, "2", "--reason", "paid back"}).code, kCtlClean);
  EXPECT_TRUE(eventually([&] { return ours() == 0; })) << daemon_.output();
  EXPECT_EQ(balance(east(), 1), kOpening);
}

TEST_P(FaultsAcceptorsTest, AChoiceStandsWhileTheServerWithTheProofIsDown) {
  add_witness();
  const auto gtrid = die_at("pre_commit_unsent=crash", Protocol::three_phase);
  settle_by_hand(west(), gtrid, "COMMIT");
  start();
  EXPECT_TRUE(eventually([&] { return live({"hazards"}).code == kCtlInDoubt; })) << daemon_.output();
  daemon_.kill_9();
  const auto proof = west(), rest = east();
  servers().kill(rest.name);
  std::this_thread::sleep_for(3100ms);
  const auto chosen = offline({"resolve", gtrid, "--commit", "--reason", "it was delivered"});
  EXPECT_EQ(chosen.code, kCtlInDoubt) << chosen.output;
  EXPECT_EQ(rows_in(third(), "heuristic", gtrid), 1) << "more than one keeps it";
  servers().kill(proof.name);
  servers().restart(rest.name);
  lose_log();
  std::this_thread::sleep_for(5100ms);
  offline({"recover", "--log-lost", "--apply", "--timeout-ms", "3000"});
  EXPECT_EQ(balance(rest, 1), kOpening - kAmount) << "the choice was not followed";
  servers().restart(proof.name);
  start_without_log();
  EXPECT_TRUE(eventually([&] { return live({"list"}).code == kCtlClean; })) << live({"list"}).output;
  expect_moved(true);
}

TEST_P(FaultsAcceptorsTest, TheHazardOfAChosenRollbackIsLeftToBeAcknowledged) {
  const auto gtrid = die_at("pre_commit_unsent=crash", Protocol::three_phase);
  settle_by_hand(west(), gtrid, "COMMIT");
  start();
  EXPECT_TRUE(eventually([&] { return live({"hazards"}).code == kCtlInDoubt; })) << daemon_.output();
  EXPECT_THAT(live({"list"}).output, Not(HasSubstr("decided before this start")));
  daemon_.kill_9();
  be_silent();
  const auto chosen = offline({"resolve", gtrid, "--rollback", "--reason", "it was taken back"});
  EXPECT_EQ(chosen.code, kCtlRolledBack) << chosen.output;
  EXPECT_THAT(chosen.output,
              AllOf(HasSubstr("assentctl hazards acknowledge " + gtrid + " 2 "), Not(HasSubstr("--log-lost"))));
  EXPECT_EQ(ours(), 0U);
  EXPECT_EQ(offline({"hazards", "acknowledge", gtrid, "2", "--reason", "taken back by hand"}).code, kCtlClean);
  EXPECT_EQ(offline({"hazards"}).code, kCtlClean);
}

TEST_P(FaultsAcceptorsTest, NothingIsRolledBackAgainstAProofWhereTheirRowsWereDeleted) {
  expect_nothing_rolled_back_against_a_proof(true);
}

TEST_P(FaultsAcceptorsTest, WithoutTheLogNothingIsRolledBackAgainstAProofEither) {
  expect_nothing_rolled_back_against_a_proof(false);
}

}  // namespace
}  // namespace assent::testing
