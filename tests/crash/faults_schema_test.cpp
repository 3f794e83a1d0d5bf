// Assent's own tables, as an older and as a newer version have made them.

#include <gmock/gmock.h>

#include "support/seams.hpp"

namespace assent::testing {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

/// The tables of 0.1.0, which had no version yet, word by word.
constexpr const char* kFirstTables[] = {
    "CREATE DATABASE assent",
    "CREATE TABLE assent.proof (gtrid VARBINARY(64) NOT NULL, branch SMALLINT UNSIGNED NOT NULL, "
    "kind ENUM('proof','fence') NOT NULL, participants VARCHAR(6400) NOT NULL, protocol TINYINT UNSIGNED NOT NULL, "
    "label VARCHAR(128) CHARACTER SET utf8mb4 NOT NULL DEFAULT '', "
    "created_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP, PRIMARY KEY (gtrid, branch)) "
    "ENGINE=InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin",
    "CREATE TABLE assent.coordinator (id VARCHAR(16) NOT NULL PRIMARY KEY, log_id BIGINT UNSIGNED NOT NULL, "
    "epoch INT UNSIGNED NOT NULL, host VARCHAR(255) NOT NULL, instance BIGINT UNSIGNED NOT NULL, "
    "claimed_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP) "
    "ENGINE=InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin",
    "CREATE TABLE assent.session (coordinator VARCHAR(16) NOT NULL, instance BIGINT UNSIGNED NOT NULL, "
    "connection BIGINT UNSIGNED NOT NULL, server_start BIGINT NOT NULL, host VARCHAR(300) NOT NULL, "
    "account VARCHAR(128) NOT NULL, PRIMARY KEY (coordinator, instance, connection, server_start)) "
    "ENGINE=InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin",
    "CREATE TABLE assent.server (id TINYINT UNSIGNED NOT NULL PRIMARY KEY, identity CHAR(32) NOT NULL) "
    "ENGINE=InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin",
    "CREATE TABLE assent.acceptor (gtrid VARBINARY(64) NOT NULL, acceptor SMALLINT UNSIGNED NOT NULL, "
    "promised BIGINT UNSIGNED NOT NULL, accepted_ballot BIGINT UNSIGNED NULL, "
    "accepted_value ENUM('commit','rollback') NULL, members VARCHAR(6400) NOT NULL, "
    "asked INT UNSIGNED NOT NULL DEFAULT 1, created_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP, "
    "PRIMARY KEY (gtrid, acceptor)) ENGINE=InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin",
    "CREATE TABLE assent.pulse (coordinator VARCHAR(16) NOT NULL PRIMARY KEY, "
    "seen_at TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3), closed_below VARBINARY(64) NOT NULL, "
    "proofs_kept TINYINT NULL) ENGINE=InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin",
    "CREATE TABLE assent.heuristic (gtrid VARBINARY(64) NOT NULL PRIMARY KEY, "
    "value ENUM('commit','rollback') NOT NULL, who VARCHAR(255) CHARACTER SET utf8mb4 NOT NULL, "
    "reason VARCHAR(1000) CHARACTER SET utf8mb4 NOT NULL, made_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP) "
    "ENGINE=InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin",
    "INSERT INTO assent.server VALUES (1, REPLACE(UUID(), '-', ''))",
};

class FaultsSchemaTest : public SeamsTest {
 protected:
  FaultsSchemaTest() { drop_tables(); }
  ~FaultsSchemaTest() override { drop_tables(); }

  void drop_tables() {
    for (const auto& server : {east(), west()}) {
      Sql admin(server, "", true);
      // A branch that a test has left prepared keeps them.
      admin.run("SET SESSION lock_wait_timeout=5");
      EXPECT_EQ(admin.error_of("DROP DATABASE IF EXISTS assent"), 0) << server.name;
    }
  }
  void make_first_tables() {
    for (const auto& server : {east(), west()}) {
      Sql admin(server, "", true);
      for (const auto* statement : kFirstTables) admin.run(statement);
    }
  }
  /// As if a version had been here that nobody has written yet.
  void leave_version(const Server& server, int version, int readable_by) {
    Sql admin(server, "", true);
    admin.error_of("CREATE DATABASE assent");
    admin.run(
        "CREATE TABLE IF NOT EXISTS assent.schema_version (id TINYINT UNSIGNED NOT NULL PRIMARY KEY, version INT "
        "UNSIGNED NOT NULL, readable_by INT UNSIGNED NOT NULL, changed_at TIMESTAMP NOT NULL DEFAULT "
        "CURRENT_TIMESTAMP) ENGINE=InnoDB");
    admin.run("REPLACE INTO assent.schema_version(id,version,readable_by) VALUES (1," + std::to_string(version) + "," +
              std::to_string(readable_by) + ")");
  }
  bool has_version(const Server& server) {
    Sql admin(server, "", true);
    return admin.number(
               "SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA='assent' AND "
               "TABLE_NAME='schema_version'") == 1 &&
           admin.number("SELECT COUNT(*) FROM assent.schema_version WHERE readable_by<=version AND version>0") == 1;
  }
  std::string columns(const Server& server) {
    std::string all;
    for (const auto& row : Sql(server, "", true)
                               .rows("SELECT CONCAT(TABLE_NAME,'.',COLUMN_NAME,' ',COLUMN_TYPE) FROM "
                                     "information_schema.COLUMNS WHERE TABLE_SCHEMA='assent' ORDER BY 1")) {
      all += row[0] + "\n";
    }
    return all;
  }
  /// May use the tables, and not change what they are like.
  void use_small_account() {
    for (const auto& server : {east(), west()}) {
      Sql admin(server, "", true);
      const std::string name = "'" + database_ + "_small'@'%'";
      admin.run("CREATE USER IF NOT EXISTS " + name + " IDENTIFIED BY 'secret'");
      admin.run("GRANT ALL PRIVILEGES ON " + database_ + ".* TO " + name);
      admin.run("GRANT SELECT, INSERT, UPDATE, DELETE ON assent.* TO " + name);
      admin.run("GRANT PROCESS ON *.* TO " + name);
      if (server.kind != "mysql") continue;
      admin.run("GRANT XA_RECOVER_ADMIN ON *.* TO " + name);
      admin.run("GRANT SELECT ON performance_schema.* TO " + name);
    }
    for (auto& participant : daemon_.options().participants) {
      participant.user = database_ + "_small";
      participant.password = "secret";
    }
  }
  void start_with_what_is_there() {
    daemon_.options().environment = failpoint_environment(daemon_.folder() + "/failpoints", "");
    daemon_.start();
  }
  void expect_serving() {
    auto client = daemon_.client();
    for (const auto protocol : {Protocol::two_phase, Protocol::three_phase}) {
      auto one = transfer(1, 2, 1);
      one.protocol = protocol;
      EXPECT_EQ(submit(client, one).outcome, Outcome::committed) << daemon_.output();
    }
  }
};
ASSENT_FOR_EVERY_PAIR(FaultsSchemaTest);

TEST_P(FaultsSchemaTest, NewTablesAndTablesOfTheFirstVersionComeToBeTheSame) {
  start();
  expect_serving();
  const std::vector<std::string> made{columns(east()), columns(west())};
  for (const auto& server : {east(), west()}) EXPECT_TRUE(has_version(server)) << server.name;
  EXPECT_EQ(daemon_.terminate(), 0);
  drop_tables();
  make_first_tables();
  lose_log();
  start();
  expect_serving();
  EXPECT_TRUE(has_version(east()) && has_version(west()));
  // Columns that the first version had and this one does not use may stay.
  for (const auto& [server, wanted] : {std::pair{east(), made[0]}, std::pair{west(), made[1]}}) {
    const auto now = columns(server);
    for (std::size_t at = 0; at < wanted.size(); at = wanted.find('\n', at) + 1) {
      EXPECT_THAT(now, HasSubstr(wanted.substr(at, wanted.find('\n', at) - at)));
    }
  }
}

TEST_P(FaultsSchemaTest, ABranchThatTheFirstVersionLeftInDoubtIsSettledAfterTheChange) {
  make_first_tables();
  for (const auto& server : {east(), west()}) {
    Sql admin(server, "", true);
    admin.run("INSERT INTO assent.coordinator(id,log_id,epoch,host,instance) VALUES ('" + database_ +
              "',4711,1,'elsewhere',7)");
    admin.run("INSERT INTO assent.pulse(coordinator,seen_at,closed_below,proofs_kept) VALUES ('" + database_ +
              "',NOW()-INTERVAL 1 HOUR,'',1)");
  }
  const auto gtrid = orphan_gtrid(1, 1);
  prepare_by_hand(east(), gtrid, "UPDATE accounts SET balance=balance-7 WHERE id=1");
  prepare_by_hand(west(), gtrid, "UPDATE accounts SET balance=balance+7 WHERE id=2");
  settle_by_hand(west(), gtrid, "COMMIT");
  daemon_.write_config();
  EXPECT_EQ(offline({"participants", "init"}).code, kCtlClean);
  EXPECT_TRUE(has_version(east()) && has_version(west()));
  const auto applied = offline({"recover", "--log-lost", "--apply"});
  EXPECT_EQ(applied.code, kCtlClean) << applied.output;
  EXPECT_EQ(ours(), 0U);
  expect_moved(true);
}

TEST_P(FaultsSchemaTest, AnAccountThatMayNotChangeTheTablesIsRefusedWithTheSqlThatDoes) {
  make_first_tables();
  const auto own = daemon_.options().participants;
  use_small_account();
  const auto small = daemon_.options().participants;
  start_with_what_is_there();
  Told told;
  EXPECT_TRUE(eventually([&] {
    told = live({"participants"});
    return told.output.find("ALTER TABLE assent.") != std::string::npos &&
           told.output.find("CREATE TABLE IF NOT EXISTS assent.schema_version") != std::string::npos;
  })) << told.output;
  EXPECT_EQ(daemon_.terminate(), 0);
  EXPECT_EQ(offline({"participants", "init"}).code, kCtlBadConfig);
  daemon_.options().participants = own;
  daemon_.write_config();
  EXPECT_EQ(offline({"participants", "init"}).code, kCtlClean);
  daemon_.options().participants = small;
  start();
  expect_serving();
}

TEST_P(FaultsSchemaTest, TablesOfAVersionThatThisOneCannotUseAreLeftAloneAndItIsRefusedThere) {
  leave_version(west(), 999, 999);
  const auto before = columns(west());
  start_with_what_is_there();
  Told told;
  EXPECT_TRUE(eventually([&] {
    told = live({"participants"});
    return told.output.find("newer version") != std::string::npos;
  })) << told.output;
  EXPECT_THAT(told.output, HasSubstr("refused"));
  EXPECT_EQ(daemon_.terminate(), 0);
  EXPECT_EQ(offline({"participants", "init"}).code, kCtlBadConfig);
  EXPECT_EQ(columns(west()), before);
}

TEST_P(FaultsSchemaTest, TablesOfANewerVersionThatThisOneMayUseAreUsed) {
  start();
  EXPECT_EQ(daemon_.terminate(), 0);
  for (const auto& server : {east(), west()}) {
    leave_version(server, 999, 1);
    Sql(server, "", true).run("ALTER TABLE assent.proof ADD COLUMN of_tomorrow INT NOT NULL DEFAULT 7");
  }
  start();
  expect_serving();
  EXPECT_EQ(Sql(east(), "", true).number("SELECT version FROM assent.schema_version"), 999) << "and left as they are";
  EXPECT_EQ(Sql(east(), "", true).number("SELECT readable_by FROM assent.schema_version"), 1);
}

}  // namespace
}  // namespace assent::testing
