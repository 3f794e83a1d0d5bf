// What comes to the daemon's port and is no client of its protocol, or keeps others from it; and what is not served
// there.

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>
#include <utility>
#include <vector>

#include "support/seams.hpp"

namespace assent::testing {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;
using ::testing::HasSubstr;

/// A connection from an address of this host.
class Peer {
 public:
  Peer(std::uint16_t port, std::uint32_t from) : handle_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(from);
    const timeval patience{.tv_sec = 20, .tv_usec = 0};
    ::setsockopt(handle_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    EXPECT_EQ(::bind(handle_, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::connect(handle_, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  }
  ~Peer() {
    if (handle_ >= 0) ::close(handle_);
  }
  Peer(Peer&& other) noexcept : handle_(std::exchange(other.handle_, -1)) {}
  Peer& operator=(Peer&&) = delete;

  void send(const std::string& bytes) const { ::send(handle_, bytes.data(), bytes.size(), MSG_NOSIGNAL); }
  /// All that comes until the other end closes.
  std::string rest() const {
    std::string all;
    char bytes[4096];
    for (ssize_t got = 0; (got = ::recv(handle_, bytes, sizeof bytes, 0)) > 0;) {
      all.append(bytes, static_cast<std::size_t>(got));
    }
    return all;
  }
  std::string line() const {
    std::string text;
    char byte = 0;
    while (::recv(handle_, &byte, 1, 0) == 1 && byte != '\n') text.push_back(byte);
    return text;
  }

 private:
  int handle_;
};

class FaultsClientsTest : public SeamsTest {
 protected:
  static constexpr std::uint32_t kHere = INADDR_LOOPBACK;
  static constexpr std::uint32_t kElsewhere = INADDR_LOOPBACK + 1;
  static constexpr const char* kInfo = R"({"jsonrpc":"2.0","id":1,"method":"server.info"})";

  /// A transfer, as a line.
  static std::string transfer_line() {
    const auto change = [](const char* where, int account, std::int64_t by) {
      return json{{"participant", where},
                  {"statements",
                   {{{"sql", "UPDATE accounts SET balance = balance + ? WHERE id = ?"}, {"args", {by, account}}}}}};
    };
    return json{{"jsonrpc", "2.0"},
                {"id", 1},
                {"method", "txn.submit"},
                {"params", {{"branches", {change("east", 1, -kAmount), change("west", 2, kAmount)}}}}}
               .dump() +
           "\n";
  }
};
ASSENT_FOR_EVERY_PAIR(FaultsClientsTest);

// A browser sends such a request for any page that it shows, to any address that it can reach.
TEST_P(FaultsClientsTest, AWebPagesRequestRunsNothing) {
  start();
  const auto body = transfer_line();
  for (const std::string method : {"POST", "PUT", "GET"}) {
    const Peer browser(daemon_.port(), kHere);
    browser.send(method +
                 " / HTTP/1.1\r\nHost: 127.0.0.1\r\nOrigin: http://example.com\r\nContent-Type: text/plain\r\n" +
                 "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
    const auto answer = browser.rest();
    EXPECT_THAT(answer, HasSubstr("HTTP"));
    EXPECT_EQ(std::count(answer.begin(), answer.end(), '\n'), 1) << answer;
  }
  expect_moved(false);
  const Peer client(daemon_.port(), kHere);
  client.send(body);
  EXPECT_THAT(client.line(), HasSubstr("committed"));
  expect_moved(true);
}

TEST_P(FaultsClientsTest, ConnectionsThatNeverFinishARequestKeepNobodyOut) {
  rlimit limit{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
  start();
  std::vector<Peer> slow;
  for (int i = 0; i < 4'200; ++i) {
    slow.emplace_back(daemon_.port(), kHere);
    slow.back().send("{");
  }
  std::this_thread::sleep_for(1100ms);
  for (const auto from : {kHere, kElsewhere}) {
    for (int i = 0; i < 40; ++i) {
      const Peer client(daemon_.port(), from);
      client.send(std::string(kInfo) + "\n");
      ASSERT_THAT(client.line(), HasSubstr("\"result\"")) << i;
    }
  }
  const auto counters = daemon_.client().info()->counters;
  EXPECT_LE(counters.at("connections_now"), 2'100U) << "one address has taken all places";
  EXPECT_GE(counters.at("connections_gave_way"), 1U);
}

TEST_P(FaultsClientsTest, NobodyChangesThePastOverTcp) {
  const auto gtrid = die_at("decision_unforced=crash");
  settle_by_hand(west(), gtrid, "COMMIT");
  start();
  EXPECT_TRUE(eventually([&] { return live({"hazards"}).code == kCtlInDoubt; })) << daemon_.output();
  for (const auto& [method, params] :
       std::map<std::string, json>{{"hazard.acknowledge", {{"gtrid", gtrid}, {"branch", 2}, {"reason", "seen to"}}},
                                   {"recovery.apply", json::object()},
                                   {"recovery.survey", json::object()}}) {
    const Peer stranger(daemon_.port(), kHere);
    stranger.send(json{{"jsonrpc", "2.0"}, {"id", 1}, {"method", method}, {"params", params}}.dump() + "\n");
    EXPECT_THAT(stranger.line(), HasSubstr("control socket")) << method;
  }
  EXPECT_EQ(live({"hazards"}).code, kCtlInDoubt);
  EXPECT_EQ(live({"hazards", "acknowledge", gtrid, "2", "--reason", "paid back"}).code, kCtlClean);
  EXPECT_TRUE(eventually([&] { return ours() == 0; })) << daemon_.output();
  daemon_.kill_9();
  const auto log = ctl({"wal", "dump", daemon_.log_folder()});
  EXPECT_THAT(log.output, HasSubstr("uid " + std::to_string(::geteuid()) + ", pid "));
}

}  // namespace
}  // namespace assent::testing
