// Idempotency keys whose first outcome was a rollback: what they stand for afterwards, and what a client that sends one
// again, or makes a second one out of it, can rely on through restarts.

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <future>

#include "support/seams.hpp"

namespace assent::testing {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;
using ::testing::HasSubstr;

/// Says of a key what the wire lets it say; nothing: no such field.
enum class OnRolledBack { unsaid, returned, run_again };

class FaultsKeysTest : public SeamsTest {
 protected:
  void SetUp() override { start(); }

  /// One line to the daemon's port, and the line that comes back.
  json ask(const json& request) const {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(daemon_.port());
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    std::string answer;
    if (fd >= 0 && ::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0) {
      const auto line = request.dump() + "\n";
      ::send(fd, line.data(), line.size(), MSG_NOSIGNAL);
      char byte = 0;
      while (::recv(fd, &byte, 1, 0) == 1 && byte != '\n') answer.push_back(byte);
    }
    if (fd >= 0) ::close(fd);
    return json::parse(answer, nullptr, false);
  }
  static json submit_request(const std::string& key, OnRolledBack on_rolled_back, std::int64_t amount = kAmount) {
    const auto change = [](int account, std::int64_t by) {
      return json{{"sql", "UPDATE accounts SET balance = balance + ? WHERE id = ?"},
                  {"args", {by, account}},
                  {"expect", {{"affected", 1}}}};
    };
    json params{{"idempotency_key", key},
                {"timeout_ms", 1500},
                {"branches",
                 {{{"participant", "east"}, {"statements", {change(1, -amount)}}},
                  {{"participant", "west"}, {"statements", {change(2, amount)}}}}}};
    if (on_rolled_back != OnRolledBack::unsaid) {
      params["on_rolled_back"] = on_rolled_back == OnRolledBack::returned ? "return" : "run_again";
    }
    return {{"jsonrpc", "2.0"}, {"id", 1}, {"method", "txn.submit"}, {"params", params}};
  }
  json submit_key(const std::string& key, OnRolledBack on_rolled_back, std::int64_t amount = kAmount) const {
    const auto answer = ask(submit_request(key, on_rolled_back, amount));
    if (answer.is_object() && answer.contains("result")) return answer["result"];
    ADD_FAILURE() << answer << "\n" << daemon_.output();
    return json::object();
  }
  /// Somebody holds the row that the order needs, until the answer is there.
  json fail_to_lock(const std::string& key, OnRolledBack on_rolled_back = OnRolledBack::unsaid) {
    Sql other(west(), database_);
    other.run("BEGIN");
    other.run("UPDATE accounts SET note='held' WHERE id=2");
    auto told = submit_key(key, on_rolled_back);
    other.run("ROLLBACK");
    EXPECT_EQ(told.value("outcome", ""), "rolled_back") << told;
    EXPECT_TRUE(told.contains("cause") && told["cause"].value("retryable", false)) << told;
    return told;
  }
  static std::string outcome(const json& told) { return told.value("outcome", "none"); }
};
ASSENT_FOR_EVERY_PAIR(FaultsKeysTest);

TEST_P(FaultsKeysTest, OneThatWasRolledBackRunsOnceMoreWhereTheClientSaysSo) {
  const auto first = fail_to_lock(kKey);
  EXPECT_EQ(outcome(submit_key(kKey, OnRolledBack::unsaid)), "rolled_back");
  EXPECT_EQ(outcome(submit_key(kKey, OnRolledBack::returned)), "rolled_back");
  expect_moved(false);
  const auto again = submit_key(kKey, OnRolledBack::run_again);
  EXPECT_EQ(outcome(again), "committed");
  EXPECT_NE(again.value("gtrid", ""), first.value("gtrid", ""));
  for (const auto how : {OnRolledBack::run_again, OnRolledBack::returned, OnRolledBack::unsaid}) {
    const auto told = submit_key(kKey, how);
    EXPECT_EQ(outcome(told), "committed");
    EXPECT_EQ(told.value("gtrid", ""), again.value("gtrid", "-"));
  }
  expect_moved(true);
}

TEST_P(FaultsKeysTest, OneThatIsRolledBackAgainAndAgainRunsAgainEachTime) {
  fail_to_lock(kKey);
  fail_to_lock(kKey, OnRolledBack::run_again);
  EXPECT_EQ(outcome(submit_key(kKey, OnRolledBack::returned)), "rolled_back");
  EXPECT_EQ(outcome(submit_key(kKey, OnRolledBack::run_again)), "committed");
  expect_moved(true);
}

// A client that makes `order-4711~2` out of `order-4711` after a rollback, and forgets that it has when it is
// restarted.
TEST_P(FaultsKeysTest, AfterAKillOneThatWasRolledBackIsNotRunBehindTheBackOfTheOneThatReplacedIt) {
  const auto first = fail_to_lock(kKey);
  EXPECT_EQ(outcome(submit_key(std::string(kKey) + "~2", OnRolledBack::unsaid)), "committed");
  for (int run = 0; run < 2; ++run) {
    SCOPED_TRACE(run);
    daemon_.kill_9();
    start();
    for (const auto how : {OnRolledBack::unsaid, OnRolledBack::returned}) {
      const auto told = submit_key(kKey, how);
      EXPECT_EQ(outcome(told), "rolled_back");
      EXPECT_EQ(told.value("gtrid", ""), first.value("gtrid", "-"));
      EXPECT_TRUE(told.contains("cause") && told["cause"].value("retryable", false)) << told;
    }
    expect_moved(true);
  }
}

TEST_P(FaultsKeysTest, AfterARestartOneThatWasRolledBackStillRunsOnceMoreAndOnlyOnce) {
  fail_to_lock(kKey);
  EXPECT_EQ(daemon_.terminate(), 0);
  start();
  EXPECT_EQ(outcome(submit_key(kKey, OnRolledBack::returned)), "rolled_back");
  EXPECT_EQ(outcome(submit_key(kKey, OnRolledBack::run_again)), "committed");
  daemon_.kill_9();
  start();
  EXPECT_EQ(outcome(submit_key(kKey, OnRolledBack::run_again)), "committed");
  expect_moved(true);
}

TEST_P(FaultsKeysTest, SentByManyAtOnceToRunAgainItRunsOnce) {
  fail_to_lock(kKey);
  std::vector<std::future<json>> all;
  for (int i = 0; i < 8; ++i) {
    all.push_back(std::async(std::launch::async, [this] { return submit_key(kKey, OnRolledBack::run_again); }));
  }
  std::set<std::string> gtrids;
  for (auto& one : all) {
    const auto told = one.get();
    EXPECT_EQ(outcome(told), "committed");
    gtrids.insert(told.value("gtrid", ""));
  }
  EXPECT_EQ(gtrids.size(), 1U);
  expect_moved(true);
}

TEST_P(FaultsKeysTest, AnotherRequestUnderItIsRefusedAndAnUnknownWordAsWell) {
  fail_to_lock(kKey);
  const auto other = ask(submit_request(kKey, OnRolledBack::run_again, kAmount + 1));
  EXPECT_TRUE(other.contains("error")) << other;
  auto odd = submit_request(kKey, OnRolledBack::run_again);
  odd["params"]["on_rolled_back"] = "perhaps";
  const auto refused = ask(odd);
  ASSERT_TRUE(refused.contains("error")) << refused;
  EXPECT_THAT(refused.dump(), HasSubstr("on_rolled_back"));
  expect_moved(false);
  EXPECT_EQ(outcome(submit_key(kKey, OnRolledBack::run_again)), "committed");
}

}  // namespace
}  // namespace assent::testing
