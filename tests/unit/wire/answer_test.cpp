#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <set>
#include <string>
#include <vector>

#include "wire/message.hpp"
#include "wire/numbers.hpp"

namespace assent::wire {
namespace {

/// Prints, parses, and prints again: equal texts mean that nothing was lost.
template <typename T>
T there_and_back(const T& value) {
  std::string first;
  append_answer(first, Id{"\"i\""}, value);
  auto answer = Parser().parse_answer<T>(std::string_view(first).substr(0, first.size() - 1));
  if (!answer.result.ok()) {
    ADD_FAILURE() << answer.result.error().what << " in " << first;
    return {};
  }
  EXPECT_EQ(answer.id.json, "\"i\"");
  std::string second;
  append_answer(second, answer.id, *answer.result);
  EXPECT_EQ(first, second);
  return *answer.result;
}

std::vector<Value> every_value() {
  return {Null{},
          true,
          false,
          std::int64_t{0},
          INT64_MIN,
          INT64_MAX,
          UINT64_MAX,
          1.0,
          -0.0,
          0.1,
          1e308,
          5e-324,
          1e21,
          123456789012345680.0,
          std::numeric_limits<double>::max(),
          std::string(),
          std::string("\"quoted\" \\ \b\f\n\r\t\x01\x7f / \xe2\x80\xa8 \xf0\x9f\x98\x80"),
          std::string("\0nul", 4),
          Decimal{"-00012.50"},
          Blob{std::string("\x00\xff\xfe", 3)},
          Blob{""}};
}

TransactionResult full_result() {
  TransactionResult result;
  result.gtrid = "shop1.0000002a.00000000012f.9f86d081884c7d65.2";
  result.outcome = Outcome::committed;
  result.settled = true;
  StatementResult select;
  const auto values = every_value();
  select.rows = Rows{std::vector<std::string>(values.size(), "c"), {values, values}};
  StatementResult none;
  none.rows = Rows{{"a", "b"}, {}};
  StatementResult insert;
  insert.affected = UINT64_MAX;
  insert.last_insert_id = UINT64_MAX;
  result.branches.push_back({"orders", BranchState::committed, {select, none, insert}});
  result.branches.push_back({"stock", BranchState::in_doubt, {}});
  result.cause = Cause{"orders", 3, 1213, "40001", "Deadlock \"found\"", true};
  return result;
}

TEST(Answers, AResultKeepsEverything) {
  const auto back = there_and_back(full_result());
  const auto& rows = back.branches.at(0).statements.at(0).rows;
  ASSERT_TRUE(rows.has_value());
  EXPECT_EQ(rows->rows.at(1), every_value());
  EXPECT_TRUE(std::signbit(std::get<double>(rows->rows[0][8])));
  EXPECT_EQ(back.branches[0].statements[1].rows->columns.size(), 2U);
  EXPECT_TRUE(back.branches[0].statements[1].rows->rows.empty());
  EXPECT_EQ(back.branches[0].statements[2].affected, UINT64_MAX);
  EXPECT_EQ(back.branches[0].statements[2].last_insert_id, UINT64_MAX);
  EXPECT_EQ(back.branches[1].state, BranchState::in_doubt);
  EXPECT_EQ(back.cause->server_errno, 1213U);
  EXPECT_EQ(back.cause->statement, 3U);
  EXPECT_EQ(back.cause->sqlstate, "40001");
  EXPECT_TRUE(back.cause->retryable);
}

TEST(Answers, EveryNameComesBack) {
  for (const auto outcome : {Outcome::committed, Outcome::rolled_back, Outcome::unknown}) {
    TransactionResult result;
    result.outcome = outcome;
    result.rows_omitted = outcome == Outcome::committed;
    const auto back = there_and_back(result);
    EXPECT_EQ(back.outcome, outcome);
    EXPECT_EQ(back.rows_omitted, result.rows_omitted);
  }
  TransactionStatus status;
  for (const auto state : {BranchState::active, BranchState::prepared, BranchState::committed, BranchState::rolled_back,
                           BranchState::in_doubt, BranchState::unproven, BranchState::hazard}) {
    status.branches.push_back({"p", state, "detail"});
  }
  status.protocol = Protocol::three_phase;
  status.age_ms = -5;
  const auto back = there_and_back(status);
  for (std::size_t i = 0; i < status.branches.size(); ++i) EXPECT_EQ(back.branches[i].state, status.branches[i].state);
  EXPECT_EQ(back.age_ms, -5);
  EXPECT_FALSE(back.outcome.has_value());

  status.outcome = Outcome::unknown;
  const auto list = there_and_back(TransactionList{{status, status}});
  EXPECT_EQ(list.transactions.at(1).outcome, Outcome::unknown);

  ParticipantList participants;
  for (const auto state : {ParticipantInfo::State::connecting, ParticipantInfo::State::up, ParticipantInfo::State::down,
                           ParticipantInfo::State::refused}) {
    ParticipantInfo info;
    info.name = "p";
    info.state = state;
    info.proof_rows = false;
    for (const auto grade : {DoctorFinding::Grade::pass, DoctorFinding::Grade::warning, DoctorFinding::Grade::refusal,
                             DoctorFinding::Grade::accepted}) {
      info.findings.push_back({"probe", grade, "seen", "remedy"});
    }
    participants.participants.push_back(info);
  }
  const auto named = there_and_back(participants);
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(named.participants[i].state, participants.participants[i].state);
    EXPECT_EQ(named.participants[0].findings[i].grade, participants.participants[0].findings[i].grade);
  }

  ServerInfo info;
  info.version = "1";
  info.epoch = UINT32_MAX;
  info.limits = {{"a_ms", 1}, {"b_bytes", UINT64_MAX}};
  EXPECT_EQ(there_and_back(info).limits, info.limits);
}

TEST(Answers, DoublesStayDoubles) {
  TransactionResult result;
  StatementResult select;
  select.rows = Rows{{"a", "b", "c"}, {{1.0, -0.0, 1e300}}};
  result.branches.push_back({"p", BranchState::committed, {select}});
  std::string out;
  append_answer(out, Id{"1"}, result);
  EXPECT_NE(out.find("[1.0,-0.0,1e+300]"), std::string::npos) << out;
}

TEST(Answers, TextThatIsNotUtf8StillMakesAValidFrame) {
  TransactionResult result;
  result.outcome = Outcome::rolled_back;
  result.cause = Cause{"p",
                       0,
                       1,
                       "HY000",
                       "Stra\xdf"
                       "e",
                       false};
  StatementResult select;
  select.rows = Rows{{"a"},
                     {{std::string("Stra\xdf"
                                   "e")},
                      {std::nan("")}}};
  result.branches.push_back({"p", BranchState::committed, {select}});
  const auto back = [&] {
    std::string out;
    append_answer(out, Id{"1"}, result);
    return Parser().parse_answer<TransactionResult>(out).result;
  }();
  ASSERT_TRUE(back.ok()) << back.error().what;
  EXPECT_EQ(back->cause->message,
            "Stra\xef\xbf\xbd"
            "e");
  EXPECT_EQ(back->branches[0].statements[0].rows->rows[0][0], Value(Blob{"Stra\xdf"
                                                                         "e"}));
  EXPECT_EQ(back->branches[0].statements[0].rows->rows[1][0], Value(Null{}));
}

TEST(Answers, EachFrameIsOneLine) {
  std::string out;
  append_answer(out, Id{"1"}, full_result());
  EXPECT_EQ(out.find('\n'), out.size() - 1);
  out.clear();
  append_answer(out, refusal_of(Id{"1"}, Error{Errc::conflict, "two\nlines", false}));
  EXPECT_EQ(out.find('\n'), out.size() - 1);
}

TEST(Errors, EachReactableCodeHasANumberOfItsOwnAndComesBack) {
  std::set<int> numbers;
  for (const auto& [code, number] : kErrorNumbers) {
    EXPECT_TRUE(numbers.insert(number).second) << number;
    EXPECT_TRUE((number <= -32000 && number >= -32099) || number == kInvalidParams || number == kInternalError);
    for (const bool retryable : {false, true}) {
      std::string out;
      append_answer(out, refusal_of(Id{"9"}, Error{code, "do this", retryable}));
      EXPECT_NE(out.find("\"code\":" + std::to_string(number)), std::string::npos) << out;
      const auto back = Parser().parse_answer<TransactionResult>(out);
      EXPECT_TRUE(back.understood);
      EXPECT_EQ(back.id.json, "9");
      ASSERT_FALSE(back.result.ok());
      EXPECT_EQ(back.result.error().code, code);
      EXPECT_EQ(back.result.error().what, "do this");
      EXPECT_EQ(back.result.error().retryable, retryable);
    }
  }
}

TEST(Errors, CodesWithoutANumberAreInternalToAClient) {
  // Above all io, which to a client means that the outcome is not known.
  for (const auto code : {Errc::io, Errc::log_corrupt, Errc::log_locked, Errc::log_newer_format, Errc::protocol}) {
    std::string out;
    append_answer(out, refusal_of(Id{"9"}, Error{code, "x", false}));
    EXPECT_NE(out.find("\"code\":-32603"), std::string::npos) << out;
    EXPECT_NE(out.find("\"internal\""), std::string::npos) << out;
  }
}

TEST(Errors, TheProtocolsOwnComeBackAsProtocol) {
  for (const char* frame : {"garbage", "[]", R"({"jsonrpc":"2.0","id":1,"method":"x"})"}) {
    std::string out;
    append_answer(out, std::get<Refusal>(Parser().parse_request(frame)));
    const auto back = Parser().parse_answer<ServerInfo>(out);
    EXPECT_TRUE(back.understood);
    EXPECT_EQ(back.result.error().code, Errc::protocol) << out;
  }
}

TEST(AnswersRead, WhatIsNoAnswerIsNotUnderstood) {
  for (
      const char* frame :
      {"", "garbage", "HTTP/1.1 400 Bad Request", "[]", "{}", R"({"jsonrpc":"2.0","id":1})",
       R"({"jsonrpc":"2.0","id":1,"result":{},"error":{}})", R"({"jsonrpc":"2.0","id":1,"result":{}})",
       R"({"jsonrpc":"2.0","id":1,"error":{}})", R"({"jsonrpc":"2.0","id":1,"error":"x"})",
       R"({"jsonrpc":"2.0","id":1,"result":{"gtrid":"g","outcome":"maybe","settled":true,"branches":[]}})",
       R"({"jsonrpc":"2.0","id":1,"result":{"gtrid":"g","outcome":"committed","settled":1,"branches":[]}})",
       R"({"jsonrpc":"2.0","id":1,"result":{"gtrid":"g","outcome":"committed","settled":true,"branches":[{"participant":"p","state":"committed","statements":[{"affected":0,"rows":{"columns":["a"],"values":[[1,2]]}}]}]}})"}) {
    const auto answer = Parser().parse_answer<TransactionResult>(frame);
    EXPECT_FALSE(answer.understood) << frame;
    EXPECT_FALSE(answer.result.ok());
  }
}

TEST(AnswersRead, FieldsOfANewerServerAreIgnored) {
  const auto answer = Parser().parse_answer<TransactionResult>(
      R"({"jsonrpc":"2.0","id":1,"result":{"new":[1],"gtrid":"g","outcome":"committed","x":{},"settled":true,"branches":[]}})");
  ASSERT_TRUE(answer.result.ok()) << answer.result.error().what;
  EXPECT_EQ(answer.result->outcome, Outcome::committed);
}

TEST(Requests, ATransactionArrivesAsItWasSent) {
  Transaction sent;
  sent.protocol = Protocol::three_phase;
  sent.timeout = std::chrono::milliseconds(1234);
  sent.isolation = Isolation::repeatable_read;
  sent.idempotency_key = "key";
  sent.label = "läbel";
  sent.branches.push_back(
      {"a", {{"UPDATE", every_value(), AffectedRange{1, 1}}, {"x", {}, AffectedRange{2, UINT64_MAX}}}});
  sent.branches.push_back({"b", {{"y", {}, AffectedRange{0, 5}}, {"z", {}, std::nullopt}}});
  std::string frame;
  ASSERT_TRUE(append_request(frame, 42, sent).ok());
  const auto parsed = Parser().parse_request(std::string_view(frame).substr(0, frame.size() - 1));
  ASSERT_TRUE(std::holds_alternative<Request>(parsed)) << std::get<Refusal>(parsed).error.what;
  EXPECT_EQ(std::get<Request>(parsed).id.json, "42");
  const auto& got = std::get<Transaction>(std::get<Request>(parsed).call);
  EXPECT_EQ(got.protocol, sent.protocol);
  EXPECT_EQ(got.timeout, sent.timeout);
  EXPECT_EQ(got.isolation, sent.isolation);
  EXPECT_EQ(got.idempotency_key, sent.idempotency_key);
  EXPECT_EQ(got.label, sent.label);
  ASSERT_EQ(got.branches.size(), 2U);
  for (std::size_t b = 0; b < 2; ++b) {
    EXPECT_EQ(got.branches[b].participant, sent.branches[b].participant);
    for (std::size_t s = 0; s < 2; ++s) {
      EXPECT_EQ(got.branches[b].statements[s].sql, sent.branches[b].statements[s].sql);
      EXPECT_EQ(got.branches[b].statements[s].args, sent.branches[b].statements[s].args);
      EXPECT_EQ(got.branches[b].statements[s].expect_affected, sent.branches[b].statements[s].expect_affected);
    }
  }
}

TEST(Requests, WhatJsonCannotHoldIsRefusedBeforeItIsSent) {
  const std::vector<Statement> wrong{{"x", {std::nan("")}, {}},
                                     {"x", {std::numeric_limits<double>::infinity()}, {}},
                                     {"x", {std::string("\xff")}, {}},
                                     {"x\xff", {}, {}},
                                     {"x", {Decimal{"\xff"}}, {}}};
  for (const auto& statement : wrong) {
    Transaction transaction;
    transaction.branches.push_back({"a", {statement}});
    std::string frame = "before";
    const auto status = append_request(frame, 1, transaction);
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().code, Errc::invalid_argument);
    EXPECT_EQ(frame, "before");
  }
}

}  // namespace
}  // namespace assent::wire
