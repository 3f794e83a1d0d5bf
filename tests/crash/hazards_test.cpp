// Decided branches that somebody took away: kept, shown and alarmed, until they prove committed.

#include <gmock/gmock.h>

#include <future>

#include <nlohmann/json.hpp>

#include "support/crash.hpp"

namespace assent::testing {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

class HazardsTest : public CrashTest {
 protected:
  static constexpr std::int64_t kAmount = 7;

  void SetUp() override { start(); }

  struct Ctl {
    int code = -1;
    std::string output;
  };
  Ctl assentctl(std::vector<std::string> arguments) const {
    arguments.insert(arguments.end(), {"--address", "127.0.0.1:" + std::to_string(daemon_.port())});
    const TempFolder folder;
    Program ctl("assentctl", arguments, folder.path() + "/output");
    const int code = ctl.wait(20s);
    return {code, ctl.output()};
  }

  /// Decides a transfer whose branch in the west a DBA rolls back by hand before it is committed there. `again`: and
  /// then prepares under its name, without its proof row, a branch that is not it.
  TransactionResult lose_a_branch(bool again = false) {
    failpoints().arm("decision_durable=hold");
    auto told = std::async(std::launch::async, [client = std::make_shared<Client>(daemon_.client())] {
      return submit(*client, transfer(1, 2, kAmount));
    });
    wait_passed("decision_durable");
    const auto gtrids = listed(west());
    EXPECT_EQ(gtrids.size(), 1U);
    kill_branch_connections(west());
    dba(west()).run("XA ROLLBACK " + xid_at(west(), *gtrids.begin()));
    if (again) prepare_by_hand(west(), *gtrids.begin(), "UPDATE accounts SET note = 'x' WHERE id = 3", false);
    failpoints().disarm();
    return told.get();
  }

  std::uint32_t hazards() { return daemon_.client().info()->hazards; }
  std::size_t alarms() const {
    std::size_t count = 0;
    const auto output = daemon_.output();
    for (auto at = output.find("critical HAZARD"); at != std::string::npos; at = output.find("critical HAZARD", at + 1))
      ++count;
    return count;
  }
};
ASSENT_FOR_EVERY_PAIR(HazardsTest);

TEST_P(HazardsTest, ABranchRolledBackByHandAfterTheDecisionIsNeverToldAsCommitted) {
  const auto told = lose_a_branch();
  EXPECT_EQ(told.outcome, Outcome::unknown);
  EXPECT_EQ(told.branches[1].state, BranchState::hazard);
  EXPECT_EQ(hazards(), 1U);
}

TEST_P(HazardsTest, OkFromAnotherSessionWithoutTheProofRowIsNeverToldAsCommitted) {
  const auto told = lose_a_branch(true);
  EXPECT_EQ(told.outcome, Outcome::unknown);
  EXPECT_EQ(told.branches[1].state, BranchState::hazard);
  EXPECT_THAT(daemon_.output(), HasSubstr("the server said OK to another session"));
  EXPECT_EQ(hazards(), 1U);
}

TEST_P(HazardsTest, ItIsShownEverywhereAlarmedOnceAndKeptThroughRestartsUntilItProvesCommitted) {
  const auto told = lose_a_branch();
  for (int run = 0; run < 2; ++run) {
    SCOPED_TRACE(run);
    const auto list = assentctl({"list"});
    EXPECT_EQ(list.code, 2) << list.output;
    EXPECT_THAT(list.output, HasSubstr("HAZARD"));
    EXPECT_THAT(list.output, HasSubstr("west=hazard"));
    EXPECT_THAT(list.output, HasSubstr("decided for commit, and gone without its proof row: "));
    EXPECT_THAT(list.output, HasSubstr("proof row absent"));
    EXPECT_THAT(assentctl({"status", told.gtrid}).output, HasSubstr("unknown (a hazard at 'west')"));
    EXPECT_TRUE(eventually([&] {
      return daemon_.output().find(told.gtrid + ": in doubt: decided for commit; not settled yet at 'west'") !=
             std::string::npos;
    })) << daemon_.output();
    const auto status = assentctl({"status", told.gtrid, "--json"});
    EXPECT_EQ(status.code, 2) << status.output;
    const auto json = nlohmann::json::parse(status.output);
    EXPECT_EQ(json["outcome"], "unknown");
    EXPECT_EQ(json["branches"][1]["state"], "hazard");
    const auto info = assentctl({"info"});
    EXPECT_EQ(info.code, 2) << info.output;
    EXPECT_EQ(alarms(), run + 1U) << daemon_.output();
    if (run == 1) break;
    // Retried all the time, and said once.
    auto client = daemon_.client();
    const auto retries = client.info()->counters.at("settle_retries");
    EXPECT_TRUE(eventually([&] { return client.info()->counters.at("settle_retries") > retries + 2; }));
    EXPECT_EQ(alarms(), 1U) << daemon_.output();
    EXPECT_THAT(assentctl({"list"}).output, HasSubstr("decided for commit, and gone without its proof row: "))
        << "a retry does not change why it is one";
    EXPECT_EQ(daemon_.terminate(), 0);
    start();
  }
  // The branch is back, as MariaDB can bring it back: now it commits.
  prepare_unswept(west(), told.gtrid, "UPDATE accounts SET balance = balance + 7 WHERE id = 2");
  EXPECT_TRUE(eventually([&] { return hazards() == 0; })) << daemon_.output();
  EXPECT_EQ(balance(west(), 2), kOpening + kAmount);
  const auto list = assentctl({"list"});
  EXPECT_EQ(list.code, 0) << list.output;
  const auto status = assentctl({"status", told.gtrid});
  EXPECT_EQ(status.code, 0) << status.output;
  expect_settled_and_balanced();
}

// On MySQL anybody may settle a prepared branch, its session alive or not.
TEST_P(HazardsTest, AnUnknownXidOnTheOwnersOwnSessionIsNotTakenForSuccess) {
  failpoints().arm("decision_durable=hold");
  auto told = std::async(std::launch::async, [client = std::make_shared<Client>(daemon_.client())] {
    return submit(*client, transfer(1, 2, kAmount));
  });
  wait_passed("decision_durable");
  const auto xid = xid_at(west(), *listed(west()).begin());
  const bool mysql = west().kind == "mysql";
  EXPECT_EQ(dba(west()).error_of("XA ROLLBACK " + xid), mysql ? 0 : 1397);
  failpoints().disarm();
  const auto result = told.get();
  EXPECT_EQ(result.outcome, mysql ? Outcome::unknown : Outcome::committed);
  EXPECT_EQ(result.branches[1].state, mysql ? BranchState::hazard : BranchState::committed);
}

}  // namespace
}  // namespace assent::testing
