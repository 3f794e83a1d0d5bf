#include <gtest/gtest.h>

#include <fstream>
#include <sstream>
#include <string>
#include <variant>
#include <vector>

#include "wire/limits.hpp"
#include "wire/message.hpp"
#include "wire/numbers.hpp"

namespace assent::wire {
namespace {

std::string page() {
  // The page stands beside the code it specifies.
  std::ifstream file(ASSENT_SOURCE_DIR "/src/wire/PROTOCOL.md");
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

struct Example {
  std::string kind;  // "request", "answer txn.submit", "refused", "error"
  std::string json;
};

std::vector<Example> examples() {
  std::vector<Example> found;
  std::istringstream lines(page());
  std::string line;
  while (std::getline(lines, line)) {
    if (!line.starts_with("```") || line == "```") continue;
    Example example{line.substr(3), {}};
    std::getline(lines, example.json);
    found.push_back(example);
    std::getline(lines, line);
    EXPECT_EQ(line, "```") << "examples stand on one line each";
  }
  return found;
}

template <typename T>
void expect_same_when_printed(const std::string& json) {
  Parser parser;
  const auto answer = parser.parse_answer<T>(json);
  ASSERT_TRUE(answer.result.ok()) << answer.result.error().what;
  std::string printed;
  append_answer(printed, answer.id, *answer.result);
  EXPECT_EQ(printed, json + "\n");
}

TEST(ProtocolPage, EveryRequestIsOneAndComesBackTheSame) {
  int seen = 0;
  for (const auto& example : examples()) {
    if (example.kind != "request") continue;
    SCOPED_TRACE(example.json);
    Parser parser;
    const auto parsed = parser.parse_request(example.json);
    ASSERT_TRUE(std::holds_alternative<Request>(parsed)) << std::get<Refusal>(parsed).error.what;
    const auto& request = std::get<Request>(parsed);
    std::string printed;
    std::visit([&](const auto& call) { ASSERT_TRUE(append_request(printed, std::stoi(request.id.json), call).ok()); },
               request.call);
    if (example.json.find("\"params\"") != std::string::npos) {
      EXPECT_EQ(printed, example.json + "\n");
    }
    ++seen;
  }
  EXPECT_EQ(seen, 10);
}

TEST(ProtocolPage, EveryAnswerIsWhatWeSend) {
  int seen = 0;
  for (const auto& [kind, json] : examples()) {
    SCOPED_TRACE(json);
    if (!kind.starts_with("answer ")) continue;
    ++seen;
    const auto method = kind.substr(7);
    if (method == "txn.submit") {
      expect_same_when_printed<TransactionResult>(json);
    } else if (method == "txn.status") {
      expect_same_when_printed<TransactionStatus>(json);
    } else if (method == "txn.list") {
      expect_same_when_printed<TransactionList>(json);
    } else if (method == "participant.list") {
      expect_same_when_printed<ParticipantList>(json);
    } else if (method == "server.info") {
      expect_same_when_printed<ServerInfo>(json);
    } else if (method == "hazard.list") {
      expect_same_when_printed<HazardList>(json);
    } else if (method == "hazard.acknowledge") {
      expect_same_when_printed<Acknowledged>(json);
    } else if (method == "recovery.survey") {
      expect_same_when_printed<Survey>(json);
    } else if (method == "recovery.apply") {
      expect_same_when_printed<Recovering>(json);
    } else {
      ADD_FAILURE() << "no such method: " << method;
    }
  }
  EXPECT_EQ(seen, 11);
}

TEST(ProtocolPage, EveryRefusalIsWhatWeAnswer) {
  const auto all = examples();
  int seen = 0;
  for (std::size_t i = 0; i + 1 < all.size(); ++i) {
    if (all[i].kind != "refused") continue;
    SCOPED_TRACE(all[i].json);
    ASSERT_EQ(all[i + 1].kind, "error");
    Parser parser;
    const auto parsed = parser.parse_request(all[i].json);
    ASSERT_TRUE(std::holds_alternative<Refusal>(parsed));
    std::string printed;
    append_answer(printed, std::get<Refusal>(parsed));
    EXPECT_EQ(printed, all[i + 1].json + "\n");
    ++seen;
  }
  EXPECT_EQ(seen, 4);
}

TEST(ProtocolPage, TheErrorTableIsTheCodes) {
  const auto text = page();
  const auto row = [](int number, const char* code) { return "| " + std::to_string(number) + " | `" + code + "` |"; };
  for (const auto& [code, number] : kErrorNumbers) {
    EXPECT_NE(text.find(row(number, to_string(code))), std::string::npos) << row(number, to_string(code));
  }
  for (const int number : {kParseError, kInvalidRequest, kMethodNotFound}) {
    EXPECT_NE(text.find(row(number, "protocol")), std::string::npos) << number;
  }
}

TEST(ProtocolPage, TheBoundsAreTheCodes) {
  const auto text = page();
  const std::pair<const char*, std::uint64_t> bounds[] = {
      {"kFrameBytesDefault", kFrameBytesDefault},
      {"kFrameBytesCeiling", kFrameBytesCeiling},
      {"kAnswerBytesDefault", kAnswerBytesDefault},
      {"kAnswerBytesCeiling", kAnswerBytesCeiling},
      {"kNestingMax", kNestingMax},
      {"kIdBytesMax", kIdBytesMax},
      {"kBranchesMax", kBranchesMax},
      {"kStatementsPerBranchMax", kStatementsPerBranchMax},
      {"kArgsPerStatementMax", kArgsPerStatementMax},
      {"kParticipantBytesMax", kParticipantBytesMax},
      {"kIdempotencyKeyBytesMax", kIdempotencyKeyBytesMax},
      {"kLabelBytesMax", kLabelBytesMax},
      {"kGtridBytesMax", kGtridBytesMax},
      {"kReasonBytesMax", kReasonBytesMax},
      {"kDecimalDigitsMax", kDecimalDigitsMax},
      {"kTimeoutMsMax", kTimeoutMsMax},
      {"kListDefault", kListDefault},
      {"kListMax", kListMax},
  };
  for (const auto& [name, value] : bounds) {
    const auto row = std::string("| `") + name + "` | " + std::to_string(value) + " |";
    EXPECT_NE(text.find(row), std::string::npos) << row;
  }
}

}  // namespace
}  // namespace assent::wire
