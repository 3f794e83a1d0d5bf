// Branches that an account without any right on Assent's tables prepares under this coordinator's name: shown as
// foreign, in nobody's way, and left to whoever put them there.

#include <gmock/gmock.h>

#include <algorithm>

#include "protocol/xid.hpp"
#include "support/seams.hpp"

namespace assent::testing {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class FaultsPlantedTest : public SeamsTest {
 protected:
  /// Well-formed, of this coordinator, and made by nobody.
  std::string forged(std::uint32_t epoch, std::uint64_t number, Protocol protocol = Protocol::two_phase) const {
    return orphan_gtrid(epoch, number, protocol);
  }
  std::vector<std::string> forged_many(int count, Protocol protocol) const {
    std::vector<std::string> gtrids;
    for (int i = 0; i < count; ++i) gtrids.push_back(forged(1, static_cast<std::uint64_t>(i), protocol));
    return gtrids;
  }
  std::size_t lines() const {
    const auto output = daemon_.output();
    return static_cast<std::size_t>(std::count(output.begin(), output.end(), '\n'));
  }
  void expect_serving() {
    auto client = daemon_.client();
    EXPECT_EQ(submit(client, order(Protocol::two_phase)).outcome, Outcome::committed);
    expect_moved(true);
  }
  /// Shown as nobody's, in a listing that is clean otherwise.
  void expect_foreign(const Told& told, const std::string& gtrid) {
    EXPECT_EQ(told.code, kCtlClean) << told.output;
    EXPECT_THAT(told.output, HasSubstr(gtrid));
    EXPECT_THAT(told.output, HasSubstr("foreign"));
    EXPECT_THAT(told.output, Not(HasSubstr("UNDECIDABLE")));
  }
  static std::string branch_of(const std::string& gtrid, const std::string& bqual) {
    return "'" + gtrid + "','" + bqual + "'," + std::to_string(protocol::kFormatId);
  }
  bool is_prepared(const Server& server, const std::string& gtrid, const std::string& bqual) {
    const auto rows = dba(server).rows("XA RECOVER");
    return std::any_of(rows.begin(), rows.end(), [&](const auto& row) { return row[3] == gtrid + bqual; });
  }
  /// The east was committed by hand before any decision; then `bqual` is planted in the west, where branch 2 is.
  void expect_nothing_hidden_by(const std::string& bqual);
};
ASSENT_FOR_EVERY_PAIR(FaultsPlantedTest);

void FaultsPlantedTest::expect_nothing_hidden_by(const std::string& bqual) {
  const auto gtrid = die_at("decision_unforced=crash");
  settle_by_hand(east(), gtrid, "COMMIT");
  plant_xids(west(), {branch_of(gtrid, bqual)});
  const auto looked = offline({"recover"});
  EXPECT_EQ(looked.code, kCtlInDoubt) << looked.output;
  EXPECT_THAT(looked.output, HasSubstr("HAZARD"));
  start();
  EXPECT_TRUE(eventually([&] { return live({"hazards"}).code == kCtlInDoubt; })) << daemon_.output();
  wait_sweeps(5);
  EXPECT_TRUE(is_prepared(west(), gtrid, "02.02.west")) << "nobody has said yet which way it goes\n"
                                                        << daemon_.output();
  EXPECT_EQ(live({"hazards", "acknowledge", gtrid, "1", "--reason", "paid back, ticket 4711"}).code, kCtlClean);
  EXPECT_TRUE(eventually([&] { return !is_prepared(west(), gtrid, "02.02.west"); })) << daemon_.output();
  EXPECT_EQ(balance(west(), 2), kOpening);
  EXPECT_TRUE(is_prepared(west(), gtrid, bqual)) << "it is not this coordinator's to settle";
  EXPECT_EQ(dba(west()).error_of("XA ROLLBACK " + branch_of(gtrid, bqual)), 0U);
}

TEST_P(FaultsPlantedTest, OneThatTakesABranchsNumberHidesNoProof) {
  expect_nothing_hidden_by("01.02.west");
}

TEST_P(FaultsPlantedTest, OneThatTakesABranchsNameAtAnotherServerHidesNoProof) {
  expect_nothing_hidden_by("01.02.east");
}

// Its XID is free again once the branch has committed.
TEST_P(FaultsPlantedTest, OneUnderTheXidOfACommittedBranchHidesNoProof) {
  for (const auto protocol : {Protocol::two_phase, Protocol::three_phase}) {
    SCOPED_TRACE(static_cast<int>(protocol));
    const auto gtrid = die_at("decision_unforced=crash", protocol);
    settle_by_hand(east(), gtrid, "COMMIT");
    start();
    EXPECT_TRUE(eventually([&] { return live({"hazards"}).code == kCtlInDoubt; })) << daemon_.output();
    const auto planted = branch_of(gtrid, "01.02.east");
    plant_xids(east(), {planted});
    wait_sweeps(5);
    EXPECT_TRUE(is_prepared(west(), gtrid, "02.02.west")) << daemon_.output();
    EXPECT_TRUE(is_prepared(east(), gtrid, "01.02.east")) << "it is not this coordinator's to settle";
    const auto shown = live({"recover"});
    EXPECT_EQ(shown.code, kCtlInDoubt);
    EXPECT_THAT(shown.output, AllOf(HasSubstr("HAZARD"), HasSubstr("foreign")));
    EXPECT_EQ(live({"hazards", "acknowledge", gtrid, "1", "--reason", "paid back"}).code, kCtlClean);
    EXPECT_TRUE(eventually([&] { return !is_prepared(west(), gtrid, "02.02.west"); })) << daemon_.output();
    EXPECT_EQ(balance(west(), 2), kOpening);
    // Without the committed row, which may be deleted from now on, nothing tells it from the real one.
    dba(east()).error_of("XA ROLLBACK " + planted);
    daemon_.kill_9();
  }
}

TEST_P(FaultsPlantedTest, BeforeItsFirstStartItRefusesNothing) {
  const auto gtrid = forged(7, 1);
  plant(west(), {gtrid});
  start();
  expect_serving();
  wait_sweeps(5);
  expect_foreign(live({"recover"}), gtrid);
  EXPECT_TRUE(is_listed(west(), gtrid)) << "it is not this coordinator's to settle";
  // The way out, as the page for operators says.
  pull_out(west(), {gtrid});
  EXPECT_THAT(live({"recover"}).output, Not(HasSubstr(gtrid)));
}

TEST_P(FaultsPlantedTest, AStartOnANewLogIsNotRefusedForIt) {
  be_gone();
  const auto gtrid = forged(1, 1);
  plant(east(), {gtrid});
  lose_log();
  be_silent();
  expect_foreign(offline({"recover", "--log-lost"}), gtrid);
  EXPECT_EQ(offline({"recover", "--log-lost", "--apply"}).code, kCtlClean);
  start_without_log();
  expect_serving();
  EXPECT_TRUE(is_listed(east(), gtrid));
  pull_out(east(), {gtrid});
}

// One of an epoch that this log has never seen looks like another log's.
TEST_P(FaultsPlantedTest, OneOfAnEpochToComeRaisesNoAlarm) {
  be_gone();
  const auto gtrid = forged(4711, 1);
  plant(west(), {gtrid});
  start();
  expect_serving();
  wait_sweeps(20);
  EXPECT_THAT(daemon_.output(), Not(HasSubstr("critical"))) << "nobody is to be called at night for it";
  expect_foreign(live({"recover"}), gtrid);
  pull_out(west(), {gtrid});
}

// With the log there is nothing to presume either: it never was a transaction.
TEST_P(FaultsPlantedTest, OneOfAPastEpochIsNotRolledBackAsThoughItWereIts) {
  be_gone();
  const auto gtrid = forged(1, 1);
  plant(east(), {gtrid});
  start();
  expect_serving();
  wait_sweeps(5);
  EXPECT_TRUE(is_listed(east(), gtrid)) << daemon_.output();
  daemon_.kill_9();
  expect_foreign(offline({"recover"}), gtrid);
  pull_out(east(), {gtrid});
}

TEST_P(FaultsPlantedTest, HundredsOfThemStarveNoRealOneAndFillNoLog) {
  constexpr int kReal = 6;
  be_gone();
  // In front of the real ones and behind them, in whatever order a server lists them.
  const auto planted = forged_many(600, Protocol::three_phase);
  const auto half = planted.begin() + 300;
  for (const auto& server : {east(), west()}) plant(server, {planted.begin(), half});
  for (int i = 0; i < kReal; ++i) {
    const auto gtrid = orphan_gtrid(1, 10'000 + static_cast<std::uint64_t>(i), Protocol::three_phase);
    const auto move = [&](const char* by) {
      return "UPDATE accounts SET balance=balance" + std::string(by) + " WHERE id=" + std::to_string(10 + i);
    };
    prepare_branch(east(), {gtrid, 1, 2, "east", "east,west"}, move("-7"));
    prepare_branch(west(), {gtrid, 2, 2, "west", "east,west"}, move("+7"));
    for (const auto& server : {east(), west()}) {
      dba(server).run(
          "INSERT INTO assent.acceptor(gtrid,acceptor,promised,accepted_ballot,accepted_value,members) "
          "VALUES ('" +
          gtrid + "'," + (server.name == east().name ? "0" : "1") + ",0,0,'commit','east,west')");
    }
  }
  for (const auto& server : {east(), west()}) plant(server, {half, planted.end()});
  start();
  const std::string settled = "SELECT COUNT(*) FROM accounts WHERE id BETWEEN 10 AND 15 AND balance=1000";
  EXPECT_TRUE(eventually([&] {
    return Sql(east(), database_).number(settled + "-7") == kReal &&
           Sql(west(), database_).number(settled + "+7") == kReal;
  })) << daemon_.output().size();
  const auto before = lines();
  wait_sweeps(20);
  EXPECT_LT(lines() - before, 100U);
  EXPECT_THAT(live({"recover"}).output, HasSubstr("1200 foreign"));
  EXPECT_EQ(ours(), 1200U);
  auto client = daemon_.client();
  EXPECT_EQ(submit(client, transfer(3, 4, 1)).outcome, Outcome::committed);
  for (const auto& server : {east(), west()}) pull_out(server, planted);
}

}  // namespace
}  // namespace assent::testing
