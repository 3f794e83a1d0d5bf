// Names that lead elsewhere: a participant that the configuration has lost, or knows under another name, or whose
// address leads to another server by now.

#include <gmock/gmock.h>

#include <fstream>

#include "support/seams.hpp"

namespace assent::testing {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class FaultsNamesTest : public WideSeamsTest {
 protected:
  void rename(const std::string& from, const std::string& to) {
    for (auto& participant : daemon_.options().participants) {
      if (participant.name == from) participant.name = to;
    }
  }
  /// What monitoring asks tells of it, all the time.
  void expect_told(const std::string& gtrid) {
    Told list;
    EXPECT_TRUE(eventually([&] {
      list = live({"list"});
      return list.code == kCtlInDoubt && list.output.find(gtrid) != std::string::npos;
    })) << list.code
        << "\n"
        << list.output << daemon_.output();
    wait_sweeps(3);
    EXPECT_EQ(live({"list"}).code, kCtlInDoubt) << live({"list"}).output;
    EXPECT_EQ(live({"info"}).code, kCtlInDoubt);
  }
  void expect_settled_in_the_end() {
    EXPECT_TRUE(eventually([&] { return ours() == 0; })) << daemon_.output();
    EXPECT_TRUE(eventually([&] { return live({"list"}).code == kCtlClean; })) << live({"list"}).output;
  }

  /// A second configuration in a folder of its own, of another coordinator at this site.
  std::string other_config(const std::string& id, const std::vector<Daemon::Participant>& participants) {
    other_ =
        std::make_unique<Daemon>(Daemon::Options{.coordinator_id = id, .participants = participants, .more_json = ""});
    other_->write_config();
    return other_->config_path();
  }

  void exchange() {
    rename("west", "neither");
    rename("east", "west");
    rename("neither", "east");
  }
  /// What two participants hold whose addresses are exchanged from the start on.
  void expect_told_while_exchanged(const std::string& gtrid) {
    exchange();
    start();
    expect_told(gtrid);
    const auto shown = live({"recover"});
    EXPECT_EQ(shown.code, kCtlInDoubt);
    EXPECT_THAT(shown.output, AllOf(HasSubstr(gtrid), HasSubstr("may have been exchanged"))) << shown.output;
    EXPECT_EQ(live({"hazards"}).code, kCtlClean) << live({"hazards"}).output;
    EXPECT_TRUE(is_listed(east(), gtrid));
    EXPECT_TRUE(is_listed(west(), gtrid));
    EXPECT_EQ(daemon_.terminate(), 0);
    EXPECT_EQ(offline({"recover", "--apply", "--timeout-ms", "2000"}).code, kCtlInDoubt);
    EXPECT_TRUE(is_listed(east(), gtrid));
    exchange();
    start();
    expect_settled_in_the_end();
    EXPECT_EQ(live({"hazards"}).code, kCtlClean) << live({"hazards"}).output;
  }

  void add_billing() {
    Sql(spare()).run("CREATE DATABASE IF NOT EXISTS " + database_);
    daemon_.options().participants.push_back(entry("billing", spare()));
  }
  void expect_refused_where_misnamed(const std::string& name);

  std::unique_ptr<Daemon> other_;
};
ASSENT_FOR_EVERY_PAIR(FaultsNamesTest);

TEST_P(FaultsNamesTest, WhatARenamedParticipantHoldsIsToldUntilItHasItsNameBack) {
  const auto gtrid = die_at("decision_unforced=crash");
  rename("west", "west2");
  start();
  expect_told(gtrid);
  EXPECT_TRUE(is_listed(west(), gtrid));
  EXPECT_EQ(daemon_.terminate(), 0);
  rename("west2", "west");
  start();
  expect_settled_in_the_end();
  expect_moved(false);
}

TEST_P(FaultsNamesTest, WhatAParticipantThatIsConfiguredNoMoreHoldsIsToldUntilItIsBack) {
  const auto gtrid = die_at("decision_unforced=crash");
  const auto whole = daemon_.options().participants;
  daemon_.options().participants.pop_back();
  start();
  expect_told(gtrid);
  EXPECT_TRUE(is_listed(west(), gtrid));
  EXPECT_EQ(daemon_.terminate(), 0);
  daemon_.options().participants = whole;
  start();
  expect_settled_in_the_end();
  expect_moved(false);
}

TEST_P(FaultsNamesTest, WhatTwoExchangedParticipantsHoldIsToldUntilTheyAreRightAgain) {
  expect_told_while_exchanged(die_at("decision_unforced=crash"));
  expect_moved(false);
}

TEST_P(FaultsNamesTest, WhatTwoExchangedParticipantsHoldInThreePhasesIsToldAsWell) {
  expect_told_while_exchanged(die_at("pre_commit_unsent=crash", Protocol::three_phase));
  expect_moved(false);
}

TEST_P(FaultsNamesTest, InThreePhasesTheSameIsTold) {
  const auto gtrid = die_at("quorum_decided=crash", Protocol::three_phase);
  rename("west", "west2");
  const auto before = daemon_.options().participants;
  daemon_.launch();
  // With a decision in its log it may refuse to start at all, and then says whom it misses.
  if (daemon_.wait_ready()) {
    expect_told(gtrid);
    EXPECT_TRUE(is_listed(west(), gtrid));
    EXPECT_EQ(daemon_.terminate(), 0);
  } else {
    EXPECT_THAT(daemon_.output(), HasSubstr("west"));
  }
  rename("west2", "west");
  start();
  expect_settled_in_the_end();
  expect_moved(true);
}

TEST_P(FaultsNamesTest, ADecidedBranchIsNeitherLostNorAHazardWhereItsNameLeadsToAnotherServer) {
  const auto gtrid = die_at("decision_durable=crash");
  const auto home = west();
  Sql(spare()).run("CREATE DATABASE IF NOT EXISTS " + database_);
  redirect("west", spare());
  daemon_.launch();
  // Refusing to start at all is an answer as well.
  if (daemon_.wait_ready()) {
    wait_sweeps(5);
    EXPECT_THAT(live({"hazards"}).output, Not(HasSubstr(gtrid))) << "nobody has rolled it back by hand";
    EXPECT_EQ(live({"list"}).code, kCtlInDoubt) << live({"list"}).output;
    EXPECT_THAT(live({"recover"}).output, HasSubstr("another server"));
    daemon_.kill_9();
  }
  EXPECT_TRUE(is_listed(home, gtrid));
  redirect("west", home);
  start();
  expect_settled_in_the_end();
  expect_moved(true);
  EXPECT_EQ(live({"hazards"}).code, kCtlClean);
}

TEST_P(FaultsNamesTest, AnUndecidedBranchIsNotRolledBackWhereASiblingsNameLeadsToAnotherServer) {
  const auto gtrid = die_at("decision_unforced=crash");
  const auto home = west();
  // What nobody can see from where the name leads now.
  settle_by_hand(west(), gtrid, "COMMIT");
  Sql(spare()).run("CREATE DATABASE IF NOT EXISTS " + database_);
  redirect("west", spare());
  daemon_.launch();
  if (daemon_.wait_ready()) {
    wait_sweeps(5);
    EXPECT_TRUE(is_listed(east(), gtrid)) << daemon_.output();
    daemon_.kill_9();
  }
  redirect("west", home);
  start();
  EXPECT_TRUE(eventually([&] { return live({"hazards"}).code == kCtlInDoubt; })) << daemon_.output();
  EXPECT_TRUE(is_listed(east(), gtrid)) << daemon_.output();
}

// The runbook's way to finish what a lost coordinator has left, with the configuration of another at the same site.
void FaultsNamesTest::expect_refused_where_misnamed(const std::string& name) {
  // The coordinator has been at that server as well, under another name: its rows would be there.
  add_billing();
  const auto gtrid = die_at("decision_durable=crash");
  const auto committed = name == "east" ? east() : west();
  const auto prepared = name == "east" ? west() : east();
  settle_by_hand(committed, gtrid, "COMMIT");
  lose_log();
  be_silent();
  const auto own = daemon_.options().participants;
  redirect(name, spare());
  const auto misnaming = other_config("shop1", daemon_.options().participants);
  for (const bool apply : {false, true}) {
    std::vector<std::string> call{"recover", "--config",   misnaming,      "--coordinator",
                                  database_, "--log-lost", "--timeout-ms", "3000"};
    if (apply) call.emplace_back("--apply");
    const auto told = ctl(call);
    EXPECT_NE(told.code, kCtlClean) << told.output;
    EXPECT_THAT(told.output, HasSubstr("another server"));
    EXPECT_TRUE(is_listed(prepared, gtrid)) << "its sibling has committed\n" << told.output;
  }
  std::ifstream audit(other_->log_folder() + ".audit");
  const std::string lines{std::istreambuf_iterator<char>(audit), {}};
  EXPECT_THAT(lines, Not(HasSubstr("\"done\"")));
  const auto right = other_config("shop1", own);
  const auto done = ctl({"recover", "--config", right, "--coordinator", database_, "--log-lost", "--apply"});
  EXPECT_EQ(done.code, kCtlClean) << done.output;
  expect_moved(true);
}

TEST_P(FaultsNamesTest, TheToolIsRefusedWhereAnotherConfigurationGivesTheFirstNameToAnotherServer) {
  expect_refused_where_misnamed("east");
}

TEST_P(FaultsNamesTest, TheToolIsRefusedWhereAnotherConfigurationGivesTheSecondNameToAnotherServer) {
  expect_refused_where_misnamed("west");
}

// Nor does an operator's word decide over a transaction whose sibling was looked for at the wrong server.
TEST_P(FaultsNamesTest, AnOperatorsChoiceIsRefusedWhereANameLeadsToAnotherServer) {
  add_billing();
  const auto gtrid = die_at("decision_durable=crash");
  settle_by_hand(west(), gtrid, "COMMIT");
  lose_log();
  be_silent();
  redirect("west", spare());
  daemon_.write_config();
  const auto chosen = offline({"resolve", gtrid, "--rollback", "--reason", "nothing of it is there"});
  EXPECT_EQ(chosen.code, kCtlInDoubt) << chosen.output;
  EXPECT_THAT(chosen.output, HasSubstr("another server"));
  EXPECT_TRUE(is_listed(east(), gtrid));
}

}  // namespace
}  // namespace assent::testing
