// What the doctor says of real servers, and that its remedies are the right ones.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "support/ctl.hpp"
#include "support/participants.hpp"

namespace assent::testing {
namespace {

using Grade = DoctorFinding::Grade;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class DoctorTest : public ParticipantTest {
 protected:
  ~DoctorTest() override {
    for (const auto& one : accounts_) direct->error_of("DROP USER " + one);
  }

  /// The configuration of a new account, which may use the schemas only.
  participant::Config account(const std::string& host = "%") {
    auto config = config_for(server, database, coordinator);
    config.user = "u" + coordinator;
    config.password = "Secret-of-" + coordinator;
    name_ = "'" + config.user + "'@'" + host + "'";
    direct->run("CREATE USER " + name_ + " IDENTIFIED BY '" + config.password + "'");
    accounts_.push_back(name_);
    for (const auto& schema : {database, std::string("assent")}) {
      direct->run("GRANT CREATE, SELECT, INSERT, UPDATE, DELETE ON " + schema + ".* TO " + name_);
    }
    return config;
  }

  static std::vector<DoctorFinding> findings_of(const participant::Config& config) {
    auto diagnosis = participant::doctor(config);
    if (!diagnosis) {
      ADD_FAILURE() << diagnosis.error().what;
      return {};
    }
    return std::move(diagnosis->findings);
  }
  static DoctorFinding finding(const std::vector<DoctorFinding>& findings, const std::string& probe) {
    for (const auto& one : findings) {
      if (one.probe == probe) return one;
    }
    ADD_FAILURE() << "the doctor did not look at " << probe;
    return {};
  }
  DoctorFinding finding(const participant::Config& config, const std::string& probe) {
    return finding(findings_of(config), probe);
  }
  /// What of a remedy is SQL to be run at once.
  static std::string sql_in(const std::string& remedy) { return remedy.substr(0, remedy.find_first_of(",;")); }

  std::string name_;  ///< The new account's, as GRANT takes it.

 private:
  std::vector<std::string> accounts_;
};

INSTANTIATE_TEST_SUITE_P(Kinds, DoctorTest, ::testing::Values("mariadb", "mysql"),
                         [](const auto& param) { return param.param; });

TEST_P(DoctorTest, DoctorLooksAndChangesNothing) {
  direct->run("CREATE TABLE audit(a INT) ENGINE=MyISAM");
  auto config = config_for(server, database, coordinator);
  config.schema = "untouched";
  const auto findings = findings_of(config);
  for (const auto& one : findings) {
    EXPECT_NE(one.grade, Grade::refusal) << one.probe << ": " << one.seen;
    EXPECT_EQ(one.remedy.empty(), one.grade == Grade::pass) << one.probe;
    EXPECT_EQ(one.remedy.find('\n'), std::string::npos);
  }
  EXPECT_THAT(finding(findings, "table_engines").seen, HasSubstr("audit (MyISAM)"));
  EXPECT_THAT(finding(findings, "table_engines").remedy,
              HasSubstr("ALTER TABLE `" + database + "`.`audit` ENGINE = InnoDB; "));
  EXPECT_EQ(finding(findings, "schema").grade, Grade::warning);
  EXPECT_EQ(direct->number("SELECT COUNT(*) FROM information_schema.SCHEMATA WHERE SCHEMA_NAME='untouched'"), 0);
  config.port = 1;
  EXPECT_FALSE(participant::doctor(config));
}

TEST_P(DoctorTest, EveryProbeIsThereAndPasses) {
  up();
  const auto diagnosis = participant::doctor(config_for(server, database, coordinator));
  ASSERT_TRUE(diagnosis) << diagnosis.error().what;
  EXPECT_EQ(diagnosis->server_kind, is_mysql() ? "MySQL" : "MariaDB");
  EXPECT_THAT(diagnosis->server_version, StartsWith(server.version));
  std::set<std::string> probes;
  for (const auto& one : diagnosis->findings) {
    EXPECT_EQ(one.grade, Grade::pass) << one.probe << ": " << one.seen;
    EXPECT_TRUE(probes.insert(one.probe).second) << one.probe;
  }
  std::set<std::string> expected = {"server_version",
                                    "galera",
                                    "read_only",
                                    "innodb_force_recovery",
                                    "innodb_flush_log_at_trx_commit",
                                    "sync_binlog",
                                    "innodb_doublewrite",
                                    "max_connections",
                                    "max_user_connections",
                                    "wait_timeout",
                                    "xa_recover",
                                    "process_privilege",
                                    "default_schema",
                                    "schema",
                                    "pooler",
                                    "table_engines",
                                    "server_identity"};
  expected.insert(is_mysql() ? "xa_detach_on_prepare" : "engine_status");
  if (is_mysql()) expected.insert("lock_views");
  EXPECT_EQ(probes, expected);
}

TEST_P(DoctorTest, TheServersIdentityIsShown) {
  up();
  const auto config = config_for(server, database, coordinator);
  EXPECT_EQ(finding(config, "server_identity").seen,
            direct->text(is_mysql() ? "SELECT @@server_uuid"
                                    : "SELECT CONCAT(identity,'-',@@server_id) FROM assent.server WHERE id=1"));
}

TEST_P(DoctorTest, AServersClockIsHeldAgainstThisHosts) {
  const auto config = account();
  direct->run("SET GLOBAL init_connect='SET timestamp=UNIX_TIMESTAMP()+36000'");
  const auto diagnosis = participant::doctor(config);
  direct->run("SET GLOBAL init_connect=''");
  ASSERT_TRUE(diagnosis) << diagnosis.error().what;
  EXPECT_GT(diagnosis->clock_ahead, std::chrono::hours(9));
  EXPECT_LT(diagnosis->clock_ahead, std::chrono::hours(11));
}

TEST_P(DoctorTest, ARemedyNamesTheAccountAsTheServerKnowsItAndMends) {
  up();
  const auto config = account("127.0.0.%");
  const auto process = finding(config, "process_privilege");
  EXPECT_EQ(process.remedy, "GRANT PROCESS ON *.* TO " + name_);
  direct->run(process.remedy);
  EXPECT_EQ(finding(config, "process_privilege").grade, Grade::pass);
  const auto recover = finding(config, "xa_recover");
  EXPECT_EQ(recover.remedy, is_mysql() ? "GRANT XA_RECOVER_ADMIN ON *.* TO " + name_ : "");
  if (is_mysql()) direct->run(recover.remedy);
  EXPECT_EQ(finding(config, "xa_recover").grade, Grade::pass);
}

TEST_P(DoctorTest, AnAccountThatMayReadAssentsRowsAndNotWriteThemIsRefusedWithTheGrant) {
  up();
  const auto config = account();
  for (const auto* privilege : {"INSERT", "UPDATE", "DELETE"}) {
    direct->run(std::string("REVOKE ") + privilege + " ON assent.* FROM " + name_);
    const auto schema = finding(config, "schema");
    EXPECT_EQ(schema.grade, Grade::refusal) << privilege;
    EXPECT_THAT(schema.seen, HasSubstr(privilege));
    EXPECT_EQ(schema.remedy, "GRANT SELECT, INSERT, UPDATE, DELETE ON assent.* TO " + name_);
    direct->run(schema.remedy);
    EXPECT_EQ(finding(config, "schema").grade, Grade::pass) << privilege;
  }
}

TEST_P(DoctorTest, AReadOnlyServerIsCalledThatAndNothingElse) {
  up();
  const auto config = account();
  direct->run("GRANT PROCESS ON *.* TO " + name_);
  if (is_mysql()) {
    direct->run("GRANT XA_RECOVER_ADMIN ON *.* TO " + name_);
    direct->run("GRANT SELECT ON performance_schema.* TO " + name_);
  }
  direct->run("SET GLOBAL read_only=1");
  const auto findings = findings_of(config);
  direct->run("SET GLOBAL read_only=0");
  for (const auto& one : findings) {
    EXPECT_EQ(one.grade, one.probe == "read_only" ? Grade::refusal : Grade::pass) << one.probe << ": " << one.seen;
  }
  EXPECT_THAT(finding(findings, "read_only").remedy,
              HasSubstr(is_mysql() ? "SET PERSIST read_only = OFF" : "SET GLOBAL read_only = OFF"));
}

TEST_P(DoctorTest, AWeakSettingIsMendedByTheRemedyForGood) {
  const auto config = config_for(server, database, coordinator);
  direct->run("SET GLOBAL innodb_flush_log_at_trx_commit=2");
  const auto weak = finding(config, "innodb_flush_log_at_trx_commit");
  EXPECT_EQ(weak.grade, Grade::refusal);
  direct->run(sql_in(weak.remedy));
  EXPECT_EQ(finding(config, "innodb_flush_log_at_trx_commit").grade, Grade::pass);
  if (is_mysql()) {
    EXPECT_EQ(direct->text("SELECT VARIABLE_VALUE FROM performance_schema.persisted_variables WHERE "
                           "VARIABLE_NAME='innodb_flush_log_at_trx_commit'"),
              "1");
    direct->run("RESET PERSIST");
  } else {
    EXPECT_THAT(weak.remedy, HasSubstr("innodb_flush_log_at_trx_commit = 1 under [mariadbd]"));
  }
}

TEST_P(DoctorTest, AnAccountThatMayNotDetachItsBranchesIsRefusedWithTheRemedy) {
  if (!is_mysql()) return;  // MariaDB has no such setting.
  const auto config = account();
  direct->run("GRANT XA_RECOVER_ADMIN ON *.* TO " + name_);
  direct->run("SET GLOBAL xa_detach_on_prepare=OFF");
  const auto off = finding(config, "xa_detach_on_prepare");
  EXPECT_EQ(off.grade, Grade::refusal);
  BlockingParticipant participant(config);
  participant.enrol();
  EXPECT_TRUE(eventually([&] { return participant.port().info().state == ParticipantInfo::State::refused; }));
  EXPECT_THAT(participant.port().info().reason, HasSubstr("SET PERSIST xa_detach_on_prepare = ON"));
  direct->run(sql_in(off.remedy));
  EXPECT_EQ(finding(config, "xa_detach_on_prepare").grade, Grade::pass);
  direct->run("RESET PERSIST");
  wait_up(participant);
  participant.port().stop();
}

TEST_P(DoctorTest, TwoNamesOfOneServerAreTold) {
  Ctl ctl(config_for(server, database, coordinator), true);
  ASSERT_EQ(ctl.run({"participants", "init"}).code, 0);
  const auto told = ctl.run({"doctor"});
  EXPECT_EQ(told.code, 0) << told.out;
  EXPECT_THAT(told.out, HasSubstr("has the same identity as 'stock'"));
}

TEST_P(DoctorTest, TheCommandTellsOfTheDatabaseAndOfThisHost) {
  Ctl ctl(config_for(server, database, coordinator));
  const auto well = ctl.run({"doctor", "--json"});
  EXPECT_EQ(well.code, 0) << well.out;
  const auto report = nlohmann::json::parse(well.out);
  const auto& stock = report.at("participants").at(0);
  EXPECT_EQ(stock.at("state"), "up");
  EXPECT_EQ(stock.at("server_kind"), is_mysql() ? "MySQL" : "MariaDB");
  EXPECT_EQ(report.at("host").at("findings").back().at("probe"), "clock");
  EXPECT_THAT(std::string(report.at("host").at("findings").back().at("seen")), HasSubstr("that of stock's server"));
  EXPECT_THAT(ctl.run({"doctor"}).out, HasSubstr("\nstock: fit to serve\nhost: fit to serve\n"));

  direct->run("SET GLOBAL read_only=1");
  const auto refused = ctl.run({"doctor", "stock"});
  direct->run("SET GLOBAL read_only=0");
  EXPECT_EQ(refused.code, 78);
  EXPECT_THAT(refused.out, HasSubstr("stock: WOULD BE REFUSED"));
}

}  // namespace
}  // namespace assent::testing
