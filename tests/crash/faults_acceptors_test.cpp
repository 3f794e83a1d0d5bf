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
    failpoints().arm("packet_unsent/',0,0,0,'commit'=hold;quorum_decided=crash");
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
};
ASSENT_FOR_EVERY_PAIR(FaultsAcceptorsTest);

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

}  // namespace
}  // namespace assent::testing
