#include "participant/sql_scan.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace assent::participant {
namespace {

using namespace std::string_literals;
using ::testing::HasSubstr;

Result<ScannedSql> scan(std::string_view sql) {
  return scan_sql(sql, "assent");
}

ScannedSql good(std::string_view sql) {
  auto scanned = scan(sql);
  EXPECT_TRUE(scanned) << sql << ": " << (scanned ? "" : scanned.error().what);
  return scanned ? *scanned : ScannedSql{};
}

std::string refusal(std::string_view sql) {
  const auto scanned = scan(sql);
  EXPECT_FALSE(scanned) << sql;
  if (scanned) return "";
  EXPECT_EQ(scanned.error().code, Errc::invalid_argument);
  EXPECT_FALSE(scanned.error().retryable);
  return scanned.error().what;
}

TEST(SqlScan, DataStatementsPassWithTheirVerb) {
  const std::vector<std::pair<std::string, Verb>> statements = {
      {"SELECT 1", Verb::read},
      {"select * from t", Verb::read},
      {"  \n\tSELECT 1", Verb::read},
      {"(SELECT 1) UNION (SELECT 2)", Verb::read},
      {"((SELECT 1))", Verb::read},
      {"VALUES ROW(1)", Verb::read},
      {"TABLE t", Verb::read},
      {"INSERT INTO t VALUES (1)", Verb::insert},
      {"REPLACE t SET a = 1", Verb::insert},
      {"UPDATE t SET a = 1", Verb::update},
      {"DELETE FROM t", Verb::remove},
      {"WITH c AS (SELECT 1) SELECT * FROM c", Verb::read},
      {"WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) UPDATE t SET a = 1", Verb::update},
      {"WITH c AS (UPDATE_LOG) DELETE FROM t", Verb::remove},
  };
  for (const auto& [sql, verb] : statements) EXPECT_EQ(good(sql).verb, verb) << sql;
}

TEST(SqlScan, EverythingElseIsRefusedByItsFirstWord) {
  for (const auto* sql : {"BEGIN",
                          "START TRANSACTION",
                          "COMMIT",
                          "ROLLBACK",
                          "SAVEPOINT a",
                          "XA START 'a'",
                          "SET @a = 1",
                          "SET autocommit=0",
                          "CREATE TABLE t(a INT)",
                          "DROP TABLE t",
                          "ALTER TABLE t ADD a INT",
                          "TRUNCATE t",
                          "LOCK TABLES t READ",
                          "UNLOCK TABLES",
                          "CALL p()",
                          "DO 1",
                          "HANDLER t OPEN",
                          "LOAD DATA INFILE 'a' INTO TABLE t",
                          "GRANT ALL ON *.* TO a",
                          "FLUSH TABLES",
                          "KILL 1",
                          "USE mysql",
                          "PREPARE s FROM 'COMMIT'",
                          "EXECUTE s",
                          "EXPLAIN SELECT 1",
                          "SHOW TABLES",
                          "ANALYZE TABLE t",
                          "OPTIMIZE TABLE t",
                          "RENAME TABLE a TO b",
                          "SHUTDOWN",
                          "RESET MASTER",
                          "DELIMITER //",
                          "IMPORT TABLE FROM 'a'",
                          "BINLOG 'a'",
                          "SELECTED",
                          "EXECUTE IMMEDIATE 'COMMIT'",
                          "(BEGIN)",
                          "RETURN 1",
                          "SIGNAL SQLSTATE '45000'"}) {
    EXPECT_THAT(refusal(sql), HasSubstr("the statement begins with")) << sql;
  }
  EXPECT_THAT(refusal("XA COMMIT 'a'"), HasSubstr("at character 1: a branch holds data statements only"));
}

TEST(SqlScan, NothingAtAllIsRefused) {
  for (const auto* sql : {"", " ", ";", " ; ", "-- only a comment", "/* only a comment */", "#", "-- "}) {
    EXPECT_THAT(refusal(sql), HasSubstr("holds no statement")) << sql;
  }
  for (const auto* sql : {"'SELECT 1'", "?", "@a", "`SELECT` 1", "= 1", ")", "1 SELECT", "\\N"}) refusal(sql);
}

TEST(SqlScan, SecondStatementIsRefusedWhereItBegins) {
  EXPECT_THAT(refusal("SELECT 1; COMMIT"), HasSubstr("a second statement begins at character 11"));
  for (const auto* sql :
       {"SELECT 1;;", "SELECT 1;SELECT 2", "SELECT 'a';'b'", "SELECT 1; /* a */ COMMIT", "SELECT 1;-- a\nCOMMIT",
        "SELECT 1;#a\nCOMMIT", "SELECT 1; ?", "SELECT '\\'';COMMIT;'", "SELECT ''';COMMIT", "SELECT \"a\"\"\";COMMIT",
        "SELECT `a``;`;COMMIT", "SELECT 1 -- ';\n;COMMIT", "SELECT 1 # ';\n;COMMIT", "SELECT 1 /* ' */;COMMIT",
        "SELECT 1 /* \" */;COMMIT", "SELECT '/*';COMMIT /* ' */", "SELECT \"\\\\\";COMMIT", "SELECT `\\`;COMMIT",
        "SELECT 1--1;COMMIT"}) {
    refusal(sql);
  }
  for (const auto* sql :
       {"SELECT 1;", "SELECT 1 ; ", "SELECT 1;\n-- done", "SELECT 1; /* done */", "SELECT 1;#done", "SELECT ';'",
        "SELECT \";\"", "SELECT `;` FROM t", "SELECT 1 /* ; */", "SELECT 1 -- ; COMMIT", "SELECT 1 # ; COMMIT",
        "SELECT 'a\\';COMMIT'", "SELECT 'a'';COMMIT'", "SELECT \"a\"\";COMMIT\"", "SELECT \"it's; fine\"",
        "SELECT '\"; fine'", "SELECT `a``;b` FROM t"}) {
    EXPECT_NE(good(sql).text, "") << sql;
  }
}

TEST(SqlScan, CommentsLeaveOneBlankAndNothingElse) {
  EXPECT_EQ(good("SELECT/* a */1").text, "SELECT 1");
  EXPECT_EQ(good("SELECT 1 -- a\n, 2 # b\n, 3 /* c\n*/;").text, "SELECT 1 , 2 , 3");
  EXPECT_EQ(good("/* a */ -- b\n# c\nSELECT 1").text, "SELECT 1");
  EXPECT_EQ(good("SELECT 1 --").text, "SELECT 1");
  EXPECT_EQ(good("SELECT 1--1").text, "SELECT 1--1");
  EXPECT_EQ(good("SELECT '-- a' , '# b', '/* c */'").text, "SELECT '-- a' , '# b', '/* c */'");
  EXPECT_EQ(good("SELECT `-- a`, `/*` FROM t").text, "SELECT `-- a`, `/*` FROM t");
  EXPECT_EQ(good("SELECT 5/2").text, "SELECT 5/2");
  EXPECT_EQ(good("SELECT 1 /**/ + 1").text, "SELECT 1 + 1");
}

TEST(SqlScan, ExecutableCommentsAreRefused) {
  for (const auto* sql : {"SELECT 1 /*! , 2 */", "/*!50000 SELECT 1 */", "SELECT 1 /*!99999 ; COMMIT */",
                          "SELECT /*M! 1, */ 2", "SELECT /*m!100000 1, */ 2", "SELECT 1 /*!*/"}) {
    EXPECT_THAT(refusal(sql), HasSubstr("an executable comment begins")) << sql;
  }
  good("SELECT '/*! fine */'");
  good("SELECT 1 /* ! fine */");
  good("SELECT 1 -- /*! fine");
  EXPECT_THAT(refusal("SELECT 1 /* a /* b */ */"), HasSubstr("inside a comment"));
  EXPECT_THAT(refusal("SELECT 1 /* a /*! b */"), HasSubstr("inside a comment"));
}

TEST(SqlScan, HintsStayUnlessTheyChangeTheSession) {
  EXPECT_EQ(good("SELECT /*+ NO_INDEX_MERGE(t) */ a FROM t").text, "SELECT /*+ NO_INDEX_MERGE(t) */ a FROM t");
  EXPECT_THAT(refusal("SELECT /*+ SET_VAR(sql_mode='') */ 1"), HasSubstr("SET_VAR"));
  EXPECT_THAT(refusal("SELECT /*+ set_var(a=1) */ 1"), HasSubstr("SET_VAR"));
  EXPECT_THAT(refusal("SELECT /*+ RESOURCE_GROUP(a) */ 1"), HasSubstr("RESOURCE_GROUP"));
  refusal("SELECT /*+ BKA(?) */ 1");
}

TEST(SqlScan, WhatNeverClosesIsRefusedWhereItOpens) {
  EXPECT_THAT(refusal("SELECT 'a"), HasSubstr("at character 8"));
  EXPECT_THAT(refusal("SELECT 'a\\'"), HasSubstr("a quote opens that never closes"));
  EXPECT_THAT(refusal("SELECT 'a\\"), HasSubstr("a quote opens that never closes"));
  EXPECT_THAT(refusal("SELECT \"a'"), HasSubstr("a quote opens that never closes"));
  EXPECT_THAT(refusal("SELECT 'a''"), HasSubstr("a quote opens that never closes"));
  EXPECT_THAT(refusal("SELECT `a"), HasSubstr("a backquote opens that never closes"));
  EXPECT_THAT(refusal("SELECT `a``"), HasSubstr("a backquote opens that never closes"));
  EXPECT_THAT(refusal("SELECT 1 /* a"), HasSubstr("a comment begins that never ends"));
  EXPECT_THAT(refusal("SELECT 1 /*/"), HasSubstr("a comment begins that never ends"));
  EXPECT_THAT(refusal("SELECT 1)"), HasSubstr("a parenthesis closes"));
}

TEST(SqlScan, StrangeBytesAreRefused) {
  EXPECT_THAT(refusal("SELECT 1\0, 2"s), HasSubstr("control character"));
  EXPECT_THAT(refusal("SELECT 'a\0b'"s), HasSubstr("NUL"));
  EXPECT_THAT(refusal("SELECT `a\0b`"s), HasSubstr("NUL"));
  EXPECT_THAT(refusal("SELECT 1 --\x7f; COMMIT"), HasSubstr("control character"));
  EXPECT_THAT(refusal("SELECT 1 --\x01 2"), HasSubstr("control character"));
  EXPECT_THAT(refusal("SELECT\v1"), HasSubstr("control character"));
  EXPECT_THAT(refusal("SELECT '\xff'"), HasSubstr("UTF-8"));
  EXPECT_THAT(refusal("SELECT '\xe2\x82"), HasSubstr("UTF-8"));
  EXPECT_THAT(refusal("SELECT \\N"), HasSubstr("backslash"));
  EXPECT_EQ(good("SELECT '\xe2\x82\xac', `\xc3\xa9` FROM \xc3\xa9t\xc3\xa9").text,
            "SELECT '\xe2\x82\xac', `\xc3\xa9` FROM \xc3\xa9t\xc3\xa9");
  EXPECT_THAT(refusal(std::string(kSqlBytesMax + 1, ' ')), HasSubstr("longer than"));
}

TEST(SqlScan, PlaceholdersAreThoseOutsideQuotesAndComments) {
  EXPECT_THAT(good("SELECT ?, '?', \"?\", `?`, /* ? */ ? -- ?\n + ? # ?").placeholders,
              ::testing::ElementsAre(7, 25, 29));
  EXPECT_EQ(good("INSERT INTO t VALUES (?,?,(?))").placeholders.size(), 3U);
  EXPECT_EQ(good("SELECT a-?,-?,a*?/ ? FROM t LIMIT ?").placeholders.size(), 5U);
  for (const auto* sql : {"SELECT a?", "SELECT ?a", "SELECT 'a'?", "SELECT ?'a'", "SELECT x?", "SELECT ??", "SELECT @?",
                          "SELECT ?.5", "SELECT t.?", "SELECT `a`?", "SELECT ?:=1"}) {
    EXPECT_THAT(refusal(sql), HasSubstr("touches its neighbour")) << sql;
  }
}

TEST(SqlScan, FunctionsThatEscapeTheTransactionAreRefused) {
  for (const auto* sql : {"SELECT GET_LOCK('a', 1)", "SELECT get_lock ('a', 1)", "SELECT GET_LOCK/* */('a', 1)",
                          "SELECT `get_lock`('a', 1)", "SELECT RELEASE_LOCK('a')", "SELECT RELEASE_ALL_LOCKS()",
                          "SELECT LOAD_FILE('/etc/passwd')", "SELECT MASTER_POS_WAIT('a', 1)",
                          "SELECT SOURCE_POS_WAIT('a', 1)", "SELECT MASTER_GTID_WAIT('a')",
                          "SELECT WAIT_FOR_EXECUTED_GTID_SET('a')", "UPDATE t SET a = GET_LOCK('a', 1)"}) {
    EXPECT_THAT(refusal(sql), HasSubstr("the function")) << sql;
  }
  good("SELECT IS_FREE_LOCK('a'), get_lock FROM t");
  EXPECT_THAT(refusal("SELECT 1 INTO OUTFILE '/tmp/a'"), HasSubstr("INTO OUTFILE"));
  EXPECT_THAT(refusal("SELECT 1 INTO/**/DUMPFILE '/tmp/a'"), HasSubstr("INTO DUMPFILE"));
  EXPECT_THAT(refusal("INSERT DELAYED INTO t VALUES (1)"), HasSubstr("DELAYED"));
  good("SELECT outfile FROM dumpfile");
}

TEST(SqlScan, AssentsOwnSchemaIsOutOfBounds) {
  for (const auto* sql : {"DELETE FROM assent.proof", "DELETE FROM `assent`.`proof`", "DELETE FROM ASSENT . proof",
                          "SELECT * FROM assent/* */.proof", "UPDATE t, assent.coordinator SET a = 1"}) {
    EXPECT_THAT(refusal(sql), HasSubstr("which is Assent's own")) << sql;
  }
  good("SELECT assent FROM t");
  good("SELECT 'assent.proof'");
  good("SELECT t.assent FROM assent_test.t");
}

TEST(SqlScan, NamesThatMayBeTablesAreCollected) {
  using Names = std::vector<NameCandidate>;
  EXPECT_EQ(good("SELECT 1.5, 1e5, 0xff, 'a', @b, @@c, ? FROM DUAL").candidates, Names{});
  EXPECT_EQ(good("INSERT INTO stock VALUES (1)").candidates, (Names{{"", "stock"}}));
  EXPECT_EQ(good("SELECT * FROM `select` WHERE `a``b` = 1").candidates, (Names{{"", "a`b"}, {"", "select"}}));
  EXPECT_EQ(good("DELETE FROM shop.orders WHERE shop.orders.id = 1").candidates,
            (Names{{"", "shop"}, {"orders", "id"}, {"shop", "orders"}}));
  EXPECT_EQ(good("SELECT 1 FROM 1a, `0xff`").candidates, (Names{{"", "0xff"}, {"", "1a"}}));
}

TEST(SqlScan, VariablesAndInsertIdsAreNoticed) {
  EXPECT_TRUE(good("SELECT @a := 1").uses_variables);
  EXPECT_TRUE(good("SELECT 1 INTO @a").uses_variables);
  EXPECT_FALSE(good("SELECT @@version, '@a', `@b` FROM t").uses_variables);
  EXPECT_TRUE(good("INSERT INTO t VALUES (last_insert_id())").uses_last_insert_id);
  EXPECT_FALSE(good("SELECT 'LAST_INSERT_ID()'").uses_last_insert_id);
}

}  // namespace
}  // namespace assent::participant
