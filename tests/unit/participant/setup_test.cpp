#include "participant/setup.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "participant/tables.hpp"

namespace assent::participant {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

TEST(SchemaScript, HoldsAllThatMakesTheSchemaInItsOrderAndNoCreateForTheAccount) {
  Config config;
  config.user = "o'neil\n";
  const auto script = schema_script(config, "10.0.0.%");
  std::size_t at = 0;
  for (const auto& statement : schema_statements(config)) {
    at = script.find(statement + ";\n", at);
    ASSERT_NE(at, std::string::npos) << statement;
  }
  EXPECT_THAT(script,
              AllOf(HasSubstr("GRANT SELECT, INSERT, UPDATE, DELETE ON assent.* TO 'o''neil\n'@'10.0.0.%';\n"),
                    HasSubstr("\nGRANT PROCESS ON *.* TO 'o''neil\n'@'10.0.0.%';\n"),
                    HasSubstr("\n/*!80000 GRANT XA_RECOVER_ADMIN ON *.* TO 'o''neil\n'@'10.0.0.%' */;\n"),
                    HasSubstr("\n-- The account must be there: CREATE USER IF NOT EXISTS 'o''neil?'@'10.0.0.%' "),
                    Not(HasSubstr("GRANT CREATE"))));
}

}  // namespace
}  // namespace assent::participant
