#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "wire/message.hpp"
#include "wire/numbers.hpp"

namespace assent::wire {
namespace {

std::variant<Request, Refusal> parse(std::string_view frame) {
  return Parser().parse_request(frame);
}

Refusal refused(std::string_view frame) {
  auto parsed = parse(frame);
  if (std::holds_alternative<Refusal>(parsed)) return std::get<Refusal>(parsed);
  ADD_FAILURE() << "taken: " << frame;
  return {};
}

std::string submit(const std::string& params) {
  return R"({"jsonrpc":"2.0","id":1,"method":"txn.submit","params":)" + params + "}";
}

/// A submit whose only statement has these members.
std::string with_statement(const std::string& statement) {
  return submit(R"({"branches":[{"participant":"a","statements":[)" + statement + "]}]}");
}

std::string with_args(const std::string& args) {
  return with_statement(R"({"sql":"x","args":)" + args + "}");
}

/// A submit with these members beside its branches.
std::string with(const std::string& members) {
  return submit("{" + members + R"(,"branches":[{"participant":"a","statements":[{"sql":"x"}]}]})");
}

Transaction taken(const std::string& frame) {
  auto parsed = parse(frame);
  if (auto* refusal = std::get_if<Refusal>(&parsed)) {
    ADD_FAILURE() << refusal->error.what << " in " << frame;
    return {};
  }
  return std::get<Transaction>(std::get<Request>(parsed).call);
}

std::vector<Value> args_of(const std::string& args) {
  auto transaction = taken(with_args(args));
  if (transaction.branches.empty()) return {};
  return transaction.branches[0].statements[0].args;
}

std::string repeat(const std::string& part, std::size_t times) {
  std::string all;
  for (std::size_t i = 0; i < times; ++i) all += part;
  return all;
}

std::string list_of(const std::string& element, std::size_t count) {
  return count == 0 ? "[]" : "[" + element + repeat("," + element, count - 1) + "]";
}

TEST(Values, ComeInByTheirJsonType) {
  const auto args = args_of(R"([null,true,false,0,-1,1.5,"text",{"decimal":"12.50"},{"base64":"AAEC/w=="}])");
  const std::vector<Value> expected{Null{},
                                    true,
                                    false,
                                    std::int64_t{0},
                                    std::int64_t{-1},
                                    1.5,
                                    std::string("text"),
                                    Decimal{"12.50"},
                                    Blob{std::string("\x00\x01\x02\xff", 4)}};
  EXPECT_EQ(args, expected);
}

TEST(Values, IntegersKeepTheirWholeRange) {
  const auto args = args_of("[-9223372036854775808,9223372036854775807,9223372036854775808,18446744073709551615]");
  const std::vector<Value> expected{INT64_MIN, INT64_MAX, std::uint64_t{9223372036854775808U}, UINT64_MAX};
  EXPECT_EQ(args, expected);
}

TEST(Values, IntegersOutside64BitsAreRefusedAndNotRounded) {
  for (const char* literal : {"18446744073709551616", "-9223372036854775809", "123456789012345678901234567890"}) {
    const auto refusal = refused(with_args("[" + std::string(literal) + "]"));
    EXPECT_EQ(refusal.number, kInvalidParams) << literal;
    EXPECT_EQ(refusal.path, "params.branches[0].statements[0].args[0]");
    EXPECT_NE(refusal.error.what.find("decimal"), std::string::npos);
  }
}

TEST(Values, ANumberTooLargeForADoubleIsAParseError) {
  EXPECT_EQ(refused(with_args("[1e999]")).number, kParseError);
  EXPECT_EQ(args_of("[1e308]"), std::vector<Value>{1e308});
}

TEST(Values, MinusZeroKeepsItsSign) {
  const auto args = args_of("[-0.0]");
  ASSERT_EQ(args.size(), 1U);
  EXPECT_TRUE(std::signbit(std::get<double>(args[0])));
}

TEST(Values, DecimalsAreCheckedDigitByDigit) {
  const auto digits = [](std::size_t count) { return std::string(count, '9'); };
  for (const std::string& good : {std::string("0"), std::string("-0"), std::string("007"), std::string("-12.50"),
                                  digits(65), digits(30) + "." + digits(35), "-" + digits(65)}) {
    EXPECT_EQ(args_of(R"([{"decimal":")" + good + "\"}]"), std::vector<Value>{Decimal{good}}) << good;
  }
  for (const std::string& bad :
       {std::string(""), std::string("-"), std::string("."), std::string("1."), std::string(".5"), std::string("+1"),
        std::string("1e5"), std::string("1.2.3"), std::string(" 1"), std::string("1,5"), std::string("--1"),
        std::string("0x1"), digits(66), digits(33) + "." + digits(33), std::string("1'; DROP TABLE t")}) {
    const auto refusal = refused(with_args(R"([1,{"decimal":")" + bad + "\"}]"));
    EXPECT_EQ(refusal.path, "params.branches[0].statements[0].args[1].decimal") << bad;
  }
}

TEST(Values, Base64IsStrict) {
  EXPECT_EQ(args_of(R"([{"base64":""}])"), std::vector<Value>{Blob{""}});
  for (const char* bad :
       {"A", "AA", "AAA", "AA=", "AAA=A", "====", "A===", "AA==AA==", "AB==", "AAB=", "AA\\n==", "A-A=", "AA_A"}) {
    const auto refusal = refused(with_args(R"([{"base64":")" + std::string(bad) + "\"}]"));
    EXPECT_EQ(refusal.path, "params.branches[0].statements[0].args[0].base64") << bad;
  }
}

TEST(Values, ObjectsAndArraysOfOtherKindsAreRefused) {
  for (const char* bad : {"{}", R"({"decimal":1.5})", R"({"decimal":"1","base64":""})",
                          R"({"decimal":"1","decimal":"2"})", R"({"Decimal":"1"})", R"({"hex":"00"})", "[]", "[1]"}) {
    EXPECT_EQ(refused(with_args("[" + std::string(bad) + "]")).number, kInvalidParams) << bad;
  }
}

TEST(Values, TextKeepsEveryCharacter) {
  EXPECT_EQ(args_of(R"(["\u0000\n\"\\\/\ud83d\ude00é"])"),
            (std::vector<Value>{std::string("\0\n\"\\/\xf0\x9f\x98\x80\xc3\xa9", 11)}));
}

TEST(Submit, TakesAllItsFields) {
  const auto transaction = taken(submit(
      R"({"branches":[{"statements":[{"expect":{"affected":{"max":3,"min":2}},"sql":"UPDATE t SET a=?","args":[1]},{"sql":"y","expect":{"affected":0}}],"participant":"orders"}],"label":"l","idempotency_key":"k","on_rolled_back":"run_again","isolation":"serializable","timeout_ms":86400000,"protocol":"3pc"})"));
  EXPECT_EQ(transaction.protocol, Protocol::three_phase);
  EXPECT_EQ(transaction.timeout, std::chrono::hours(24));
  EXPECT_EQ(transaction.isolation, Isolation::serializable);
  EXPECT_EQ(transaction.idempotency_key, "k");
  EXPECT_EQ(transaction.on_rolled_back, OnRolledBack::run_again);
  EXPECT_EQ(transaction.label, "l");
  ASSERT_EQ(transaction.branches.size(), 1U);
  EXPECT_EQ(transaction.branches[0].participant, "orders");
  ASSERT_EQ(transaction.branches[0].statements.size(), 2U);
  EXPECT_EQ(transaction.branches[0].statements[0].sql, "UPDATE t SET a=?");
  EXPECT_EQ(transaction.branches[0].statements[0].expect_affected, (AffectedRange{2, 3}));
  EXPECT_EQ(transaction.branches[0].statements[1].expect_affected, (AffectedRange{0, 0}));
}

TEST(Submit, DefaultsWhatIsNotGiven) {
  const auto transaction = taken(with_statement(R"({"sql":"x","expect":{"affected":{"min":1}}})"));
  EXPECT_EQ(transaction.protocol, std::nullopt);
  EXPECT_EQ(transaction.timeout.count(), 0);
  EXPECT_EQ(transaction.isolation, Isolation::server_default);
  EXPECT_TRUE(transaction.idempotency_key.empty());
  EXPECT_EQ(transaction.on_rolled_back, OnRolledBack::return_outcome);
  EXPECT_EQ(transaction.branches[0].statements[0].expect_affected, (AffectedRange{1, UINT64_MAX}));
}

struct Wrong {
  std::string frame;
  std::string path;
  std::string clause;
};

TEST(Submit, NamesTheFieldThatIsWrong) {
  const std::string branch = R"({"participant":"a","statements":[{"sql":"x"}]})";
  const std::string statement = "params.branches[0].statements[0]";
  const std::vector<Wrong> all{
      {submit("[]"), "params", "object"},
      {submit("7"), "params", "object"},
      {submit("{}"), "params", "\"branches\""},
      {submit(R"({"branches":[]})"), "params.branches", "at least 1"},
      {submit(R"({"branches":{}})"), "params.branches", "array"},
      {submit(R"({"branches":[7]})"), "params.branches[0]", "object"},
      {submit(R"({"branches":[{"statements":[{"sql":"x"}]}]})"), "params.branches[0]", "\"participant\""},
      {submit(R"({"branches":[{"participant":7,"statements":[]}]})"), "params.branches[0].participant", "string"},
      {submit(R"({"branches":[{"participant":"","statements":[]}]})"), "params.branches[0].participant", "empty"},
      {submit(R"({"branches":[{"participant":"a\n","statements":[]}]})"), "params.branches[0].participant",
       "printable"},
      {submit(R"({"branches":[{"participant":"a"}]})"), "params.branches[0]", "\"statements\""},
      {submit(R"({"branches":[{"participant":"a","statements":[]}]})"), "params.branches[0].statements", "at least 1"},
      {submit("{\"branches\":[" + branch + "," + branch + "]}"), "params.branches", "\"a\" twice"},
      {submit("{\"branches\":[" + branch +
              R"(,{"participant":"b","statements":[{"sql":"x","expect":{"affected":-1}}]}]})"),
       "params.branches[1].statements[0].expect.affected", "integer"},
      {with_statement("{}"), statement, "\"sql\""},
      {with_statement(R"({"sql":""})"), statement + ".sql", "empty"},
      {with_statement(R"({"sql":null})"), statement + ".sql", "string"},
      {with_statement(R"({"sql":"a\u0000b"})"), statement + ".sql", "U+0000"},
      {with_statement(R"({"sql":"x","args":{}})"), statement + ".args", "array"},
      {with_statement(R"({"sql":"x","expect":1})"), statement + ".expect", "object"},
      {with_statement(R"({"sql":"x","expect":{}})"), statement + ".expect", "\"affected\""},
      {with_statement(R"({"sql":"x","expect":{"affected":1.0}})"), statement + ".expect.affected", "integer"},
      {with_statement(R"({"sql":"x","expect":{"affected":18446744073709551616}})"), statement + ".expect.affected",
       "integer"},
      {with_statement(R"({"sql":"x","expect":{"affected":1,"rows":1}})"), statement + ".expect.rows", "not a field"},
      {with_statement(R"({"sql":"x","expect":{"affected":{}}})"), statement + ".expect.affected", "\"min\""},
      {with_statement(R"({"sql":"x","expect":{"affected":{"min":-1}}})"), statement + ".expect.affected.min",
       "integer"},
      {with_statement(R"({"sql":"x","expect":{"affected":{"min":2,"max":1}}})"), statement + ".expect.affected",
       "above"},
      {with_statement(R"({"sql":"x","expect":{"affected":{"most":1}}})"), statement + ".expect.affected.most",
       "not a field"},
      {with_statement(R"({"sql":"x","arguments":[]})"), statement + ".arguments", "not a field"},
      {with_statement(R"({"sql":"x","sql":"y"})"), statement + ".sql", "twice"},
      {with_statement(R"({"sql":"x","args":[],"sql":"y","args":[]})"), statement + ".sql", "twice"},
      {with(R"("protocol":"4pc")"), "params.protocol", "\"2pc\""},
      {with(R"("protocol":2)"), "params.protocol", "string"},
      {with(R"("protocol":"2pc\u0000")"), "params.protocol", "one of"},
      {with(R"("isolation":"snapshot")"), "params.isolation", "\"serializable\""},
      {with(R"("timeout_ms":-1)"), "params.timeout_ms", "from 0 to 86400000"},
      {with(R"("timeout_ms":86400001)"), "params.timeout_ms", "from 0 to 86400000"},
      {with(R"("timeout_ms":"5")"), "params.timeout_ms", "integer"},
      {with(R"("timeout_ms":null)"), "params.timeout_ms", "integer"},
      {with(R"("timeout_ms":1.5)"), "params.timeout_ms", "integer"},
      {with(R"("idempotency_key":"")"), "params.idempotency_key", "empty"},
      {with(R"("idempotency_key":"é")"), "params.idempotency_key", "printable"},
      {with(R"("idempotency_key":")" + std::string(129, 'k') + "\""), "params.idempotency_key", "128 bytes"},
      {with(R"("idempotency_key":null)"), "params.idempotency_key", "string"},
      {with(R"("idempotency_key":"k","on_rolled_back":"again")"), "params.on_rolled_back", "\"run_again\""},
      {with(R"("idempotency_key":"k","on_rolled_back":true)"), "params.on_rolled_back", "string"},
      {with(R"("on_rolled_back":"run_again")"), "params", "without an \"idempotency_key\""},
      {with(R"("label":")" + std::string(129, 'l') + "\""), "params.label", "128 bytes"},
      {with(R"("label":"a\nb")"), "params.label", "control"},
      {with(R"("idempotency_kee":"k")"), "params.idempotency_kee", "not a field"},
  };
  for (const auto& [frame, path, clause] : all) {
    SCOPED_TRACE(frame);
    const auto refusal = refused(frame);
    EXPECT_EQ(refusal.number, kInvalidParams);
    EXPECT_EQ(refusal.id.json, "1");
    EXPECT_EQ(refusal.error.code, Errc::invalid_argument);
    EXPECT_FALSE(refusal.error.retryable);
    EXPECT_EQ(refusal.path, path);
    EXPECT_NE(refusal.error.what.find(clause), std::string::npos) << refusal.error.what;
  }
}

TEST(Submit, HoldsItsCountsExactly) {
  const auto branches = [](std::size_t count) {
    std::string all;
    for (std::size_t i = 0; i < count; ++i) {
      all += (i == 0 ? "" : ",") + (R"({"participant":"p)" + std::to_string(i) + R"(","statements":[{"sql":"x"}]})");
    }
    return submit("{\"branches\":[" + all + "]}");
  };
  EXPECT_EQ(taken(branches(kBranchesMax)).branches.size(), kBranchesMax);
  EXPECT_EQ(refused(branches(kBranchesMax + 1)).path, "params.branches");

  const auto statements = [](std::size_t count) {
    return submit(R"({"branches":[{"participant":"a","statements":)" + list_of(R"({"sql":"x"})", count) + "}]}");
  };
  EXPECT_EQ(taken(statements(kStatementsPerBranchMax)).branches[0].statements.size(), kStatementsPerBranchMax);
  EXPECT_EQ(refused(statements(kStatementsPerBranchMax + 1)).path, "params.branches[0].statements");

  EXPECT_EQ(args_of(list_of("1", kArgsPerStatementMax)).size(), kArgsPerStatementMax);
  EXPECT_EQ(refused(with_args(list_of("1", kArgsPerStatementMax + 1))).path, "params.branches[0].statements[0].args");

  const auto participant = [](std::size_t bytes) {
    return submit(R"({"branches":[{"participant":")" + std::string(bytes, 'p') + R"(","statements":[{"sql":"x"}]}]})");
  };
  EXPECT_EQ(taken(participant(kParticipantBytesMax)).branches[0].participant.size(), kParticipantBytesMax);
  EXPECT_EQ(refused(participant(kParticipantBytesMax + 1)).path, "params.branches[0].participant");

  EXPECT_EQ(taken(with(R"("label":")" + std::string(128, 'l') + "\"")).label.size(), kLabelBytesMax);
  EXPECT_EQ(taken(with(R"("idempotency_key":")" + std::string(128, 'k') + "\"")).idempotency_key.size(),
            kIdempotencyKeyBytesMax);
}

TEST(Queries, AreChecked) {
  const auto query = [](const std::string& method, const std::string& params) {
    return R"({"jsonrpc":"2.0","id":1,"method":")" + method + R"(","params":)" + params + "}";
  };
  EXPECT_EQ(refused(query("txn.status", "{}")).path, "params");
  EXPECT_EQ(refused(query("txn.status", R"({"gtrid":"g","idempotency_key":"k"})")).path, "params");
  EXPECT_EQ(refused(query("txn.status", R"({"gtrid":7})")).path, "params.gtrid");
  EXPECT_EQ(refused(query("txn.status", R"({"gtrid":")" + std::string(65, 'g') + "\"}")).path, "params.gtrid");
  EXPECT_EQ(refused(R"({"jsonrpc":"2.0","id":1,"method":"txn.status"})").path, "params");
  EXPECT_EQ(refused(query("txn.list", R"({"max":0})")).path, "params.max");
  EXPECT_EQ(refused(query("txn.list", R"({"max":1001})")).path, "params.max");
  EXPECT_EQ(refused(query("txn.list", R"({"max":18446744073709551615})")).path, "params.max");
  EXPECT_EQ(refused(query("participant.list", R"({"name":"x"})")).path, "params.name");
  EXPECT_EQ(refused(query("server.info", "[]")).path, "params");

  const auto list = parse(query("txn.list", R"({"max":1000})"));
  EXPECT_EQ(std::get<ListQuery>(std::get<Request>(list).call).max, 1000U);
  const auto plain = parse(R"({"jsonrpc":"2.0","id":1,"method":"txn.list"})");
  EXPECT_EQ(std::get<ListQuery>(std::get<Request>(plain).call).max, kListDefault);
}

TEST(Envelope, IdsComeBackAsTheyWere) {
  const auto id_of = [](const std::string& id) {
    const auto parsed = parse(R"({"jsonrpc":"2.0","id":)" + id + R"(,"method":"server.info"})");
    return std::holds_alternative<Request>(parsed) ? std::get<Request>(parsed).id.json : "refused";
  };
  for (const std::string id :
       {"0", "-5", "18446744073709551615", "-9223372036854775808", "\"\"", "\"a \\\"b\\\"\"", "\"\\u0001\"", "\"é\""}) {
    EXPECT_EQ(id_of(id), id);
  }
  EXPECT_EQ(id_of('"' + std::string(kIdBytesMax, 'i') + '"'), '"' + std::string(kIdBytesMax, 'i') + '"');
  for (const std::string id : {"null", "1.0", "1e2", "18446744073709551616", "true", "[]", "{}"}) {
    EXPECT_EQ(id_of(id), "refused") << id;
  }
  EXPECT_EQ(id_of('"' + std::string(kIdBytesMax + 1, 'i') + '"'), "refused");
}

TEST(Envelope, WhatIsNoRequestIsRefused) {
  const std::vector<std::pair<std::string, std::string>> all{
      {"7", "object"},
      {"\"x\"", "object"},
      {"[]", "batch"},
      {R"([{"jsonrpc":"2.0","id":1,"method":"server.info"}])", "batch"},
      {"{}", "\"id\""},
      {R"({"jsonrpc":"2.0","method":"server.info"})", "\"id\""},
      {R"({"jsonrpc":"2.0","id":null,"method":"server.info"})", "\"id\""},
      {R"({"id":1,"method":"server.info"})", "\"jsonrpc\""},
      {R"({"jsonrpc":"1.0","id":1,"method":"server.info"})", "\"jsonrpc\""},
      {R"({"jsonrpc":2.0,"id":1,"method":"server.info"})", "\"jsonrpc\""},
      {R"({"jsonrpc":"2.0","id":1})", "\"method\""},
      {R"({"jsonrpc":"2.0","id":1,"method":7})", "\"method\""},
      {R"({"jsonrpc":"2.0","id":1,"method":"server.info","token":"x"})", "member other"},
      {R"({"jsonrpc":"2.0","id":1,"id":2,"method":"server.info"})", "\"id\" twice"},
      {R"({"jsonrpc":"2.0","id":1,"method":"server.info","params":{},"params":{}})", "\"params\" twice"},
      {R"({"jsonrpc":"2.0","id":1,"result":{}})", "answer"},
  };
  for (const auto& [frame, clause] : all) {
    SCOPED_TRACE(frame);
    const auto refusal = refused(frame);
    EXPECT_EQ(refusal.number, kInvalidRequest);
    EXPECT_NE(refusal.error.what.find(clause), std::string::npos) << refusal.error.what;
  }
}

TEST(Envelope, ASubmitWithoutAnIdIsNotRun) {
  const auto refusal = refused(R"({"jsonrpc":"2.0","method":"txn.submit","params":{"branches":[]}})");
  EXPECT_EQ(refusal.number, kInvalidRequest);
  EXPECT_EQ(refusal.id, Id{});
}

TEST(Envelope, AnUnknownMethodHasItsOwnNumberWhateverItsParams) {
  for (const char* method : {"", "txn.Submit", "txn.submit ", "txn.begin", "rpc.discover"}) {
    const auto refusal =
        refused(R"({"jsonrpc":"2.0","id":"x","method":")" + std::string(method) + R"(","params":[1,{"a":1,"a":2}]})");
    EXPECT_EQ(refusal.number, kMethodNotFound) << method;
    EXPECT_EQ(refusal.id.json, "\"x\"");
  }
}

TEST(Json, GarbageIsAParseErrorWithoutAnIdOrAQuote) {
  const std::string secret = "4711-secret";
  const std::vector<std::string> all{
      "garbage " + secret,
      R"({"jsonrpc":"2.0","id":1,"method":"txn.submit","params":{"sql":")" + secret,
      "{\"a\":\"" + secret + "\",}",
      "{'a':1}",
      "{\"a\":01}",
      "{\"a\":+1}",
      "{\"a\":.5}",
      "{\"a\":1.}",
      "{\"a\":NaN}",
      "{\"a\":Infinity}",
      "{\"a\":0x10}",
      "{\"a\":1} {\"b\":2}",
      "{\"a\":1}}",
      "{\"a\":1} // comment",
      "/* comment */ {}",
      "\"" + secret + "\xff\"",
      "{\"a\":\"" + secret + "\xc0\xaf\"}",
      "{\"a\":\"\xed\xa0\x80\"}",
      "{\"a\":\"\xf4\x90\x80\x80\"}",
      "{\"a\":\"\\ud800\"}",
      "{\"a\":\"\\udc00\"}",
      "{\"a\":\"tab\there\"}",
      "{\"a\":\"\\x41\"}",
      "\xef\xbb\xbf{}",
      std::string("{\"a\":1}\0{}", 10),
      std::string("\0", 1),
      "tru",
      " ",
      "\x01",
      repeat("[", 100'000),
      repeat("{\"a\":", 100'000),
      repeat("[", 33) + repeat("]", 33),
  };
  for (const auto& frame : all) {
    SCOPED_TRACE(frame.substr(0, 80));
    const auto refusal = refused(frame);
    EXPECT_EQ(refusal.number, kParseError);
    EXPECT_EQ(refusal.id, Id{});
    EXPECT_FALSE(refusal.error.what.empty());
    EXPECT_EQ(refusal.error.what.find("secret"), std::string::npos) << refusal.error.what;
  }
}

TEST(Json, SaysWhatIsWrongWhereItCanBeTold) {
  EXPECT_NE(refused("\xef\xbb\xbf{}").error.what.find("byte order mark"), std::string::npos);
  EXPECT_NE(refused("\"\xff\"").error.what.find("UTF-8"), std::string::npos);
  EXPECT_NE(refused(std::string("{}\0", 3)).error.what.find("NUL"), std::string::npos);
  EXPECT_NE(refused(repeat("[", 40)).error.what.find("32 levels"), std::string::npos);
  EXPECT_NE(refused("[1e400]").error.what.find("double"), std::string::npos);
}

TEST(Json, NestingUpToTheBoundIsTaken) {
  // One level is the request's own.
  const auto nested = [](std::size_t levels) {
    return R"({"jsonrpc":"2.0","id":1,"method":"nothing","params":)" + repeat("[", levels) + repeat("]", levels) + "}";
  };
  EXPECT_EQ(refused(nested(kNestingMax - 1)).number, kMethodNotFound);
  EXPECT_EQ(refused(nested(kNestingMax)).number, kParseError);
}

TEST(Json, AParserServesOnAfterAnyFrame) {
  Parser parser;
  for (const std::string& bad :
       {std::string("garbage"), repeat("[", 1000), list_of("1", 100'000), std::string("\"\xff\"")}) {
    (void)parser.parse_request(bad);
    EXPECT_TRUE(
        std::holds_alternative<Request>(parser.parse_request(R"({"jsonrpc":"2.0","id":1,"method":"server.info"})")));
  }
}

TEST(Json, EveryPrefixAndEveryFlippedByteOfARequestIsAnswered) {
  const auto frame = with_args(R"([1,-2,2.5e3,"aé\u0001",{"decimal":"1.50"},{"base64":"AAA="},null,true])");
  Parser parser;
  for (std::size_t size = 0; size < frame.size(); ++size) {
    EXPECT_TRUE(std::holds_alternative<Refusal>(parser.parse_request(std::string_view(frame).substr(0, size)))) << size;
  }
  for (std::size_t at = 0; at < frame.size(); ++at) {
    for (const int flip : {1, 2, 4, 8, 16, 32, 64, 128, 255}) {
      auto flipped = frame;
      flipped[at] = static_cast<char>(flipped[at] ^ flip);
      const auto parsed = parser.parse_request(flipped);
      std::string printed;
      if (const auto* refusal = std::get_if<Refusal>(&parsed)) append_answer(printed, *refusal);
    }
  }
}

}  // namespace
}  // namespace assent::wire
