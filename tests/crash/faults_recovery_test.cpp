// Branches that are lost, as those tell of them who finish what a lost coordinator has left: the tool without a log, a
// coordinator on a new log, and one that adopts another's transactions.

#include <gmock/gmock.h>

#include "support/seams.hpp"

namespace assent::testing {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using ::testing::Not;

class FaultsRecoveryTest : public SeamsTest {
 protected:
  Told recover_lost(std::vector<std::string> more = {}) const {
    more.insert(more.begin(), {"recover", "--log-lost", "--timeout-ms", "5000"});
    return offline(more);
  }
  /// One of another identity over the same servers, which finishes what this one leaves.
  Daemon::Options adopter() {
    auto options = daemon_.options();
    options.coordinator_id = database_ + "b";
    options.program = "assentd";
    options.environment.clear();
    options.more_json = R"("limits": {"sweep_period_ms": 100}, "adopt": {"after_silent_ms": 1500, "coordinators": [")" +
                        database_ + "\"]}";
    return options;
  }
  Told ask(const Daemon& daemon, const std::string& what) const {
    return ctl({what, "--address", "127.0.0.1:" + std::to_string(daemon.port())});
  }
};
ASSENT_FOR_EVERY_PAIR(FaultsRecoveryTest);

TEST_P(FaultsRecoveryTest, ABranchOfThreePhasesThatIsLostIsToldByTheToolAndKeptByALaterStart) {
  const auto gtrid = die_at("quorum_decided=crash", Protocol::three_phase);
  settle_by_hand(west(), gtrid, "ROLLBACK");
  lose_log();
  be_silent();
  const auto applied = recover_lost({"--apply"});
  EXPECT_EQ(applied.code, kCtlInDoubt) << applied.output;
  EXPECT_THAT(applied.output, HasSubstr("HAZARD"));
  EXPECT_THAT(applied.output, Not(HasSubstr("nothing of coordinator")));
  EXPECT_EQ(balance(east(), 1), kOpening - kAmount) << "what is there commits: " << applied.output;
  EXPECT_EQ(audited("commit", "done", "east"), 1U);
  EXPECT_EQ(audited("commit", "done", "west"), 0U) << "it was found to be lost";
  const auto again = recover_lost();
  EXPECT_EQ(again.code, kCtlInDoubt) << again.output;
  EXPECT_THAT(again.output, HasSubstr(gtrid));
  start_without_log();
  for (int run = 0; run < 2; ++run) {
    SCOPED_TRACE(run);
    EXPECT_TRUE(eventually([&] { return live({"hazards"}).code == kCtlInDoubt; })) << daemon_.output();
    EXPECT_THAT(live({"hazards"}).output, HasSubstr(gtrid));
    wait_purged();
    for (const auto& server : {east(), west()}) EXPECT_EQ(rows_in(server, "acceptor", gtrid), 1) << server.name;
    EXPECT_EQ(rows_in(east(), "proof", gtrid), 1);
    if (run == 1) break;
    daemon_.kill_9();
    start();
  }
  EXPECT_EQ(live({"hazards", "acknowledge", gtrid, "2", "--reason", "paid by hand"}).code, kCtlClean);
  EXPECT_TRUE(eventually([&] { return live({"hazards"}).code == kCtlClean; })) << live({"hazards"}).output;
  EXPECT_TRUE(eventually([&] { return rows_in(east(), "acceptor", gtrid) == 0; })) << daemon_.output();
}

// Nothing lists anything any more: only the row of the one that has committed says that there was another.
TEST_P(FaultsRecoveryTest, InTwoPhasesTheToolTellsOfABranchThatIsLostBesideOneThatIsProven) {
  const auto gtrid = die_at("decision_durable=crash");
  settle_by_hand(east(), gtrid, "COMMIT");
  settle_by_hand(west(), gtrid, "ROLLBACK");
  lose_log();
  be_silent();
  for (const bool apply : {false, true}) {
    const auto told = apply ? recover_lost({"--apply"}) : recover_lost();
    EXPECT_EQ(told.code, kCtlInDoubt) << told.output;
    EXPECT_THAT(told.output, HasSubstr(gtrid));
    EXPECT_THAT(told.output, HasSubstr("HAZARD"));
  }
  start_without_log();
  EXPECT_TRUE(eventually([&] { return live({"hazards"}).code == kCtlInDoubt; })) << daemon_.output();
  wait_purged();
  EXPECT_EQ(rows_in(east(), "proof", gtrid), 1);
}

TEST_P(FaultsRecoveryTest, AnAdoptersHazardOutlivesItsRestarts) {
  const auto gtrid = die_at("pre_commit_unsent=crash", Protocol::three_phase);
  settle_by_hand(east(), gtrid, "COMMIT");
  Daemon other(adopter());
  for (int run = 0; run < 2; ++run) {
    SCOPED_TRACE(run);
    other.start();
    EXPECT_TRUE(eventually([&] { return ask(other, "hazards").code == kCtlInDoubt; }, 40s)) << other.output();
    EXPECT_THAT(ask(other, "hazards").output, HasSubstr(gtrid));
    EXPECT_EQ(ask(other, "list").code, kCtlInDoubt);
    EXPECT_EQ(rows_in(east(), "proof", gtrid), 1);
    other.kill_9();
  }
}

}  // namespace
}  // namespace assent::testing
