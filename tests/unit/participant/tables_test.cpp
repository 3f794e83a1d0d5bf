#include "participant/tables.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "protocol/members.hpp"

namespace assent::participant {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

/// What this version leaves at a server, read from the statements that make it.
SchemaLook complete() {
  SchemaLook look;
  look.schema = true;
  look.identity = true;
  look.version = kSchemaVersion;
  look.readable_by = kSchemaReadableBy;
  const Config config;
  const std::string begins = "CREATE TABLE IF NOT EXISTS assent.";
  for (const auto& statement : schema_statements(config)) {
    if (!statement.starts_with(begins)) continue;
    const auto open = statement.find(" (");
    auto& columns = look.tables[statement.substr(begins.size(), open - begins.size())];
    auto rest = statement.substr(open + 2);
    rest.resize(rest.find("PRIMARY KEY"));
    for (std::size_t at = 0; at < rest.size();) {
      const auto end = rest.find(", ", at);
      const auto column = rest.substr(at, end - at);
      const auto space = column.find(' ');
      SchemaLook::Column found{column.substr(space + 1), 0};
      if (found.type.starts_with("VAR")) found.length = std::stoul(found.type.substr(found.type.find('(') + 1));
      columns[column.substr(0, space)] = found;
      at = end + 2;
    }
  }
  return look;
}

std::vector<std::string> words(const std::vector<SchemaStep>& steps) {
  std::vector<std::string> all;
  for (const auto& step : steps) all.push_back(step.what);
  return all;
}

TEST(Tables, WhereAllIsThereNothingIsMissing) {
  EXPECT_THAT(words(missing_steps(complete(), Config{})), IsEmpty());
  EXPECT_FALSE(complete().is_newer());
  EXPECT_FALSE(complete().is_older(Config{}));
}

TEST(Tables, WhereNothingIsThereAllIsMadeAndTheVersionIsWrittenLast) {
  const auto steps = missing_steps(SchemaLook{}, Config{});
  EXPECT_EQ(steps.front().what, "schema assent");
  EXPECT_EQ(steps.back().what, "schema version " + std::to_string(kSchemaVersion));
  EXPECT_EQ(steps.size(), complete().tables.size() + 3);
}

TEST(Tables, AColumnThatIsMissingIsAddedAndOneThatIsTooNarrowIsWidenedLater) {
  auto look = complete();
  look.version = 1;
  look.tables["coordinator"].erase("sequence");
  look.tables["acceptor"]["members"].length = protocol::kMembersBytesMax - 1;
  const auto steps = missing_steps(look, Config{});
  EXPECT_THAT(words(steps),
              ElementsAre("column coordinator.sequence", "column acceptor.members", HasSubstr("version")));
  EXPECT_FALSE(steps[0].can_wait);
  EXPECT_TRUE(steps[1].can_wait);
  EXPECT_THAT(all_of(steps), AllOf(HasSubstr("ALTER TABLE assent.coordinator ADD COLUMN sequence"),
                                   HasSubstr("ALTER TABLE assent.acceptor MODIFY COLUMN members")));
  EXPECT_TRUE(look.is_older(Config{}));
}

TEST(Tables, OneThatANewerVersionHasMadeIsUsedOnlyIfThatSaysSo) {
  auto look = complete();
  look.version = kSchemaVersion + 7;
  EXPECT_FALSE(look.is_newer());
  EXPECT_THAT(missing_steps(look, Config{}), IsEmpty());
  look.readable_by = kSchemaVersion + 1;
  EXPECT_TRUE(look.is_newer());
}

// What a script adds to tables of an older version must be what an enrolment adds.
TEST(Tables, AScriptAddsEveryColumnThatAVersionHasBrought) {
  const auto statements = schema_statements(Config{});
  for (const auto* column : {"since", "place", "sequence", "seen_at"}) {
    EXPECT_TRUE(std::any_of(statements.begin(), statements.end(), [&](const auto& one) {
      return one.find(std::string("ADD COLUMN ") + column + " ") != std::string::npos && one.starts_with("SET @assent");
    })) << column;
  }
}

}  // namespace
}  // namespace assent::participant
