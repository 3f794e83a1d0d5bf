#include "assent/client.hpp"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <string>
#include <thread>

#include "wire/message.hpp"

namespace assent {
namespace {

/// A coordinator that follows a script: each accepted connection is handed to the next function, with its socket.
class Scripted {
 public:
  using Act = std::function<void(int handle)>;

  explicit Scripted(std::vector<Act> acts) : handle_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::bind(handle_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(::listen(handle_, 16), 0);
    socklen_t size = sizeof address;
    ::getsockname(handle_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this, acts = std::move(acts)] {
      for (const auto& act : acts) {
        const int accepted = ::accept(handle_, nullptr, nullptr);
        if (accepted < 0) return;
        act(accepted);
        ::close(accepted);
        ++acts_done_;
      }
    });
  }
  ~Scripted() {
    ::shutdown(handle_, SHUT_RDWR);
    thread_.join();
    ::close(handle_);
  }

  Client::Address address() const {
    Client::Address address;
    address.port = port_;
    address.answer_grace = std::chrono::milliseconds(10'000);
    return address;
  }
  void wait_for_acts(int count) const {
    while (acts_done_ < count) std::this_thread::yield();
  }

 private:
  int handle_;
  std::uint16_t port_ = 0;
  std::atomic<int> acts_done_{0};
  std::thread thread_;
};

std::string read_line(int handle) {
  std::string line;
  char c = 0;
  while (::recv(handle, &c, 1, 0) == 1 && c != '\n') line += c;
  return line;
}
void write_text(int handle, std::string_view text) {
  ::send(handle, text.data(), text.size(), MSG_NOSIGNAL);
}

/// Answers a request as it should be.
void answer_submit(int handle) {
  const auto parsed = wire::Parser().parse_request(read_line(handle));
  const auto* request = std::get_if<wire::Request>(&parsed);
  if (request == nullptr) return;
  TransactionResult result;
  result.gtrid = "g";
  result.outcome = Outcome::committed;
  std::string out;
  wire::append_answer(out, request->id, result);
  write_text(handle, out);
}
/// Until the client closes.
void drain(int handle) {
  char bytes[4096];
  while (::recv(handle, bytes, sizeof bytes, 0) > 0) {
  }
}

Transaction transaction() {
  Transaction one;
  one.timeout = std::chrono::milliseconds(50);
  one.branches.push_back({"a", {{"x", {}, {}}}});
  return one;
}

TEST(Client, SubmitsOverAndOverOnOneConnection) {
  Scripted coordinator({[](int handle) {
    for (int i = 0; i < 3; ++i) answer_submit(handle);
    drain(handle);
  }});
  auto client = Client::connect(coordinator.address());
  ASSERT_TRUE(client.ok()) << client.error().what;
  for (int i = 0; i < 3; ++i) {
    const auto result = client->submit(transaction());
    ASSERT_TRUE(result.ok()) << result.error().what;
    EXPECT_EQ(result->outcome, Outcome::committed);
  }
}

TEST(Client, ACoordinatorThatIsNotThereIsUnavailable) {
  std::uint16_t port = 0;
  {
    Scripted gone({});
    port = gone.address().port;
  }
  Client::Address address;
  address.port = port;
  const auto client = Client::connect(address);
  ASSERT_FALSE(client.ok());
  EXPECT_EQ(client.error().code, Errc::unavailable);
  EXPECT_TRUE(client.error().retryable);
  EXPECT_NE(client.error().what.find(std::to_string(port)), std::string::npos);
}

TEST(Client, AHostThatCannotBeResolvedIsUnavailable) {
  Client::Address address;
  address.host = "no host.invalid";
  address.port = 1;
  const auto client = Client::connect(address);
  ASSERT_FALSE(client.ok());
  EXPECT_EQ(client.error().code, Errc::unavailable);
}

TEST(Client, AConnectionThatBreaksAfterTheSubmitWasSentLeavesTheOutcomeUnknown) {
  Scripted coordinator({[](int handle) { read_line(handle); },
                        [](int handle) {
                          answer_submit(handle);
                          drain(handle);
                        }});
  auto client = Client::connect(coordinator.address());
  ASSERT_TRUE(client.ok());
  const auto broken = client->submit(transaction());
  ASSERT_FALSE(broken.ok());
  EXPECT_EQ(broken.error().code, Errc::io);
  EXPECT_FALSE(broken.error().retryable);
  // The next call connects again.
  EXPECT_TRUE(client->submit(transaction()).ok());
}

TEST(Client, AnAnswerThatDoesNotComeIsTimedOut) {
  Scripted coordinator({drain});
  auto address = coordinator.address();
  address.answer_grace = std::chrono::milliseconds(50);
  auto client = Client::connect(address);
  ASSERT_TRUE(client.ok());
  const auto late = client->submit(transaction());
  ASSERT_FALSE(late.ok());
  EXPECT_EQ(late.error().code, Errc::timed_out);
}

TEST(Client, AConnectionClosedWhileIdleIsReplacedBeforeAnythingIsSent) {
  Scripted coordinator({answer_submit, [](int handle) {
                          answer_submit(handle);
                          drain(handle);
                        }});
  auto client = Client::connect(coordinator.address());
  ASSERT_TRUE(client.ok());
  ASSERT_TRUE(client->submit(transaction()).ok());
  coordinator.wait_for_acts(1);
  const auto again = client->submit(transaction());
  EXPECT_TRUE(again.ok()) << again.error().what;
}

TEST(Client, AnErrorForTheConnectionIsTheAnswer) {
  std::string refusal;
  wire::append_answer(refusal, wire::refusal_of({}, Error{Errc::overloaded, "full", true}));
  Scripted coordinator({[&](int handle) {
    read_line(handle);
    write_text(handle, refusal);
    drain(handle);
  }});
  auto client = Client::connect(coordinator.address());
  ASSERT_TRUE(client.ok());
  const auto refused = client->submit(transaction());
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, Errc::overloaded);
  EXPECT_TRUE(refused.error().retryable);
}

TEST(Client, WhatIsNoAnswerLeavesTheOutcomeUnknown) {
  for (const std::string answer :
       {"HTTP/1.1 400 Bad Request\r\n", "{}\n", "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}\n",
        R"({"jsonrpc":"2.0","id":99,"result":{"gtrid":"g","outcome":"committed","settled":true,"branches":[]}})"
        "\n"}) {
    Scripted coordinator({[&](int handle) {
      read_line(handle);
      write_text(handle, answer);
      drain(handle);
    }});
    auto client = Client::connect(coordinator.address());
    ASSERT_TRUE(client.ok());
    const auto result = client->submit(transaction());
    ASSERT_FALSE(result.ok());
    EXPECT_EQ(result.error().code, Errc::io) << answer;
  }
}

TEST(Client, WhatJsonCannotHoldIsRefusedAndNothingIsSent) {
  Scripted coordinator({[](int handle) {
    answer_submit(handle);
    drain(handle);
  }});
  auto client = Client::connect(coordinator.address());
  ASSERT_TRUE(client.ok());
  auto wrong = transaction();
  wrong.label = "\xff";
  const auto refused = client->submit(wrong);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, Errc::invalid_argument);
  EXPECT_TRUE(client->submit(transaction()).ok());
}

}  // namespace
}  // namespace assent
