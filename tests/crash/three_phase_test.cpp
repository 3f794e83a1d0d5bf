// Transactions in three phases: the coordinator killed at each step of the third, with its log and without it, its
// acceptors cut off, rivals at work, and the dead one waking up in the middle.

#include <gmock/gmock.h>
#include <signal.h>

#include <filesystem>
#include <future>
#include <thread>

#include "protocol/xid.hpp"
#include "support/bank.hpp"
#include "support/failpoints.hpp"

namespace assent::testing {
namespace {

using namespace std::chrono_literals;

/// What assentctl exits with.
constexpr int kClean = 0;
constexpr int kInDoubt = 2;
constexpr int kUnavailable = 69;

/// What assentctl asks for, and what servers' clocks, read in whole seconds, may leave out.
constexpr auto kSilentForLong = 4500ms;

/// Held or cut pre-commits, by which acceptor they are for.
std::string pre_commit_to(int acceptor) {
  return "packet_unsent/gtrid," + std::to_string(acceptor) + " acceptor";
}

/// Three servers. By the test's parameter: three participants on MariaDB that are their own acceptors, or one on
/// MariaDB and one on MySQL with another MariaDB as the witness.
class ThreePhaseTest : public ::testing::TestWithParam<std::string> {
 protected:
  static constexpr int kAccounts = 100;
  static constexpr std::int64_t kAmount = 7;

  ThreePhaseTest()
      : servers_(has_witness() ? Servers::start(2, 1) : Servers::start(3, 0)),
        bank_({.database = fresh_name(), .places = places(), .accounts = kAccounts, .opening = 1000}),
        daemon_(options_of(bank_.database())),
        failpoints_(daemon_.folder() + "/failpoints") {
    start();
  }

  static bool has_witness() { return GetParam() == "mariadb_mysql_witness"; }
  static std::string fresh_name() {
    static int next = 0;
    return "three" + std::to_string(++next);
  }
  std::vector<std::string> server_names() const {
    return has_witness() ? std::vector<std::string>{"mariadb1", "mysql1", "mariadb2"}
                         : std::vector<std::string>{"mariadb1", "mariadb2", "mariadb3"};
  }
  std::vector<Bank::Place> places() const {
    const auto names = server_names();
    std::vector<Bank::Place> all{{"orders", servers_.at(names[0])}, {"stock", servers_.at(names[1])}};
    if (!has_witness()) all.push_back({"payments", servers_.at(names[2])});
    return all;
  }
  Daemon::Options options_of(const std::string& coordinator_id) const {
    Daemon::Options options{.coordinator_id = coordinator_id, .participants = bank_.participants(), .more_json = ""};
    std::string transactions = R"("protocol": "3pc")";
    if (has_witness()) {
      const auto& server = servers_.at("mariadb2");
      options.participants.push_back(
          {"witness", server.host, server.port, server.user, server.password, "", "\"witness\": true"});
      transactions += R"(, "acceptors": ["orders", "stock", "witness"])";
    }
    options.more_json = R"("limits": {"sweep_period_ms": 100}, "transactions": {)" + transactions + "}";
    options.program = "assentd-failpoints";
    return options;
  }

  void start(const std::string& failpoints = "") {
    daemon_.options().environment = failpoint_environment(daemon_.folder() + "/failpoints", failpoints);
    daemon_.start();
    daemon_.wait_up();
  }
  /// And whoever starts it from now on says so.
  void lose_log() {
    std::filesystem::remove_all(daemon_.log_folder());
    daemon_.options().arguments = {"--log-lost"};
  }

  std::future<std::optional<TransactionResult>> submit() {
    id_ = bank_.next_id();
    return std::async(std::launch::async,
                      [client = std::make_shared<Client>(daemon_.client()),
                       transaction = bank_.transfer(id_, 1, 2, kAmount)]() -> std::optional<TransactionResult> {
                        auto result = client->submit(transaction);
                        return result.ok() ? std::optional(*result) : std::nullopt;
                      });
  }
  /// Submits, and lets the daemon die at `step`.
  void die_at(const std::string& step) {
    failpoints_.arm(step);
    auto told = submit();
    EXPECT_EQ(daemon_.wait(20s), 128 + SIGKILL) << daemon_.output();
    EXPECT_FALSE(told.get());
  }
  void wait_passed(const std::string& point, std::uint64_t times) {
    EXPECT_TRUE(eventually([&] { return failpoints_.passed(point) >= times; })) << point << "\n" << daemon_.output();
  }

  /// Its branches that XA RECOVER lists, over all servers.
  std::size_t in_doubt() const {
    std::size_t count = 0;
    for (const auto& name : server_names()) {
      const auto& server = servers_.at(name);
      Sql sql(server);
      count += branches_in_doubt(sql, server.kind, bank_.database()).size();
    }
    return count;
  }
  /// At how many places the transfer was made.
  std::size_t made() const {
    std::size_t count = 0;
    for (const auto& place : bank_.places()) {
      Sql sql(place.server, bank_.database());
      count += static_cast<std::size_t>(sql.number("SELECT COUNT(*) FROM transfers WHERE id=" + std::to_string(id_)));
    }
    return count;
  }
  /// How many acceptors have a row of this coordinator that says so.
  std::size_t accepted(const std::string& value) const {
    std::size_t count = 0;
    for (const auto& name : server_names()) {
      Sql sql(servers_.at(name));
      count += static_cast<std::size_t>(sql.number("SELECT COUNT(*) FROM assent.acceptor WHERE gtrid LIKE '" +
                                                   bank_.database() + ".%' AND accepted_value='" + value + "'"));
    }
    return count;
  }
  void expect_committed() {
    EXPECT_TRUE(eventually([&] { return in_doubt() == 0 && made() == bank_.places().size(); }, 30s))
        << made() << " made\n"
        << daemon_.output();
  }
  void expect_rolled_back() {
    EXPECT_TRUE(eventually([&] { return in_doubt() == 0; }, 30s)) << daemon_.output();
    EXPECT_EQ(made(), 0U);
  }
  void expect_the_same_everywhere() {
    EXPECT_TRUE(eventually([&] { return in_doubt() == 0; }, 30s)) << daemon_.output();
    EXPECT_TRUE(made() == 0 || made() == bank_.places().size()) << made();
  }

  struct Recovery {
    int code = -1;
    std::string output;
  };
  Recovery recover(const std::vector<std::string>& more, const std::string& as = "") const {
    std::vector<std::string> arguments{"recover",       "--config",       daemon_.config_path(),
                                       "--coordinator", bank_.database(), "--log-lost"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const auto path = daemon_.folder() + "/recovery" + as;
    std::filesystem::remove(path);
    Program program("assentctl", arguments, path);
    return {program.wait(60s), program.output()};
  }
  /// Once the coordinator has been silent for long enough.
  Recovery recover_for_good(const std::string& as = "") const {
    Recovery last;
    EXPECT_TRUE(eventually([&] {
      last = recover({"--apply"}, as);
      return last.code != kUnavailable;
    })) << last.output;
    return last;
  }

  Servers& servers_;
  Bank bank_;
  Daemon daemon_;
  FailpointSocket failpoints_;
  std::uint64_t id_ = 0;
};
INSTANTIATE_TEST_SUITE_P(Trios, ThreePhaseTest, ::testing::Values("three_mariadb", "mariadb_mysql_witness"),
                         [](const auto& which) { return which.param; });

TEST_P(ThreePhaseTest, KilledBeforeAnyPreCommitWithItsLogItIsRolledBack) {
  die_at("pre_commit_unsent=crash");
  EXPECT_GT(in_doubt(), 0U);
  start();
  expect_rolled_back();
  // The log had the intention; its key is free again, and the same transfer is made.
  auto client = daemon_.client();
  EXPECT_TRUE(eventually([&] { return client.list()->empty(); }));
  EXPECT_EQ(client.info()->counters.at("terminated_rollback"), 1U);
}

TEST_P(ThreePhaseTest, KilledAfterAMajorityHasAcceptedWithItsLogItIsCommitted) {
  die_at("quorum_decided=crash");
  EXPECT_GT(in_doubt(), 0U);
  start();
  expect_committed();
  EXPECT_EQ(daemon_.client().info()->counters.at("terminated_commit"), 1U);
}

TEST_P(ThreePhaseTest, KilledWithItsLogAndNothingPreCommittedItIsRolledBackByItsSuccessor) {
  die_at("pre_commit_unsent=crash");
  lose_log();
  start();
  expect_rolled_back();
}

TEST_P(ThreePhaseTest, KilledWithItsLogAfterAMajorityHasAcceptedItIsCommittedByItsSuccessor) {
  die_at("quorum_decided=crash");
  lose_log();
  start();
  expect_committed();
}

TEST_P(ThreePhaseTest, LostWithItsLogItIsFinishedByTheTool) {
  die_at("quorum_decided=crash");
  lose_log();
  const auto looked = recover({});
  EXPECT_EQ(looked.code, kInDoubt) << looked.output;
  EXPECT_THAT(looked.output, ::testing::HasSubstr("commit was accepted"));
  EXPECT_THAT(looked.output, ::testing::HasSubstr("--log-lost --apply"));
  EXPECT_EQ(made(), 0U) << "it was only to look";
  const auto applied = recover_for_good();
  EXPECT_EQ(applied.code, kClean) << applied.output;
  expect_committed();
  EXPECT_EQ(recover({"--apply"}).code, kClean);
}

TEST_P(ThreePhaseTest, LostWithItsLogAndNothingPreCommittedItIsRolledBackByTheTool) {
  die_at("pre_commit_unsent=crash");
  lose_log();
  EXPECT_THAT(recover({}).output, ::testing::HasSubstr("nothing was accepted"));
  EXPECT_EQ(recover_for_good().code, kClean);
  expect_rolled_back();
  EXPECT_GE(accepted("rollback"), 2U);
}

TEST_P(ThreePhaseTest, LostAfterAMinorityHasAcceptedItEndsTheSameEverywhere) {
  failpoints_.arm(pre_commit_to(1) + "=hold;" + pre_commit_to(2) + "=hold");
  const auto told = submit();
  wait_passed("packet_unsent", 2);
  EXPECT_TRUE(eventually([&] { return accepted("commit") == 1; }));
  daemon_.kill_9();
  lose_log();
  start();
  expect_the_same_everywhere();
  // The recoverer met the one that had accepted, or a majority without it: either way all now say the same.
  EXPECT_TRUE(accepted("commit") == 0 || accepted("rollback") == 0);
}

TEST_P(ThreePhaseTest, KilledAgainAndAgainWhileItTerminatesItConverges) {
  die_at("quorum_decided=crash");
  lose_log();
  for (const auto* step :
       {"packet_unsent/control:INSERT IGNORE INTO assent.pulse=crash@1",
        "packet_answered/control:INSERT IGNORE INTO assent.pulse=crash@2",
        "packet_answered/control:INSERT IGNORE INTO assent.pulse=crash@4", "quorum_decided=crash",
        "decision_durable=crash", "packet_answered/control:XA COMMIT=crash@1", "branch_settled=crash"}) {
    SCOPED_TRACE(step);
    daemon_.options().environment["ASSENT_FAILPOINTS"] = step;
    daemon_.launch();
    EXPECT_EQ(daemon_.wait(20s), 128 + SIGKILL) << daemon_.output();
  }
  start();
  expect_committed();
}

TEST_P(ThreePhaseTest, RivalsWhoFinishItAtOnceAgree) {
  for (const auto* step : {"quorum_decided=crash", "pre_commit_unsent=crash"}) {
    SCOPED_TRACE(step);
    die_at(step);
    const bool commits = std::string(step).starts_with("quorum");
    // Silent for long enough, as the first of them finds out.
    EXPECT_EQ(recover({}).code, kInDoubt);
    std::this_thread::sleep_for(kSilentForLong);
    std::vector<std::future<Recovery>> rivals;
    for (int i = 0; i < 3; ++i) {
      rivals.push_back(std::async(std::launch::async, [this, i] { return recover({"--apply"}, std::to_string(i)); }));
    }
    // The dead one as well.
    start();
    for (auto& rival : rivals) {
      const auto [code, output] = rival.get();
      // One may have been told that the coordinator lives again.
      EXPECT_TRUE(code == kClean || code == kUnavailable) << output;
    }
    commits ? expect_committed() : expect_rolled_back();
  }
}

TEST_P(ThreePhaseTest, AMinorityWaitsAndRollsNothingBack) {
  die_at("pre_commit_unsent=crash");
  std::this_thread::sleep_for(kSilentForLong);
  const auto names = server_names();
  servers_.kill(names[1]);
  servers_.kill(names[2]);
  const auto alone = recover({"--apply", "--timeout-ms", "2000"});
  EXPECT_EQ(alone.code, kInDoubt) << alone.output;
  EXPECT_THAT(alone.output, ::testing::HasSubstr("NOT REACHED"));
  const auto first = servers_.at(names[0]);
  Sql sql(first);
  EXPECT_EQ(branches_in_doubt(sql, first.kind, bank_.database()).size(), 1U) << alone.output;
  servers_.restart(names[1]);
  // A majority now. The third is settled when it is back.
  const auto two = recover({"--apply", "--timeout-ms", "2000"});
  EXPECT_EQ(branches_in_doubt(sql, first.kind, bank_.database()).size(), 0U) << two.output;
  servers_.restart(names[2]);
  EXPECT_EQ(recover_for_good().code, kClean);
  expect_rolled_back();
}

TEST_P(ThreePhaseTest, APrepareThatFinishesAfterTheScanIsRolledBack) {
  die_at("pre_commit_unsent=crash");
  start();
  expect_rolled_back();
  // What a server has still to run for a process that died: its branch is prepared when all is over.
  const auto gtrid = protocol::format_gtrid({bank_.database(), 1, 1U << 30, 7, Protocol::three_phase});
  const auto members = has_witness() ? "orders,stock/orders,stock,witness" : "orders,stock,payments";
  const auto prepare = [&](std::size_t place) {
    const auto& [participant, server] = bank_.places()[place];
    const auto xid = protocol::xid_literal(
        {gtrid, protocol::format_bqual({static_cast<std::uint16_t>(place + 1),
                                        static_cast<std::uint16_t>(bank_.places().size()), participant})});
    Sql hand(server, bank_.database());
    hand.run("XA START " + xid);
    const int fenced = hand.error_of("INSERT INTO assent.proof(gtrid,branch,kind,participants,protocol) VALUES ('" +
                                     gtrid + "'," + std::to_string(place + 1) + ",'proof','" + members + "',3)");
    hand.run("UPDATE accounts SET balance = balance + 1 WHERE id = 5");
    hand.run("XA END " + xid);
    hand.run(fenced == 0 ? "XA PREPARE " + xid : "XA ROLLBACK " + xid);
    return fenced == 0;
  };
  EXPECT_TRUE(prepare(0));
  EXPECT_TRUE(eventually([&] { return in_doubt() == 0; })) << daemon_.output();
  EXPECT_TRUE(eventually([&] { return daemon_.client().list()->empty(); })) << daemon_.output();
  // Either its row meets the fence that the termination left, or it is prepared and swept.
  prepare(1);
  EXPECT_TRUE(eventually([&] { return in_doubt() == 0; })) << daemon_.output();
  for (const auto& place : bank_.places()) {
    Sql sql(place.server, bank_.database());
    EXPECT_EQ(sql.number("SELECT balance FROM accounts WHERE id = 5"), 1000);
  }
}

TEST_P(ThreePhaseTest, ABranchThatComesBackAfterItIsClosedIsRolledBackAgain) {
  EXPECT_EQ(submit().get()->outcome, Outcome::committed);
  const auto& [participant, server] = bank_.places()[0];
  const auto come_back = [&](std::uint64_t random) {
    // Of a transaction before that one, as a server's restart can bring it back.
    const auto gtrid = protocol::format_gtrid({bank_.database(), 1, 0, random, Protocol::three_phase});
    const auto xid = protocol::xid_literal(
        {gtrid, protocol::format_bqual({1, static_cast<std::uint16_t>(bank_.places().size()), participant})});
    Sql hand(server, bank_.database());
    hand.run("XA START " + xid);
    hand.run("INSERT INTO assent.proof(gtrid,branch,kind,participants,protocol) VALUES ('" + gtrid + "',1,'proof','" +
             (has_witness() ? "orders,stock/orders,stock,witness" : "orders,stock,payments") + "',3)");
    hand.run("XA END " + xid);
    hand.run("XA PREPARE " + xid);
  };
  for (const auto& name : server_names()) {
    Sql sql(servers_.at(name));
    EXPECT_TRUE(eventually([&] {
      return !sql.text("SELECT closed_below FROM assent.pulse WHERE coordinator='" + bank_.database() + "'").empty();
    }));
  }
  come_back(1);
  EXPECT_TRUE(eventually([&] { return in_doubt() == 0; })) << daemon_.output();
  // Without the coordinator, which is then not asked for its memory.
  daemon_.kill_9();
  lose_log();
  come_back(2);
  EXPECT_THAT(recover({}).output, ::testing::HasSubstr("it had ended"));
  const auto recovered = recover_for_good();
  EXPECT_EQ(recovered.code, kClean) << recovered.output;
  EXPECT_EQ(in_doubt(), 0U);
  come_back(3);
  start();
  EXPECT_TRUE(eventually([&] { return in_doubt() == 0; })) << daemon_.output();
  EXPECT_EQ(made(), bank_.places().size());
}

TEST_P(ThreePhaseTest, ALatePreCommitIsRefusedAndItsSenderLearnsTheOutcome) {
  failpoints_.arm(pre_commit_to(0) + "=hold;" + pre_commit_to(1) + "=hold;" + pre_commit_to(2) + "=hold");
  auto told = submit();
  wait_passed("packet_unsent", 3);
  // Taken for dead.
  daemon_.signal(SIGSTOP);
  EXPECT_EQ(recover_for_good().code, kClean);
  expect_rolled_back();
  daemon_.signal(SIGCONT);
  failpoints_.disarm();
  const auto result = told.get();
  ASSERT_TRUE(result) << daemon_.output();
  EXPECT_NE(result->outcome, Outcome::committed);
  EXPECT_EQ(made(), 0U);
  EXPECT_TRUE(eventually([&] { return daemon_.client().list()->empty(); })) << daemon_.output();
  EXPECT_EQ(daemon_.client().info()->counters.at("hazards_found"), 0U);
  // It goes on.
  auto next = submit();
  EXPECT_EQ(next.get()->outcome, Outcome::committed) << daemon_.output();
}

TEST_P(ThreePhaseTest, TwoThatAdoptASilentCoordinatorAgreeWithItWhenItWakesUp) {
  for (const auto* step : {"quorum_decided", "pre_commit_unsent"}) {
    SCOPED_TRACE(step);
    const bool commits = std::string(step) == "quorum_decided";
    std::vector<std::unique_ptr<Daemon>> adopters;
    for (int i = 0; i < 2; ++i) {
      // Each with a log of its own, and so an identity of its own.
      auto options = options_of(bank_.database() + (commits ? "a" : "b") + std::to_string(i));
      options.program = "assentd";
      options.more_json += R"(, "adopt": {"after_silent_ms": 1500, "coordinators": [")" + bank_.database() + "\"]}";
      adopters.push_back(std::make_unique<Daemon>(options));
      adopters.back()->start();
    }
    failpoints_.arm(std::string(step) + "=hold");
    auto told = submit();
    wait_passed(step, 1);
    daemon_.signal(SIGSTOP);
    EXPECT_TRUE(eventually([&] { return in_doubt() == 0; }, 30s)) << adopters[0]->output() << adopters[1]->output();
    daemon_.signal(SIGCONT);
    failpoints_.disarm();
    const auto result = told.get();
    ASSERT_TRUE(result) << daemon_.output();
    EXPECT_NE(result->outcome, commits ? Outcome::rolled_back : Outcome::committed);
    commits ? expect_committed() : expect_rolled_back();
    EXPECT_TRUE(eventually([&] { return daemon_.client().list()->empty(); })) << daemon_.output();
    // Whoever took it for dead leaves it alone again.
    const auto has_said = [&](std::size_t i, const char* what) {
      return adopters[i]->output().find(what) != std::string::npos;
    };
    EXPECT_TRUE(has_said(0, "has been silent") || has_said(1, "has been silent"));
    for (std::size_t i = 0; i < adopters.size(); ++i) {
      EXPECT_TRUE(eventually([&] {
        return !has_said(i, "has been silent") || has_said(i, "gives signs of life again");
      })) << adopters[i]->output();
    }
    for (const auto& adopter : adopters) EXPECT_EQ(adopter->terminate(), 0) << adopter->output();
  }
}

TEST_P(ThreePhaseTest, ARunningCoordinatorIsNotRecoveredBehindItsBack) {
  failpoints_.arm("pre_commit_unsent=hold");
  auto told = submit();
  wait_passed("pre_commit_unsent", 1);
  const auto refused = recover({"--apply"});
  EXPECT_EQ(refused.code, kUnavailable) << refused.output;
  EXPECT_THAT(refused.output, ::testing::HasSubstr("gave a sign of life"));
  failpoints_.disarm();
  EXPECT_EQ(told.get()->outcome, Outcome::committed);
}

TEST_P(ThreePhaseTest, WhatItsAcceptorsCouldNotKeepIsRefusedBeforeAnythingRuns) {
  auto& options = daemon_.options();
  const auto& server = servers_.at("mariadb2");
  if (!has_witness()) {
    options.participants.push_back(
        {"witness", server.host, server.port, server.user, server.password, "", "\"witness\": true"});
  }
  options.participants.front().more_json = "\"proof_rows\": false";
  options.more_json = R"("transactions": {"protocol": "3pc", "acceptors": ["witness"]})";
  EXPECT_EQ(daemon_.terminate(), 0);
  start();
  auto client = daemon_.client();
  const auto refused = [&](const Transaction& transaction) {
    const auto result = client.submit(transaction);
    EXPECT_FALSE(result.ok());
    return result.ok() ? Error{} : result.error();
  };
  const auto without_proofs = refused(bank_.transfer(bank_.next_id(), 1, 2, kAmount));
  EXPECT_EQ(without_proofs.code, Errc::invalid_argument);
  EXPECT_THAT(without_proofs.what, ::testing::HasSubstr("proof_rows"));
  auto at_witness = bank_.transfer(bank_.next_id(), 1, 2, kAmount);
  at_witness.protocol = Protocol::two_phase;
  at_witness.branches.back().participant = "witness";
  EXPECT_THAT(refused(at_witness).what, ::testing::HasSubstr("is a witness"));
  auto two_phases = bank_.transfer(bank_.next_id(), 1, 2, kAmount);
  two_phases.protocol = Protocol::two_phase;
  EXPECT_TRUE(client.submit(two_phases).ok()) << "which asks no acceptor, and needs no proofs";
  if (!has_witness()) return;
  options.participants.front().more_json.clear();
  EXPECT_EQ(daemon_.terminate(), 0);
  start();
  servers_.kill("mariadb2");
  client = daemon_.client();
  Error away;
  EXPECT_TRUE(eventually([&] {
    const auto result = client.submit(bank_.transfer(bank_.next_id(), 1, 2, kAmount));
    if (!result.ok()) away = result.error();
    return !result.ok();
  }));
  EXPECT_EQ(away.code, Errc::unavailable);
  EXPECT_TRUE(away.retryable);
  EXPECT_THAT(away.what, ::testing::HasSubstr("of 1 acceptors 0 can be reached"));
  servers_.restart("mariadb2");
}

TEST_P(ThreePhaseTest, WithoutAMajorityNothingIsBegunAndWhatHasBegunWaits) {
  const auto names = server_names();
  failpoints_.arm("pre_commit_unsent=hold");
  auto told = submit();
  wait_passed("pre_commit_unsent", 1);
  servers_.kill(names[1]);
  servers_.kill(names[2]);
  failpoints_.disarm();
  const auto result = told.get();
  ASSERT_TRUE(result);
  EXPECT_EQ(result->outcome, Outcome::unknown);
  servers_.restart(names[1]);
  servers_.restart(names[2]);
  expect_committed();
}

}  // namespace
}  // namespace assent::testing
