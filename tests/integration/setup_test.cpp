// How Assent's own tables come to be at real servers: by assentctl, or by a DBA with what it prints.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>

#include "support/ctl.hpp"
#include "support/participants.hpp"

namespace assent::testing {
namespace {

using ports::Vote;
using protocol::Decided;
using protocol::Finding;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

class SetupTest : public ParticipantTest {
 protected:
  SetupTest() : config_(config_for(server, database, coordinator)) {
    // With an underscore, which GRANT would take for any letter.
    config_.schema = database + "_own";
  }
  ~SetupTest() override {
    direct->error_of("DROP DATABASE " + config_.schema);
    if (!account_.empty()) direct->error_of("DROP USER " + account_);
  }

  /// From now on the participant's account is a new one, which may use the application's database only.
  void with_new_account() {
    config_.user = "u" + coordinator;
    config_.password = "Secret-of-" + coordinator;
    account_ = "'" + config_.user + "'@'127.0.0.1'";
    direct->run("CREATE USER " + account_ + " IDENTIFIED BY '" + config_.password + "'");
    direct->run("GRANT SELECT, INSERT, UPDATE, DELETE ON " + database + ".* TO " + account_);
  }

  /// Pipes a script into a client, as a DBA does. Gives its exit code.
  int run_as_dba(const std::string& script) {
    const auto file = folder_.path() + "/script.sql", client = folder_.path() + "/client.cnf";
    std::ofstream(file) << script;
    std::ofstream(client) << "[client]\nhost=" << server.host << "\nport=" << server.port
                          << "\nuser=" << server.admin_user << "\npassword=" << server.admin_password << "\n";
    const int status = std::system(("mariadb --defaults-file=" + client + " <" + file).c_str());
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

  std::int64_t tables() {
    return direct->number("SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA='" + config_.schema + "'");
  }

  participant::Config config_;
  std::string account_;
  TempFolder folder_;
};

INSTANTIATE_TEST_SUITE_P(Kinds, SetupTest, ::testing::Values("mariadb", "mysql"),
                         [](const auto& param) { return param.param; });

TEST_P(SetupTest, InitMakesWhatIsMissingAndSaysWhat) {
  Ctl ctl(config_);
  const auto made = ctl.run({"participants", "init"});
  EXPECT_EQ(made.code, 0);
  EXPECT_THAT(made.out, StartsWith("stock: made schema " + config_.schema + ", table "));
  const auto all = tables();
  EXPECT_EQ(std::count(made.out.begin(), made.out.end(), ','), all + 1) << made.out;

  direct->run("DROP TABLE " + config_.schema + ".pulse");
  const auto mended = nlohmann::json::parse(ctl.run({"participants", "init", "--json", "stock"}).out);
  EXPECT_EQ(mended.at("participants").at(0).at("state"), "made");
  EXPECT_EQ(mended.at("participants").at(0).at("made"), nlohmann::json{"table pulse"});
  EXPECT_EQ(tables(), all);

  direct->run("DELETE FROM " + config_.schema + ".server");
  EXPECT_EQ(ctl.run({"participants", "init"}).out, "stock: made the server's identity\n");

  const auto identity = direct->text("SELECT identity FROM " + config_.schema + ".server");
  const auto again = ctl.run({"participants", "init"});
  EXPECT_EQ(again.code, 0);
  EXPECT_EQ(again.out, "stock: schema " + config_.schema + " is there, and complete\n");
  EXPECT_EQ(direct->text("SELECT identity FROM " + config_.schema + ".server"), identity);
}

TEST_P(SetupTest, AnAccountThatMayNotIsToldWhatPrintsTheSql) {
  with_new_account();
  Ctl ctl(config_);
  const auto refused = ctl.run({"participants", "init"});
  EXPECT_EQ(refused.code, 78);
  EXPECT_THAT(refused.out, StartsWith("stock: NOT MADE: schema " + config_.schema + " cannot be made: error 1"));
  EXPECT_THAT(refused.out, HasSubstr("participants init --config " + ctl.path("assentd.json") + " stock --print-sql"));
  EXPECT_THAT(refused.out, Not(HasSubstr("Secret")));
  EXPECT_EQ(tables(), 0);
}

TEST_P(SetupTest, PrintedSqlLetsAnAccountEnrolThatMayCreateNothing) {
  with_new_account();
  Ctl ctl(config_);
  const auto printed = ctl.run({"participants", "init", "--print-sql", "--account-host", "127.0.0.1"});
  ASSERT_EQ(printed.code, 0);
  ASSERT_EQ(run_as_dba(printed.out), 0);
  const auto identity = direct->text("SELECT identity FROM " + config_.schema + ".server");
  EXPECT_EQ(run_as_dba(printed.out), 0);
  EXPECT_EQ(direct->text("SELECT identity FROM " + config_.schema + ".server"), identity);
  for (const auto& row : direct->rows("SHOW GRANTS FOR " + account_)) EXPECT_THAT(row[0], Not(HasSubstr("CREATE")));

  const auto diagnosis = participant::doctor(config_);
  ASSERT_TRUE(diagnosis) << diagnosis.error().what;
  for (const auto& one : diagnosis->findings) {
    EXPECT_EQ(one.grade, DoctorFinding::Grade::pass) << one.probe << ": " << one.seen;
  }
  const auto again = ctl.run({"participants", "init"});
  EXPECT_EQ(again.code, 0);
  EXPECT_THAT(again.out, HasSubstr("is there, and complete"));

  BlockingParticipant participant(config_);
  participant.enrol();
  wait_up(participant);
  const auto xid = next_xid(coordinator);
  const auto vote = participant.prepare(work_for(xid, {sql("UPDATE stock SET amount = 1 WHERE id = 1")}));
  ASSERT_EQ(vote.kind, Vote::Kind::prepared) << told(vote);
  EXPECT_EQ(participant.settle(xid, Decided::commit).finding, Finding::committed);
  EXPECT_EQ(amount(1), 1);
  participant.port().stop();
}

// The tables are the same, whoever made them.
TEST_P(SetupTest, PrintedSqlAndInitMakeTheSameTables) {
  const auto definitions = [&] {
    return direct->rows(
        "SELECT TABLE_NAME,COLUMN_NAME,COLUMN_TYPE,IS_NULLABLE,COLUMN_KEY FROM "
        "information_schema.COLUMNS WHERE TABLE_SCHEMA='" +
        config_.schema + "' ORDER BY 1,2");
  };
  Ctl ctl(config_);
  ASSERT_EQ(ctl.run({"participants", "init"}).code, 0);
  const auto by_init = definitions();
  ASSERT_FALSE(by_init.empty());
  direct->run("DROP DATABASE " + config_.schema);
  ASSERT_EQ(run_as_dba(ctl.run({"participants", "init", "--print-sql"}).out), 0);
  EXPECT_EQ(definitions(), by_init);
}

}  // namespace
}  // namespace assent::testing
