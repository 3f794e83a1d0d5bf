#include "harness.hpp"

namespace assent::server {
namespace {

TEST_F(ServerTest, AnswersEveryMethod) {
  serve();
  auto client = connect();
  client.send(submit_line("1") + info_line("2") + list_line("3", 2) +
              R"({"jsonrpc":"2.0","id":4,"method":"participant.list"})"
              "\n"
              R"({"jsonrpc":"2.0","id":5,"method":"txn.status","params":{"idempotency_key":"k"}})"
              "\n"
              R"({"jsonrpc":"2.0","id":6,"method":"txn.status","params":{"gtrid":"g"}})"
              "\n"
              R"({"jsonrpc":"2.0","id":7,"method":"hazard.list"})"
              "\n"
              R"({"jsonrpc":"2.0","id":8,"method":"recovery.apply"})"
              "\n");
  EXPECT_TRUE(has(client.line(), R"("id":1,"result":{"gtrid":"at once","outcome":"committed")"));
  const auto info = client.line();
  EXPECT_TRUE(has(info, R"("id":2,"result")"));
  EXPECT_TRUE(has(info, R"("frame_bytes_max":1048576)"));
  EXPECT_TRUE(has(info, R"("connections_now":1)"));
  EXPECT_TRUE(has(client.line(), R"("id":3,"result":{"transactions":[{)"));
  EXPECT_TRUE(has(client.line(), R"("id":4,"result":{"participants":[{)"));
  EXPECT_TRUE(has(client.line(), R"("id":5,"result")"));
  EXPECT_TRUE(has(client.line(), R"("id":6,"error":{"code":-32003,"message":"no transaction g")"));
  EXPECT_TRUE(has(client.line(), R"("id":7,"result":{"hazards":[{)"));
  EXPECT_TRUE(has(client.line(), R"("id":8,"error":{"code":-32)"));
  client.send(R"({"jsonrpc":"2.0","id":9,"method":"recovery.survey","params":{"participant":"stock"}})"
              "\n");
  EXPECT_TRUE(has(client.line(), "there is no control socket"));
  client.send(R"({"jsonrpc":"2.0","id":10,"method":"hazard.acknowledge","params":{"gtrid":"g"}})"
              "\n");
  EXPECT_TRUE(has(client.line(), R"("id":10,"error":{"code":-32602)"));
  EXPECT_EQ(counter("requests"), 9U);
}

TEST_F(ServerTest, AnswersOvertakeEachOther) {
  serve();
  auto client = connect();
  client.send(submit_line("1", "slow") + submit_line("2", "fast") + submit_line("3"));
  EXPECT_TRUE(has(client.line(), R"("id":3)"));
  service.release("fast");
  EXPECT_TRUE(has(client.line(), R"("id":2)"));
  service.release("slow");
  EXPECT_TRUE(has(client.line(), R"("id":1)"));
}

TEST_F(ServerTest, GarbageIsAnsweredAndTheConnectionServesOn) {
  serve();
  auto client = connect();
  client.send(info_line("6"));
  EXPECT_TRUE(has(client.line(), R"("id":6,"result")"));
  for (const std::string bad : {"garbage", "{\"half\":", "[[[[", "\"\xff\"", "1e999", "[]"}) {
    client.send(bad + "\n" + submit_line("7"));
    EXPECT_TRUE(has(client.line(), R"("id":null,"error":{"code":-32)")) << bad;
    EXPECT_TRUE(has(client.line(), R"("id":7,"result")")) << bad;
  }
  EXPECT_EQ(counter("bad_frames"), 6U);
  EXPECT_EQ(service.submitted(), 6U);
}

// A browser can be made to send any body to any address, but the words of HTTP come before it.
TEST_F(ServerTest, WhatDoesNotBeginAsAClientRunsNothing) {
  serve();
  const std::map<std::string, std::string> beginnings{
      {"POST / HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nContent-Length: 150\r\n\r\n", "looks like HTTP"},
      {"G", "looks like HTTP"},
      {"\r\n \tPRI * HTTP/2.0\r\n\r\n", "looks like HTTP"},
      {"\x16\x03\x01\x02", "looks like TLS"},
      {"[]\n", "no JSON object"},
      {"garbage\n", "no JSON object"},
      {"\xef\xbb\xbf", "no JSON object"},
      {std::string("\0", 1), "no JSON object"},
  };
  for (const auto& [beginning, reason] : beginnings) {
    auto client = connect();
    client.send(beginning + submit_line("1"));
    EXPECT_TRUE(has(client.line(), reason)) << beginning;
    client.half_close();
    EXPECT_TRUE(client.closed_by_peer()) << beginning;
    auto in_parts = connect();
    in_parts.send(beginning);
    EXPECT_TRUE(has(in_parts.line(), reason)) << beginning;
    in_parts.send(submit_line("1"));
    in_parts.half_close();
    EXPECT_TRUE(in_parts.closed_by_peer()) << beginning;
  }
  EXPECT_EQ(service.submitted(), 0U);
  EXPECT_EQ(counter("bad_frames"), 2 * beginnings.size());
  auto client = connect();
  client.send("\r\n\n\t " + submit_line("2"));
  EXPECT_TRUE(has(client.line(), R"("id":2,"result")"));
}

TEST_F(ServerTest, ARequestMayComeByteByByte) {
  serve();
  auto client = connect();
  for (const char c : "\r\n" + submit_line("8")) {
    if (c != '\0') {
      ASSERT_TRUE(client.send({&c, 1}));
    }
  }
  EXPECT_TRUE(has(client.line(), R"("id":8,"result")"));
}

TEST_F(ServerTest, AHalfClosedClientGetsAllItsAnswers) {
  serve();
  auto client = connect();
  client.send(submit_line("1", "later") + submit_line("2"));
  client.half_close();
  EXPECT_TRUE(has(client.line(), R"("id":2)"));
  service.release("later");
  EXPECT_TRUE(has(client.line(), R"("id":1)"));
  EXPECT_TRUE(client.closed_by_peer());
  EXPECT_TRUE(eventually([&] { return counter("connections_now") == 0; }));
}

TEST_F(ServerTest, WhatStandsAfterTheLastNewlineIsNotRun) {
  serve();
  auto client = connect();
  auto line = submit_line("1");
  line.pop_back();
  client.send(line);
  client.half_close();
  EXPECT_TRUE(has(client.line(), R"("id":null,"error":{"code":-32700)"));
  EXPECT_TRUE(client.closed_by_peer());
  EXPECT_EQ(service.submitted(), 0U);
}

TEST_F(ServerTest, AClientThatVanishesLeavesItsTransactionToItsOwnEnd) {
  serve();
  for (const bool reset : {false, true}) {
    auto client = connect();
    client.send(submit_line("1", "orphan"));
    ASSERT_TRUE(service.wait_for(1));
    if (reset) {
      client.reset();
      EXPECT_TRUE(eventually([&] { return counter("connections_now") == 0; }));
    } else {
      client.close();
    }
    service.release("orphan");
    EXPECT_TRUE(eventually([&] { return counter("connections_now") == 0; }));
  }
  EXPECT_GE(counter("answers_dropped"), 1U);
  auto next = connect();
  next.send(submit_line("2"));
  EXPECT_TRUE(has(next.line(), R"("id":2)"));
}

TEST_F(ServerTest, AnAnswerOverTheBoundComesWithoutItsRows) {
  serve({.answer_bytes_max = 1'000});
  auto client = connect();
  client.send(submit_line("1", "small") + submit_line("2", "large"));
  service.release("small", 100);
  const auto small = client.line();
  EXPECT_TRUE(has(small, "rrr"));
  EXPECT_FALSE(has(small, "rows_omitted"));
  service.release("large", 1'000);
  const auto large = client.line();
  EXPECT_FALSE(has(large, "rrr"));
  EXPECT_TRUE(has(large, R"("outcome":"committed")"));
  EXPECT_TRUE(has(large, R"("rows_omitted":true)"));
}

TEST_F(ServerTest, StopSendsWhatIsAnsweredAndDropsWhatComesLater) {
  serve();
  auto client = connect();
  client.send(submit_line("1", "answered") + submit_line("2", "late"));
  ASSERT_TRUE(service.wait_for(2));
  service.release("answered");
  server->stop();
  service.release("late");
  EXPECT_TRUE(has(client.line(), R"("id":1)"));
  EXPECT_TRUE(client.closed_by_peer());
  server->stop();
  EXPECT_EQ(counter("answers_dropped"), 1U);
}

TEST_F(ServerTest, AnAnswerMayOutliveTheServer) {
  serve();
  auto client = connect();
  client.send(submit_line("1", "late"));
  ASSERT_TRUE(service.wait_for(1));
  server.reset();
  service.release("late");
  EXPECT_TRUE(client.closed_by_peer());
}

TEST_F(ServerTest, StopAcceptingKeepsTheConnectionsThatAreThere) {
  serve();
  auto client = connect();
  client.send(info_line("1"));
  EXPECT_TRUE(has(client.line(), R"("id":1)"));
  server->stop_accepting();
  EXPECT_TRUE(eventually([&] {
    const int handle = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const bool refused = ::connect(handle, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0;
    ::close(handle);
    return refused;
  }));
  client.send(submit_line("2"));
  EXPECT_TRUE(has(client.line(), R"("id":2)"));
}

TEST_F(ServerTest, ATakenPortIsAClearError) {
  serve();
  Server second(loop, {.port = port});
  const auto started = second.bind();
  ASSERT_FALSE(started.ok());
  EXPECT_EQ(started.error().code, Errc::unavailable);
  EXPECT_NE(started.error().what.find(std::to_string(port)), std::string::npos);
}

TEST_F(ServerTest, CompletionsFromManyThreadsAllArrive) {
  serve({.requests_in_flight_per_connection_max = 1'000});
  auto client = connect();
  constexpr int kRequests = 800;
  std::string all;
  for (int i = 0; i < kRequests; ++i) all += submit_line(std::to_string(i), "l" + std::to_string(i));
  client.send(all);
  ASSERT_TRUE(service.wait_for(kRequests));
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = t; i < kRequests; i += 4) service.release("l" + std::to_string(i));
    });
  }
  std::vector<bool> seen(kRequests);
  for (int i = 0; i < kRequests; ++i) {
    const auto line = client.line();
    ASSERT_TRUE(line.has_value());
    const auto id = static_cast<std::size_t>(std::stoi(line->substr(line->find("\"id\":") + 5)));
    EXPECT_FALSE(seen.at(id));
    seen[id] = true;
  }
  for (auto& thread : threads) thread.join();
}

}  // namespace
}  // namespace assent::server
