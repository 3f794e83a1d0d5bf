// How Assent's own tables come to be at real servers: by assentctl, or by a DBA with what it prints.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <fstream>
#include <thread>

#include "participant/tables.hpp"
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
  // The schema, its tables, the server's identity and the version.
  EXPECT_EQ(std::count(made.out.begin(), made.out.end(), ','), all + 2) << made.out;

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

// As the version before schema_version left them, with an owner and a pulse in them.
void make_version_1(Sql& sql, const std::string& schema) {
  const std::string tail = ") ENGINE=InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin";
  sql.run("CREATE DATABASE " + schema);
  const auto create = [&](const std::string& table, const std::string& columns) {
    sql.run("CREATE TABLE " + schema + "." + table + " (" + columns + tail);
  };
  create("proof",
         "gtrid VARBINARY(64) NOT NULL, branch SMALLINT UNSIGNED NOT NULL, kind ENUM('proof','fence') NOT NULL,"
         " participants VARCHAR(640) NOT NULL, protocol TINYINT UNSIGNED NOT NULL,"
         " label VARCHAR(128) CHARACTER SET utf8mb4 NOT NULL DEFAULT '',"
         " created_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP, PRIMARY KEY (gtrid, branch)");
  create("coordinator",
         "id VARCHAR(16) NOT NULL PRIMARY KEY, log_id BIGINT UNSIGNED NOT NULL, epoch INT UNSIGNED NOT NULL,"
         " host VARCHAR(255) NOT NULL, instance BIGINT UNSIGNED NOT NULL,"
         " claimed_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP");
  create("session",
         "coordinator VARCHAR(16) NOT NULL, instance BIGINT UNSIGNED NOT NULL, connection BIGINT UNSIGNED NOT NULL,"
         " server_start BIGINT NOT NULL, host VARCHAR(300) NOT NULL, account VARCHAR(128) NOT NULL,"
         " PRIMARY KEY (coordinator, instance, connection, server_start)");
  create("server", "id TINYINT UNSIGNED NOT NULL PRIMARY KEY, identity CHAR(32) NOT NULL");
  create("acceptor",
         "gtrid VARBINARY(64) NOT NULL, acceptor SMALLINT UNSIGNED NOT NULL, promised BIGINT UNSIGNED NOT NULL,"
         " accepted_ballot BIGINT UNSIGNED NULL, accepted_value ENUM('commit','rollback') NULL,"
         " members VARCHAR(640) NOT NULL, asked INT UNSIGNED NOT NULL DEFAULT 1,"
         " created_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP, PRIMARY KEY (gtrid, acceptor)");
  create("pulse",
         "coordinator VARCHAR(16) NOT NULL PRIMARY KEY, seen_at TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),"
         " closed_below VARBINARY(64) NOT NULL, proofs_kept TINYINT NULL");
  create("heuristic",
         "gtrid VARBINARY(64) NOT NULL PRIMARY KEY, value ENUM('commit','rollback') NOT NULL,"
         " who VARCHAR(255) CHARACTER SET utf8mb4 NOT NULL, reason VARCHAR(1000) CHARACTER SET utf8mb4 NOT NULL,"
         " made_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP");
  sql.run("INSERT INTO " + schema + ".server VALUES (1, REPLACE(UUID(), '-', ''))");
}

class MigrationTest : public SetupTest {
 protected:
  MigrationTest() { make_version_1(*direct, config_.schema); }
  /// The process of the older version that was here last, with log 1 in epoch 3.
  void with_old_owner(const std::string& silent_s) {
    direct->run("INSERT INTO " + config_.schema + ".coordinator(id,log_id,epoch,host,instance) VALUES ('" +
                coordinator + "',1,3,'db1',77)");
    direct->run("INSERT INTO " + config_.schema + ".pulse(coordinator,seen_at,closed_below) VALUES ('" + coordinator +
                "',NOW(3)-INTERVAL " + silent_s + " SECOND,'')");
  }
  ports::Claimant with_the_old_log() const {
    auto claimant = claimant_of(1, 4);
    claimant.log.last_unsigned_epoch = 3;
    return claimant;
  }
  std::int64_t version() { return direct->number("SELECT version FROM " + config_.schema + ".schema_version"); }
  std::int64_t columns(const std::string& name) {
    return direct->number("SELECT COUNT(*) FROM information_schema.COLUMNS WHERE TABLE_SCHEMA='" + config_.schema +
                          "' AND COLUMN_NAME='" + name + "'");
  }
};

INSTANTIATE_TEST_SUITE_P(Kinds, MigrationTest, ::testing::Values("mariadb", "mysql"),
                         [](const auto& param) { return param.param; });

TEST_P(MigrationTest, InitBringsTablesOfAnOlderVersionUpToDateAndSaysWhat) {
  const auto identity = direct->text("SELECT identity FROM " + config_.schema + ".server");
  Ctl ctl(config_);
  const auto before = participant::doctor(config_);
  ASSERT_TRUE(before) << before.error().what;
  const auto schema = std::find_if(before->findings.begin(), before->findings.end(),
                                   [](const auto& one) { return one.probe == "schema"; });
  ASSERT_NE(schema, before->findings.end());
  EXPECT_EQ(schema->grade, DoctorFinding::Grade::warning);
  EXPECT_THAT(schema->seen, HasSubstr("older version"));
  EXPECT_THAT(schema->remedy, HasSubstr("ADD COLUMN sequence"));
  EXPECT_EQ(tables(), 7) << "the doctor has changed something";

  const auto made = ctl.run({"participants", "init"});
  EXPECT_EQ(made.code, 0) << made.out;
  for (const auto* what : {"column coordinator.sequence", "column coordinator.place", "column proof.participants",
                           "column acceptor.members", "table schema_version", "schema version 3"}) {
    EXPECT_THAT(made.out, HasSubstr(what));
  }
  EXPECT_EQ(version(), participant::kSchemaVersion);
  EXPECT_EQ(columns("sequence"), 1);
  EXPECT_EQ(direct->text("SELECT identity FROM " + config_.schema + ".server"), identity);
  EXPECT_THAT(ctl.run({"participants", "init"}).out, HasSubstr("is there, and complete"));
}

TEST_P(MigrationTest, EnrolmentMigratesAndGoesOnWithTheLogOfTheOlderVersion) {
  with_old_owner("3600");
  BlockingParticipant participant(config_);
  participant.enrol(with_the_old_log());
  wait_up(participant);
  EXPECT_EQ(version(), participant::kSchemaVersion);
  const auto xid = next_xid(coordinator);
  ASSERT_EQ(participant.prepare(work_for(xid, {sql("UPDATE stock SET amount = 1 WHERE id = 1")})).kind,
            Vote::Kind::prepared);
  EXPECT_EQ(participant.settle(xid, Decided::commit).finding, Finding::committed);
  participant.port().stop();
}

TEST_P(MigrationTest, AnOwnerOfTheOlderVersionThatLivesIsNotDisplacedNorIsItsSchemaTouched) {
  with_old_owner("0");
  std::atomic<bool> lives{true};
  std::thread owner([&] {
    Sql sql(server, "", true);
    while (lives) {
      sql.run("UPDATE " + config_.schema + ".pulse SET seen_at=NOW(3)");
      std::this_thread::yield();
    }
  });
  BlockingParticipant participant(config_);
  participant.enrol(with_the_old_log());
  EXPECT_TRUE(eventually([&] { return participant.port().info().state == ParticipantInfo::State::refused; }))
      << participant.port().info().reason;
  EXPECT_THAT(participant.port().info().reason, HasSubstr("has just given a sign of life"));
  EXPECT_EQ(columns("sequence"), 0);
  lives = false;
  owner.join();
  participant.port().stop();
}

TEST_P(MigrationTest, AnAccountThatMayNotAlterIsRefusedWithTheSqlToRun) {
  with_new_account();
  direct->run("GRANT SELECT, INSERT, UPDATE, DELETE ON `" + config_.schema + "`.* TO " + account_);
  if (is_mysql()) direct->run("GRANT XA_RECOVER_ADMIN ON *.* TO " + account_);
  direct->run("GRANT PROCESS ON *.* TO " + account_);
  BlockingParticipant participant(config_);
  participant.enrol();
  EXPECT_TRUE(eventually([&] { return participant.port().info().state == ParticipantInfo::State::refused; }))
      << participant.port().info().reason;
  const auto reason = participant.port().info().reason;
  const std::string run_this = "let a DBA run: ";
  ASSERT_THAT(reason, HasSubstr(run_this + "ALTER TABLE " + config_.schema + ".proof MODIFY COLUMN participants"));
  const auto script = reason.substr(reason.find(run_this) + run_this.size());
  ASSERT_EQ(run_as_dba(script), 0) << script;
  wait_up(participant);
  EXPECT_EQ(version(), participant::kSchemaVersion);
  participant.port().stop();
}

TEST_P(MigrationTest, PrintedSqlMigratesAndMayBeRunAgain) {
  Ctl ctl(config_);
  const auto printed = ctl.run({"participants", "init", "--print-sql"});
  ASSERT_EQ(run_as_dba(printed.out), 0);
  EXPECT_EQ(version(), participant::kSchemaVersion);
  EXPECT_THAT(ctl.run({"participants", "init"}).out, HasSubstr("is there, and complete"));
  EXPECT_EQ(run_as_dba(printed.out), 0);
}

// It had everything but what a participant keeps of open hazards.
TEST_P(MigrationTest, TheSecondVersionMigratesWithItsRows) {
  Ctl ctl(config_);
  ASSERT_EQ(ctl.run({"participants", "init"}).code, 0);
  direct->run("ALTER TABLE " + config_.schema + ".purged DROP COLUMN kept");
  direct->run("INSERT INTO " + config_.schema + ".purged(coordinator,epoch,below) VALUES ('other',3,'other.00000003')");
  direct->run("UPDATE " + config_.schema + ".schema_version SET version=2,readable_by=2");
  BlockingParticipant participant(config_);
  participant.enrol();
  wait_up(participant);
  EXPECT_EQ(version(), participant::kSchemaVersion);
  EXPECT_EQ(direct->text("SELECT kept FROM " + config_.schema + ".purged WHERE coordinator='other'"), "");
  participant.port().stop();
}

TEST_P(MigrationTest, ASchemaOfANewerVersionIsRefusedAndLeftAlone) {
  Ctl ctl(config_);
  ASSERT_EQ(ctl.run({"participants", "init"}).code, 0);
  const auto set = [&](const std::string& version, const std::string& readable_by) {
    direct->run("UPDATE " + config_.schema + ".schema_version SET version=" + version + ",readable_by=" + readable_by);
  };
  set("9", "9");
  direct->run("DROP TABLE " + config_.schema + ".heuristic");
  const auto refused = ctl.run({"participants", "init"});
  EXPECT_EQ(refused.code, 78);
  EXPECT_THAT(refused.out, HasSubstr("newer version of Assent (schema version 9"));
  BlockingParticipant participant(config_);
  participant.enrol();
  EXPECT_TRUE(eventually([&] { return participant.port().info().state == ParticipantInfo::State::refused; }));
  EXPECT_THAT(participant.port().info().reason, HasSubstr("newer version of Assent"));
  EXPECT_EQ(tables(), 8) << "what the newer version had taken away was made again";
  // One that says this version can still use it.
  set("9", std::to_string(participant::kSchemaVersion));
  ASSERT_EQ(ctl.run({"participants", "init"}).code, 0);
  wait_up(participant);
  EXPECT_EQ(version(), 9);
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
