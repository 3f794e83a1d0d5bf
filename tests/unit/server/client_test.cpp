#include "assent/client.hpp"

#include "harness.hpp"

namespace assent::server {
namespace {

class ClientTest : public ServerTest {
 protected:
  Result<Client> client() {
    Client::Address address;
    address.port = port;
    return Client::connect(address);
  }
  static Transaction transaction(const std::string& label = "") {
    Transaction one;
    one.label = label;
    one.branches.push_back({"a", {{"x", {Decimal{"1.50"}}, AffectedRange{1, 1}}}});
    return one;
  }
};

TEST_F(ClientTest, EveryCallIsAnswered) {
  serve();
  auto connected = client();
  ASSERT_TRUE(connected.ok()) << connected.error().what;
  const auto result = connected->submit(transaction());
  ASSERT_TRUE(result.ok()) << result.error().what;
  EXPECT_EQ(result->outcome, Outcome::committed);
  EXPECT_EQ(connected->status_of_gtrid("g").error().code, Errc::not_found);
  EXPECT_EQ(connected->status_of_key("k")->idempotency_key, "k");
  EXPECT_EQ(connected->list()->size(), wire::kListMax);
  EXPECT_EQ(connected->participants()->size(), 2U);
  EXPECT_EQ(connected->info()->limits.at("connections_max"), 4'096U);
  EXPECT_EQ(connected->hazards()->size(), 3U);
  EXPECT_EQ(counter("connections"), 1U);
}

TEST_F(ClientTest, WhatChangesThePastIsServedOnTheControlSocketOnly) {
  const ControlFolder folder;
  serve({.control_socket = folder.socket()});
  auto over_tcp = client();
  ASSERT_TRUE(over_tcp.ok());
  for (const auto& refused : {over_tcp->acknowledge({"g", 1, "ada", "seen to"}), Status(over_tcp->survey({}).error()),
                              Status(over_tcp->recover_now().error())}) {
    EXPECT_EQ(refused.error().code, Errc::refused);
    EXPECT_NE(refused.error().what.find(folder.socket()), std::string::npos) << refused.error().what;
  }
  Client::Address address;
  address.unix_socket = over_tcp->info()->control_socket;
  EXPECT_EQ(address.unix_socket, folder.socket());
  auto control = Client::connect(address);
  ASSERT_TRUE(control.ok()) << control.error().what;
  EXPECT_TRUE(control->acknowledge({"g", 1, "somebody else", "seen to"}).ok());
  const auto who = service.last_who();
  EXPECT_NE(who.find("pid " + std::to_string(::getpid())), std::string::npos) << who;
  EXPECT_EQ(who.find("somebody else"), std::string::npos) << who;
  EXPECT_EQ(control->acknowledge({"g", 2, "", "seen to"}).error().code, Errc::not_found);
  EXPECT_EQ(control->survey({.gtrid = {}, .participant = "stock", .age_min_ms = 5, .from = {}})->coordinator, "stock");
  EXPECT_EQ(*control->recover_now(), who.size());
  EXPECT_EQ(control->submit(transaction())->outcome, Outcome::committed);
}

TEST_F(ClientTest, TheServersRefusalOfAFieldComesBack) {
  serve();
  auto connected = client();
  ASSERT_TRUE(connected.ok());
  const auto refused = connected->submit(Transaction{});
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, Errc::invalid_argument);
  EXPECT_NE(refused.error().what.find("params.branches"), std::string::npos);
  EXPECT_TRUE(connected->submit(transaction()).ok());
}

TEST_F(ClientTest, ARequestOverTheBoundIsRefusedAndTheNextOneServed) {
  serve({.frame_bytes_max = 10'000});
  auto connected = client();
  ASSERT_TRUE(connected.ok());
  for (const std::size_t bytes : {20'000, 40'000'000}) {
    auto large = transaction();
    large.branches[0].statements[0].sql = std::string(bytes, 'x');
    const auto refused = connected->submit(large);
    ASSERT_FALSE(refused.ok());
    // The reset may overtake the error when very much was on its way.
    EXPECT_TRUE(refused.error().code == Errc::protocol || refused.error().code == Errc::unavailable)
        << refused.error().what;
    EXPECT_TRUE(connected->submit(transaction()).ok());
  }
}

TEST_F(ClientTest, AConnectionOverTheBoundIsOverloaded) {
  serve({.connections_max = 1});
  auto first = client();
  ASSERT_TRUE(first.ok());
  ASSERT_TRUE(first->info().ok());
  auto second = client();
  ASSERT_TRUE(second.ok());
  const auto refused = second->submit(transaction());
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, Errc::overloaded) << refused.error().what;
  EXPECT_TRUE(refused.error().retryable);
}

TEST_F(ClientTest, AStoppedServerIsUnavailableAndANewOneIsFound) {
  serve();
  auto connected = client();
  ASSERT_TRUE(connected.ok());
  ASSERT_TRUE(connected->submit(transaction()).ok());
  server->stop();
  const auto gone = connected->submit(transaction());
  ASSERT_FALSE(gone.ok());
  EXPECT_EQ(gone.error().code, Errc::unavailable) << gone.error().what;
  serve({.port = port});
  EXPECT_TRUE(connected->submit(transaction()).ok());
}

TEST_F(ClientTest, AServerThatStopsDuringASubmitLeavesTheOutcomeUnknown) {
  serve();
  auto connected = client();
  ASSERT_TRUE(connected.ok());
  std::thread stopper([&] {
    EXPECT_TRUE(service.wait_for(1));
    server->stop();
  });
  const auto unknown = connected->submit(transaction("running"));
  stopper.join();
  ASSERT_FALSE(unknown.ok());
  EXPECT_EQ(unknown.error().code, Errc::io) << unknown.error().what;
  service.release("running");
}

}  // namespace
}  // namespace assent::server
