#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include "support/participants.hpp"
#include "support/proxy.hpp"

// Who may use a participant, and what must be so at its server.

namespace assent::testing {
namespace {

using ports::Vote;
using protocol::Decided;
using protocol::Finding;
using State = ParticipantInfo::State;
using ::testing::HasSubstr;

class ParticipantEnrolTest : public ParticipantTest {
 protected:
  std::unique_ptr<BlockingParticipant> enrolled(std::uint64_t log_id, std::uint32_t epoch,
                                                std::function<void(participant::Config&)> change = nullptr) {
    auto config = config_for(server, database, coordinator);
    config.reconnect_pause_min = config.reconnect_pause_max = std::chrono::milliseconds(20);
    if (change) change(config);
    auto made = std::make_unique<BlockingParticipant>(std::move(config));
    made->enrol(log_id, epoch);
    return made;
  }
  static std::string refusal_of(BlockingParticipant& participant) {
    EXPECT_TRUE(eventually([&] { return participant.port().info().state == State::refused; }))
        << to_string(participant.port().info().state);
    return participant.port().info().reason;
  }
  static std::string reason_down(BlockingParticipant& participant) {
    EXPECT_TRUE(eventually([&] { return participant.port().info().state == State::down; }));
    return participant.port().info().reason;
  }
  static const DoctorFinding* finding(const std::vector<DoctorFinding>& findings, const std::string& probe) {
    for (const auto& one : findings) {
      if (one.probe == probe) return &one;
    }
    return nullptr;
  }

  /// Another process of this coordinator that prepares `branches` and is ready to be killed.
  Program predecessor(std::uint32_t epoch, const std::vector<std::pair<protocol::Xid, std::string>>& branches,
                      std::uint64_t place = kPlace) {
    std::vector<std::string> arguments = {
        server.host, std::to_string(server.port), server.user,          server.password, database, coordinator,
        "1",         std::to_string(epoch),       std::to_string(place)};
    for (const auto& [xid, text] : branches) {
      arguments.insert(arguments.end(), {xid.gtrid, xid.bqual, text});
    }
    return Program("participant_child", arguments, folder.path() + "/child.out");
  }

  static void wait_for(const Program& child, const std::string& text) {
    ASSERT_TRUE(eventually([&] { return child.output().find(text) != std::string::npos; })) << child.output();
  }
  /// One column of the owner row.
  std::string owner(const std::string& column) {
    return direct->text("SELECT " + column + " FROM assent.coordinator WHERE id='" + coordinator + "'");
  }
  /// The owner row becomes another process's, which gives no sign of life.
  void take_claim_by_hand() {
    direct->run("UPDATE assent.coordinator SET instance=4711,epoch=9,host='elsewhere' WHERE id='" + coordinator + "'");
  }

  TempFolder folder;
};

INSTANTIATE_TEST_SUITE_P(Kinds, ParticipantEnrolTest, ::testing::Values("mariadb", "mysql"),
                         [](const auto& param) { return param.param; });

TEST_P(ParticipantEnrolTest, KilledPredecessorsBranchesAreSettledOnceItsSessionsHaveLeft) {
  const auto held = next_xid(coordinator);
  const auto given_up = next_xid(coordinator);
  const auto running = next_xid(coordinator);
  auto child = predecessor(1, {{held, "UPDATE stock SET amount = amount - 1 WHERE id = 1"},
                               {given_up, "UPDATE stock SET amount = amount - 1 WHERE id = 2"},
                               {running, "UPDATE stock SET amount = SLEEP(30) WHERE id = 3"}});
  ASSERT_TRUE(eventually([&] {
    const auto text = child.output();
    return text.find("prepared " + held.gtrid) != std::string::npos &&
           text.find("prepared " + given_up.gtrid) != std::string::npos &&
           direct->number("SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE INFO LIKE '%SLEEP(30)%'") >= 1;
  })) << child.output();
  const auto before = branch_connections();
  child.signal(SIGKILL);
  EXPECT_EQ(child.wait(kPatience), 128 + SIGKILL);

  auto successor = enrolled(1, 2);
  wait_up(*successor);
  const auto now = branch_connections();
  for (const auto& id : before) EXPECT_THAT(now, ::testing::Not(::testing::Contains(id)));
  const auto in_doubt = successor->inspect().value().in_doubt;
  EXPECT_EQ(in_doubt.size(), 2U);
  EXPECT_EQ(successor->settle(held, Decided::commit).finding, Finding::committed);
  EXPECT_EQ(successor->settle(given_up, Decided::rollback).finding, Finding::rolled_back);
  EXPECT_EQ(successor->settle(running, Decided::rollback, false).finding, Finding::rolled_back);
  EXPECT_EQ(amount(1), 99);
  EXPECT_EQ(amount(2), 100);
  EXPECT_EQ(amount(3), 100);
  EXPECT_EQ(
      direct->number("SELECT COUNT(*) FROM assent.session WHERE coordinator='" + coordinator +
                     "' AND instance NOT IN (SELECT instance FROM assent.coordinator WHERE id='" + coordinator + "')"),
      0);
}

// A tool without a claim must not settle what a living coordinator holds.
TEST_P(ParticipantEnrolTest, WithoutAClaimALivingOwnersBranchIsLeftToIt) {
  const auto held = next_xid(coordinator);
  auto child = predecessor(1, {{held, "UPDATE stock SET amount = amount - 1 WHERE id = 1"}});
  ASSERT_TRUE(eventually([&] { return child.output().find("prepared") != std::string::npos; }));
  BlockingParticipant tool(config_for(server, database, coordinator));
  const auto report = tool.settle(held, Decided::commit);
  EXPECT_EQ(report.finding, Finding::ambiguous);
  EXPECT_THAT(report.detail, HasSubstr("its session still lives"));
  child.signal(SIGKILL);
  child.wait(kPatience);
  EXPECT_TRUE(eventually([&] { return tool.settle(held, Decided::commit).finding == Finding::committed; }));
  EXPECT_EQ(amount(1), 99);
}

TEST_P(ParticipantEnrolTest, InspectionTellsWhoWasHere) {
  BlockingParticipant stranger(config_for(server, database, coordinator));
  const auto before = stranger.inspect();
  ASSERT_TRUE(before) << before.error().what;
  EXPECT_FALSE(before->owner);
  auto participant = enrolled(77, 5);
  wait_up(*participant);
  const auto xid = next_xid(coordinator);
  ASSERT_EQ(participant->prepare(work_for(xid, {sql("SELECT 1")})).kind, Vote::Kind::prepared);
  const auto after = stranger.inspect();
  ASSERT_TRUE(after);
  ASSERT_TRUE(after->owner);
  EXPECT_EQ(after->owner->log_id, 77U);
  EXPECT_EQ(after->owner->epoch, 5U);
  EXPECT_FALSE(after->owner->host.empty());
  EXPECT_THAT(after->in_doubt, ::testing::ElementsAre(ports::ListedXid{protocol::kFormatId, xid.gtrid, xid.bqual}));
  EXPECT_EQ(participant->settle(xid, Decided::commit).finding, Finding::committed);
}

TEST_P(ParticipantEnrolTest, ALivingOwnerIsNotDisplacedAndADeadOneIsByALogThatHasWhatItWrote) {
  auto child = predecessor(5, {}, kPlace + 1);
  wait_for(child, "up");
  const auto instance = owner("instance");
  // Whatever its epoch, and though its log is the same.
  auto successor = enrolled(1, 9);
  EXPECT_THAT(refusal_of(*successor), HasSubstr("has just given a sign of life"));
  EXPECT_EQ(owner("instance"), instance);
  child.signal(SIGKILL);
  child.wait(kPatience);
  wait_up(*successor);
  EXPECT_NE(owner("instance"), instance);
  EXPECT_EQ(owner("epoch"), "9");
}

TEST_P(ParticipantEnrolTest, AnotherLogIsRefusedWhileItsOwnerLivesAndAfterwards) {
  auto child = predecessor(5, {}, kPlace + 1);
  wait_for(child, "up");
  auto other = enrolled(2, 9);
  EXPECT_THAT(refusal_of(*other), HasSubstr("has just given a sign of life"));
  child.signal(SIGKILL);
  child.wait(kPatience);
  EXPECT_TRUE(
      eventually([&] { return other->port().info().reason.find("--log-lost") != std::string::npos; }, kPatience))
      << other->port().info().reason;
  EXPECT_EQ(other->port().info().state, State::refused);
  EXPECT_EQ(owner("epoch"), "5");
}

TEST_P(ParticipantEnrolTest, ARowThatChangesBetweenTheLookAndTheClaimIsNotTaken) {
  auto child = predecessor(5, {});
  wait_for(child, "up");
  child.signal(SIGKILL);
  child.wait(kPatience);
  Proxy proxy(server);
  proxy.act_before("coordinator SET log_id=", [this] { take_claim_by_hand(); });
  auto late = enrolled(1, 9, [&](auto& config) { config.port = proxy.port(); });
  EXPECT_THAT(refusal_of(*late), HasSubstr("'elsewhere'"));
  EXPECT_EQ(owner("instance"), "4711");
  late->port().stop();
}

TEST_P(ParticipantEnrolTest, WhoGivesUpTheLogBeforeTakesOverFromItsDeadOwnerOnly) {
  auto child = predecessor(5, {}, kPlace + 1);
  wait_for(child, "up");
  auto given_up = claimant_of(2, 9);
  given_up.log.given_up_below = 9;
  BlockingParticipant successor(config_for(server, database, coordinator));
  successor.enrol(given_up);
  EXPECT_THAT(refusal_of(successor), HasSubstr("has just given a sign of life"));
  child.signal(SIGKILL);
  child.wait(kPatience);
  wait_up(successor);
}

TEST_P(ParticipantEnrolTest, GivesASignOfLifeAndHowFarItsLogIsEachSecond) {
  std::atomic<std::uint64_t> sequence{40};
  auto claimant = claimant_of(1, 1);
  claimant.durable_sequence = [&] { return sequence.load(); };
  BlockingParticipant participant(config_for(server, database, coordinator));
  participant.enrol(claimant);
  wait_up(participant);
  EXPECT_EQ(owner("sequence"), "40");
  EXPECT_EQ(owner("place"), std::to_string(kPlace));
  const auto before = owner("seen_at");
  sequence = 41;
  EXPECT_TRUE(eventually([&] { return owner("sequence") == "41"; }));
  EXPECT_NE(owner("seen_at"), before);
  participant.port().stop();
}

TEST_P(ParticipantEnrolTest, OneWhoseClaimWasTakenIsDisplaced) {
  auto participant = enrolled(1, 1);
  wait_up(*participant);
  EXPECT_EQ(participant->displaced(), "");
  take_claim_by_hand();
  EXPECT_TRUE(eventually([&] { return !participant->displaced().empty(); }));
  EXPECT_THAT(participant->displaced(), HasSubstr("'elsewhere'"));
  EXPECT_EQ(participant->port().info().state, State::refused);
  const auto refused = participant->prepare(work_for(next_xid(coordinator), {sql("SELECT 1")}));
  EXPECT_EQ(refused.kind, Vote::Kind::refused);
  EXPECT_EQ(owner("instance"), "4711");
}

TEST_P(ParticipantEnrolTest, OneWhoseRowIsGoneClaimsItAgain) {
  auto participant = enrolled(1, 1);
  wait_up(*participant);
  const int ups = participant->ups();
  direct->run("DELETE FROM assent.coordinator WHERE id='" + coordinator + "'");
  EXPECT_TRUE(eventually([&] { return participant->ups() > ups; }));
  EXPECT_EQ(participant->displaced(), "");
}

TEST_P(ParticipantEnrolTest, OneThatIsInAnOlderStateThanItWasLeftInIsRefused) {
  std::atomic<std::uint64_t> sequence{40};
  auto claimant = claimant_of(1, 1);
  claimant.durable_sequence = [&] { return sequence.load(); };
  BlockingParticipant participant(config_for(server, database, coordinator));
  participant.enrol(claimant);
  wait_up(participant);
  // As after a restart of the same server, which leaves the row as it was.
  const int ups = participant.ups();
  kill_connections();
  EXPECT_TRUE(eventually([&] { return participant.ups() > ups; }));
  const auto refused = [&] { return participant.port().info().state == State::refused; };
  EXPECT_FALSE(refused());
  // As in a copy: a moment later the next sign of life would hide it.
  for (int i = 0; i < 5 && !refused(); ++i) {
    direct->run("UPDATE assent.coordinator SET sequence=39 WHERE id='" + coordinator + "'");
    kill_connections();
    eventually([&] { return refused(); }, std::chrono::seconds(2));
  }
  EXPECT_TRUE(refused());
  EXPECT_THAT(participant.port().info().reason, HasSubstr("older state"));
  EXPECT_EQ(participant.displaced(), "");
  // What it was left in is good again.
  direct->run("UPDATE assent.coordinator SET sequence=40 WHERE id='" + coordinator + "'");
  wait_up(participant);
  participant.port().stop();
}

TEST_P(ParticipantEnrolTest, ARefusalLeavesNothingAtTheParticipant) {
  auto child = predecessor(5, {});
  wait_for(child, "up");
  child.signal(SIGKILL);
  child.wait(kPatience);
  const auto row = direct->rows("SELECT * FROM assent.coordinator WHERE id='" + coordinator + "'");
  const auto sessions = direct->rows("SELECT * FROM assent.session WHERE coordinator='" + coordinator + "'");
  auto other = enrolled(2, 9);
  EXPECT_THAT(refusal_of(*other), HasSubstr("--log-lost"));
  EXPECT_EQ(direct->rows("SELECT * FROM assent.coordinator WHERE id='" + coordinator + "'"), row);
  EXPECT_EQ(direct->rows("SELECT * FROM assent.session WHERE coordinator='" + coordinator + "'"), sessions);
}

TEST_P(ParticipantEnrolTest, TwoDatabasesOfOneServerShareTheSchema) {
  auto stock = enrolled(1, 1);
  auto orders = enrolled(1, 1, [](auto& config) { config.name = "orders"; });
  wait_up(*stock);
  wait_up(*orders);
  const auto first = next_xid(coordinator, 1);
  const auto second = protocol::Xid{first.gtrid, protocol::format_bqual({2, 2, "orders"})};
  ASSERT_EQ(stock->prepare(work_for(first, {sql("UPDATE stock SET amount = 1 WHERE id = 1")})).kind,
            Vote::Kind::prepared);
  ASSERT_EQ(orders->prepare(work_for(second, {sql("UPDATE stock SET amount = 2 WHERE id = 2")})).kind,
            Vote::Kind::prepared);
  EXPECT_EQ(stock->settle(first, Decided::commit).finding, Finding::committed);
  EXPECT_EQ(orders->settle(second, Decided::commit).finding, Finding::committed);
  EXPECT_EQ(proofs(first), 2);
}

TEST_P(ParticipantEnrolTest, WeakDurabilityIsRefusedWithItsRemedyUntilMended) {
  direct->run("SET GLOBAL innodb_flush_log_at_trx_commit=2");
  auto participant = enrolled(1, 1);
  EXPECT_THAT(refusal_of(*participant), HasSubstr(is_mysql() ? "(SET PERSIST innodb_flush_log_at_trx_commit = 1)"
                                                             : "(SET GLOBAL innodb_flush_log_at_trx_commit = 1, and "));
  const auto refused = participant->prepare(work_for(next_xid(coordinator), {sql("SELECT 1")}));
  EXPECT_EQ(refused.kind, Vote::Kind::refused);
  const auto status = participant->port().available();
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, Errc::unavailable);
  auto accepting = enrolled(1, 1, [](auto& config) { config.accept = {"innodb_flush_log_at_trx_commit"}; });
  wait_up(*accepting);
  EXPECT_EQ(finding(accepting->port().info().findings, "innodb_flush_log_at_trx_commit")->grade,
            DoctorFinding::Grade::accepted);
  direct->run("SET GLOBAL innodb_flush_log_at_trx_commit=1");
  wait_up(*participant);
}

TEST_P(ParticipantEnrolTest, ReadOnlyServerIsRefused) {
  direct->run("SET GLOBAL read_only=1");
  auto participant = enrolled(1, 1);
  EXPECT_THAT(refusal_of(*participant), HasSubstr("read_only"));
  direct->run("SET GLOBAL read_only=0");
  wait_up(*participant);
}

TEST_P(ParticipantEnrolTest, UnsyncedBinaryLogIsRefusedWhereThereIsOne) {
  direct->run("SET GLOBAL sync_binlog=0");
  auto participant = enrolled(1, 1);
  if (direct->number("SELECT @@log_bin") == 1) {
    EXPECT_THAT(refusal_of(*participant),
                HasSubstr(is_mysql() ? "SET PERSIST sync_binlog = 1" : "SET GLOBAL sync_binlog = 1"));
    direct->run("SET GLOBAL sync_binlog=1");
  }
  wait_up(*participant);
  EXPECT_EQ(finding(participant->port().info().findings, "sync_binlog")->grade, DoctorFinding::Grade::pass);
}

TEST_P(ParticipantEnrolTest, AccountThatMayNotDoItAllIsRefusedWithTheGrants) {
  const auto user = "poor" + coordinator;
  direct->run("CREATE USER '" + user + "'@'%' IDENTIFIED BY 'Secret-of-" + user + "'");
  direct->run("GRANT SELECT, INSERT, UPDATE, DELETE ON " + database + ".* TO '" + user + "'@'%'");
  auto participant = enrolled(1, 1, [&](auto& config) {
    config.user = user;
    config.password = "Secret-of-" + user;
    config.schema = "elsewhere";
  });
  const auto reason = refusal_of(*participant);
  EXPECT_THAT(reason, HasSubstr(is_mysql() ? "GRANT XA_RECOVER_ADMIN" : "CREATE DATABASE IF NOT EXISTS elsewhere"));
  EXPECT_THAT(reason, ::testing::Not(HasSubstr("Secret")));
  direct->run("CREATE DATABASE elsewhere");
  direct->run("GRANT CREATE, SELECT, INSERT, UPDATE, DELETE ON elsewhere.* TO '" + user + "'@'%'");
  if (is_mysql()) direct->run("GRANT XA_RECOVER_ADMIN ON *.* TO '" + user + "'@'%'");
  wait_up(*participant);
  const auto xid = next_xid(coordinator);
  const auto vote = participant->prepare(work_for(xid, {sql("UPDATE stock SET amount = 1 WHERE id = 1")}));
  ASSERT_EQ(vote.kind, Vote::Kind::prepared) << told(vote);
  EXPECT_EQ(participant->settle(xid, Decided::commit).finding, Finding::committed);
  kill_connections();
  participant.reset();
  direct->run("DROP DATABASE elsewhere");
  direct->run("DROP USER '" + user + "'@'%'");
}

TEST_P(ParticipantEnrolTest, AccountThatSeesOnlyItselfServesWithAWarningAndTheGrant) {
  const auto user = "blind" + coordinator;
  direct->run("CREATE USER '" + user + "'@'%' IDENTIFIED BY 'Secret-of-" + user + "'");
  for (const auto& schema : {database, std::string("assent")}) {
    direct->run("GRANT CREATE, SELECT, INSERT, UPDATE, DELETE ON " + schema + ".* TO '" + user + "'@'%'");
  }
  if (is_mysql()) direct->run("GRANT XA_RECOVER_ADMIN ON *.* TO '" + user + "'@'%'");
  auto participant = enrolled(1, 1, [&](auto& config) {
    config.user = user;
    config.password = "Secret-of-" + user;
  });
  wait_up(*participant);
  const auto findings = participant->port().info().findings;
  const auto* blind = finding(findings, "process_privilege");
  ASSERT_TRUE(blind);
  EXPECT_EQ(blind->grade, DoctorFinding::Grade::warning);
  EXPECT_THAT(blind->seen, HasSubstr("1227"));
  EXPECT_EQ(blind->seen.find("may stay locked") == std::string::npos, is_mysql()) << blind->seen;
  EXPECT_EQ(blind->remedy, "GRANT PROCESS ON *.* TO '" + user + "'@'%'");
  EXPECT_FALSE(finding(findings, "engine_status"));

  // The process list alone must do.
  const auto xid = next_xid(coordinator);
  ASSERT_EQ(participant->prepare(work_for(xid, {sql("UPDATE stock SET amount = 1 WHERE id = 1")})).kind,
            Vote::Kind::prepared);
  const auto owner = direct->text("SELECT connection FROM assent.session WHERE coordinator='" + coordinator + "'");
  direct->run("KILL " + owner);
  EXPECT_TRUE(eventually(
      [&] { return direct->rows("SELECT 1 FROM information_schema.PROCESSLIST WHERE ID=" + owner).empty(); }));
  EXPECT_TRUE(eventually([&] { return participant->settle(xid, Decided::commit).finding == Finding::committed; }));

  direct->run(blind->remedy);
  const auto seeing = participant::doctor(participant->config());
  ASSERT_TRUE(seeing) << seeing.error().what;
  EXPECT_EQ(finding(seeing->findings, "process_privilege")->grade, DoctorFinding::Grade::pass);
  const auto* status = finding(seeing->findings, "engine_status");
  EXPECT_EQ(status == nullptr, is_mysql());
  EXPECT_TRUE(!status || status->grade == DoctorFinding::Grade::pass) << status->seen;
  participant.reset();
  direct->run("DROP USER '" + user + "'@'%'");
}

TEST_P(ParticipantEnrolTest, WrongPasswordAndNobodyThereAreSaid) {
  auto wrong = enrolled(1, 1, [](auto& config) { config.password = "not-this-one"; });
  const auto reason = reason_down(*wrong);
  EXPECT_THAT(reason, HasSubstr("1045"));
  EXPECT_THAT(reason, ::testing::Not(HasSubstr("not-this-one")));
  auto nobody = enrolled(1, 1, [](auto& config) { config.port = 1; });
  EXPECT_THAT(reason_down(*nobody), HasSubstr("2002"));
  const auto vote = nobody->prepare(work_for(next_xid(coordinator), {sql("SELECT 1")}));
  EXPECT_EQ(vote.kind, Vote::Kind::refused);
  EXPECT_TRUE(vote.cause->retryable);
  const auto inspection = BlockingParticipant([&] {
                            auto config = config_for(server, database, coordinator);
                            config.port = 1;
                            return config;
                          }())
                              .inspect();
  ASSERT_FALSE(inspection);
  EXPECT_EQ(inspection.error().code, Errc::unavailable);
}

TEST_P(ParticipantEnrolTest, ComesBackAfterTheServersRestart) {
  auto participant = enrolled(1, 1);
  wait_up(*participant);
  const int ups = participant->ups();
  Servers::get().kill(server.name);
  EXPECT_TRUE(eventually([&] { return participant->port().info().state == State::down; }));
  Servers::get().restart(server.name);
  reconnect();
  EXPECT_TRUE(eventually([&] { return participant->ups() > ups; }, kPatience));
  const auto xid = next_xid(coordinator);
  const auto vote = participant->prepare(work_for(xid, {sql("SELECT 1")}));
  EXPECT_EQ(vote.kind, Vote::Kind::prepared) << told(vote);
  EXPECT_EQ(participant->settle(xid, Decided::commit).finding, Finding::committed);
}

TEST_P(ParticipantEnrolTest, WorksOverAUnixSocket) {
  const auto path = direct->text("SELECT @@socket");
  auto participant = enrolled(1, 1, [&](auto& config) { config.unix_socket = path; });
  wait_up(*participant);
  EXPECT_EQ(participant->port().info().address, path);
  const auto xid = next_xid(coordinator);
  ASSERT_EQ(participant->prepare(work_for(xid, {sql("UPDATE stock SET amount = 1 WHERE id = 1")})).kind,
            Vote::Kind::prepared);
  EXPECT_EQ(participant->settle(xid, Decided::commit).finding, Finding::committed);
}

TEST_P(ParticipantEnrolTest, TlsIsUsedWhenRequired) {
  auto participant = enrolled(1, 1, [](auto& config) { config.tls_required = true; });
  if (!is_mysql()) {
    // The test's MariaDB has no certificate.
    EXPECT_THAT(reason_down(*participant), HasSubstr("2026"));
    return;
  }
  wait_up(*participant);
  for (int i = 0; i < 3; ++i) {
    const auto xid = next_xid(coordinator);
    const auto vote = participant->prepare(work_for(
        xid, {sql("SELECT VARIABLE_VALUE FROM performance_schema.session_status WHERE VARIABLE_NAME = 'Ssl_cipher'")}));
    ASSERT_EQ(vote.kind, Vote::Kind::prepared) << told(vote);
    EXPECT_FALSE(vote.statements[0].rows->rows.at(0).at(0) == Value(std::string()));
    EXPECT_EQ(participant->settle(xid, Decided::commit).finding, Finding::committed);
  }
  EXPECT_EQ(direct->number("SELECT COUNT(*) FROM assent.session WHERE coordinator='" + coordinator + "'"), 1)
      << "the session was taken for dead";
}

}  // namespace
}  // namespace assent::testing
