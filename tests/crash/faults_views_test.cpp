// What an operator sees of transactions that live: whom they keep waiting, and that one is in doubt, in the log.

#include <gmock/gmock.h>

#include <future>
#include <sstream>

#include "support/seams.hpp"

namespace assent::testing {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::Not;

class FaultsViewsTest : public SeamsTest {
 protected:
  std::future<std::optional<TransactionResult>> submit_order(std::chrono::milliseconds timeout = 60s,
                                                             Protocol protocol = Protocol::two_phase) {
    return std::async(std::launch::async, [timeout, protocol, client = std::make_shared<Client>(daemon_.client())]() {
      auto one = order(protocol);
      one.timeout = timeout;
      one.idempotency_key.clear();
      auto told = client->submit(one);
      return told.ok() ? std::optional(std::move(told).value()) : std::nullopt;
    });
  }
  /// Lines of the daemon's log that name the transaction.
  std::vector<std::string> lines_about(const std::string& gtrid) const {
    std::vector<std::string> found;
    std::istringstream output(daemon_.output());
    for (std::string line; std::getline(output, line);) {
      if (line.find(gtrid) != std::string::npos) found.push_back(line);
    }
    return found;
  }
  /// Until somebody waits for the row that the order's branch in the server holds.
  std::future<int> wait_for_row(const Server& server, int account) {
    return std::async(std::launch::async, [&server, account, this] {
      Sql session(server, database_);
      session.run("SET innodb_lock_wait_timeout=30");
      return session.error_of("UPDATE accounts SET note='waits' WHERE id=" + std::to_string(account));
    });
  }
  void end_waits(const Server& server) {
    auto admin = dba(server);
    for (const auto& row :
         admin.rows("SELECT ID FROM information_schema.PROCESSLIST WHERE INFO LIKE 'UPDATE%waits%'")) {
      admin.error_of("KILL QUERY " + row[0]);
    }
  }
};
ASSENT_FOR_EVERY_PAIR(FaultsViewsTest);

TEST_P(FaultsViewsTest, SessionsThatABranchOfALivingTransactionKeepsWaitingAreShown) {
  for (const auto* step : {"decision_unforced", "decision_durable"}) {
    SCOPED_TRACE(step);
    start(std::string(step) + "=hold");
    auto told = submit_order();
    wait_passed(step);
    for (const auto& server : {east(), west()}) {
      const bool in_east = server.name == east().name;
      auto waiting = wait_for_row(server, in_east ? 1 : 2);
      json blocks;
      EXPECT_TRUE(eventually([&] {
        const auto shown = live({"recover", "--json"});
        const auto parsed = json::parse(shown.output, nullptr, false);
        if (!parsed.is_object() || !parsed.contains("branches")) return false;
        for (const auto& branch : parsed["branches"]) {
          if (branch["participant"] == (in_east ? "east" : "west") && branch.contains("blocks")) {
            blocks = branch["blocks"];
          }
        }
        return !blocks.is_null();
      })) << live({"recover"}).output;
      if (!blocks.is_null()) {
        EXPECT_EQ(blocks.size(), 1U);
        EXPECT_EQ(blocks[0]["row"], in_east ? "1" : "2");
      }
      end_waits(server);
      waiting.wait();
    }
    failpoints().disarm();
    EXPECT_EQ(told.get()->outcome, Outcome::committed);
    EXPECT_EQ(daemon_.terminate(), 0);
  }
}

TEST_P(FaultsViewsTest, OneThatIsInDoubtIsSaidOnceInTheLogAndOnceMoreWhenItIsFinished) {
  start("decision_durable=hold");
  auto told = submit_order(1s);
  wait_passed("decision_durable");
  const auto gtrid = *listed(west()).begin();
  const auto away = west();
  servers().kill(away.name);
  failpoints().disarm();
  const auto result = told.get();
  ASSERT_TRUE(result);
  EXPECT_EQ(result->outcome, Outcome::committed) << "decided, and not settled everywhere";
  EXPECT_FALSE(result->settled);
  EXPECT_TRUE(eventually([&] { return lines_about(gtrid).size() == 1; })) << daemon_.output();
  wait_sweeps(10);
  EXPECT_EQ(lines_about(gtrid).size(), 1U) << ::testing::PrintToString(lines_about(gtrid));
  servers().restart(away.name);
  EXPECT_TRUE(eventually([&] { return lines_about(gtrid).size() == 2; })) << daemon_.output();
  EXPECT_EQ(ours(), 0U);
}

TEST_P(FaultsViewsTest, OneWhoseOutcomeIsUnknownInThreePhasesIsSaidAsWell) {
  start("packet_unsent/'commit'=hold");
  auto told = submit_order(1s, Protocol::three_phase);
  wait_passed("packet_unsent");
  const auto gtrid = *listed(west()).begin();
  const auto result = told.get();
  ASSERT_TRUE(result);
  EXPECT_EQ(result->outcome, Outcome::unknown);
  EXPECT_TRUE(eventually([&] { return lines_about(gtrid).size() == 1; })) << daemon_.output();
  failpoints().disarm();
  EXPECT_TRUE(eventually([&] { return lines_about(gtrid).size() == 2; })) << daemon_.output();
  EXPECT_TRUE(eventually([&] { return ours() == 0; })) << daemon_.output();
}

TEST_P(FaultsViewsTest, ARollbackIsCountedByItsCauseAndWrittenDownWhereThatIsAskedFor) {
  const auto plain = daemon_.options().more_json;
  for (const bool asked_for : {false, true}) {
    SCOPED_TRACE(asked_for);
    if (asked_for) daemon_.options().more_json = plain + R"(, "logging": {"rollbacks": true})";
    start();
    auto client = daemon_.client();
    auto one = transfer(1, 2, kAmount);
    one.branches[1].statements.push_back({"INSERT INTO accounts VALUES (1, 0, '')", {}, {}});
    const auto result = submit(client, one);
    EXPECT_EQ(result.outcome, Outcome::rolled_back);
    const auto counters = client.info()->counters;
    EXPECT_EQ(counters.at("rolled_back"), 1U);
    ASSERT_TRUE(counters.contains("rolled_back_server_error"));
    EXPECT_EQ(counters.at("rolled_back_server_error"), 1U);
    EXPECT_EQ(counters.at("rolled_back_deadlock"), 0U);
    EXPECT_EQ(daemon_.terminate(), 0);
    const auto lines = lines_about(result.gtrid);
    EXPECT_EQ(lines.size(), asked_for ? 1U : 0U) << daemon_.output();
    for (const auto& line : lines) {
      EXPECT_THAT(line, HasSubstr("1062"));
      EXPECT_THAT(line, Not(HasSubstr("Duplicate"))) << "the server's text may quote what the application stores";
    }
  }
}

}  // namespace
}  // namespace assent::testing
