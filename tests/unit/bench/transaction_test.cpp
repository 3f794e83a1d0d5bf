#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "bench/bench_transaction.hpp"

namespace assent::bench {
namespace {

TEST(ShapeTest, ArgumentsStandWhereTheMarksAreInSql) {
  const Shape shape("UPDATE t SET a = a + ? WHERE id = ?");
  ASSERT_EQ(shape.args(), 2U);
  std::string sql = "BEGIN;";
  shape.append_sql(sql, {-5, 12});
  EXPECT_EQ(sql, "BEGIN;UPDATE t SET a = a + -5 WHERE id = 12");
}

TEST(ShapeTest, AStatementWithoutArgumentsIsItself) {
  const Shape shape("SELECT 1");
  std::string sql;
  shape.append_sql(sql, {});
  EXPECT_EQ(sql, "SELECT 1");
  std::string json;
  shape.append_json(json, {});
  EXPECT_EQ(json, R"({"sql":"SELECT 1","args":[]})");
}

TEST(ShapeTest, JsonHoldsSqlArgumentsAndExpectation) {
  const Shape shape("UPDATE t SET a = ? WHERE b >= ?", true);
  std::string text;
  shape.append_json(text, {7, -9'000'000'000});
  const auto json = nlohmann::json::parse(text);
  EXPECT_EQ(json.at("sql"), "UPDATE t SET a = ? WHERE b >= ?");
  EXPECT_EQ(json.at("args"), nlohmann::json({7, -9'000'000'000}));
  EXPECT_EQ(json.at("expect").at("affected"), 1);
}

TEST(TransactionTest, ClearedItHoldsOnlyWhatIsAddedAnew) {
  const Shape shape("SELECT 1");
  Transaction transaction;
  transaction.add_branch(3).statements.push_back({&shape, {}});
  transaction.add_branch(1);
  transaction.clear();
  EXPECT_EQ(transaction.used, 0U);
  const auto& branch = transaction.add_branch(2);
  EXPECT_EQ(transaction.used, 1U);
  EXPECT_EQ(branch.participant, 2U);
  EXPECT_TRUE(branch.statements.empty());
}

}  // namespace
}  // namespace assent::bench
