#include "participant/remedies.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace assent::participant {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

const Dialect& mariadb() {
  return dialect_of("10.11.19-MariaDB");
}
const Dialect& mysql() {
  return dialect_of("9.7.4");
}

TEST(Remedies, AnAccountIsNamedAsGrantTakesIt) {
  EXPECT_EQ(account_name("assent@%"), "'assent'@'%'");
  EXPECT_EQ(account_name("assent@10.0.0.%"), "'assent'@'10.0.0.%'");
  EXPECT_EQ(account_name("me@example.com@localhost"), "'me@example.com'@'localhost'");
  EXPECT_EQ(account_name("@localhost"), "''@'localhost'");
  EXPECT_EQ(account_name("o'neil\\", "%"), "'o''neil\\\\'@'%'");
}

TEST(Remedies, AVariableIsSetForNowAndForGoodOnOneLine) {
  EXPECT_EQ(set_variable(mysql(), "sync_binlog", "1"), "SET PERSIST sync_binlog = 1");
  EXPECT_EQ(set_variable(mariadb(), "sync_binlog", "1"),
            "SET GLOBAL sync_binlog = 1, and sync_binlog = 1 under [mariadbd] in the server's configuration");
}

TEST(Remedies, AnUnderscoreInASchemaGrantsThatSchemaAlone) {
  Config config;
  config.schema = "own_rows";
  EXPECT_EQ(grant_on_schema(config, "'a'@'%'", OnSchema::use),
            "GRANT SELECT, INSERT, UPDATE, DELETE ON `own\\_rows`.* TO 'a'@'%'");
  config.schema = "assent";
  EXPECT_EQ(grant_on_schema(config, "'a'@'%'", OnSchema::create_and_use),
            "GRANT CREATE, ALTER, SELECT, INSERT, UPDATE, DELETE ON assent.* TO 'a'@'%'");
}

TEST(Remedies, GrantsAreThoseOfTheKindOfServer) {
  const Config config;
  const auto grants = schema_grants(mysql(), config, "'a'@'%'");
  EXPECT_THAT(grants, AllOf(HasSubstr("CREATE DATABASE IF NOT EXISTS assent; GRANT CREATE"), HasSubstr("GRANT PROCESS"),
                            HasSubstr("GRANT XA_RECOVER_ADMIN"), Not(HasSubstr("\n"))));
  EXPECT_THAT(schema_grants(mariadb(), config, "'a'@'%'"),
              AllOf(HasSubstr("GRANT PROCESS"), Not(HasSubstr("XA_RECOVER_ADMIN"))));
}

}  // namespace
}  // namespace assent::participant
