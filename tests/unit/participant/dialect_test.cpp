#include "participant/dialect.hpp"

#include <gtest/gtest.h>

#include "participant/branch_run.hpp"
#include "participant/sql_error.hpp"

namespace assent::participant {
namespace {

TEST(Dialect, VersionTextTellsTheKind) {
  EXPECT_EQ(dialect_of("10.11.19-MariaDB-0+deb12u1").kind, ServerKind::mariadb);
  EXPECT_EQ(dialect_of("5.5.5-10.6.1-MariaDB-log").kind, ServerKind::mariadb);
  EXPECT_EQ(dialect_of("9.7.4-2").kind, ServerKind::mysql);
  EXPECT_EQ(dialect_of("8.0.36").kind, ServerKind::mysql);
}

TEST(Dialect, VersionsCompareByNumber) {
  EXPECT_EQ(parse_version("10.11.19-MariaDB"), (ServerVersion{10, 11, 19}));
  EXPECT_EQ(parse_version("5.5.5-10.6.1-MariaDB-log"), (ServerVersion{10, 6, 1}));
  EXPECT_LT(parse_version("8.0.28"), parse_version("8.0.29"));
  EXPECT_GT(parse_version("8.0.100"), parse_version("8.0.29"));
  EXPECT_EQ(parse_version("nonsense"), (ServerVersion{0, 0, 0}));
}

TEST(SqlErrors, OnlyHarmlessTextsAreDescribed) {
  EXPECT_EQ(describe({1062, "23000", "Duplicate entry 'secret'", false}), "error 1062 (23000)");
  EXPECT_EQ(describe({2013, "HY000", "Lost connection", true}), "error 2013 (HY000): Lost connection");
  EXPECT_TRUE(is_retryable(1213));
  EXPECT_TRUE(is_retryable(2013));
  EXPECT_FALSE(is_retryable(1062));
  EXPECT_FALSE(is_retryable(1064));
  EXPECT_TRUE(loses_connection(1927));
  EXPECT_FALSE(loses_connection(1205));
}

}  // namespace
}  // namespace assent::participant
