#include <sys/resource.h>

#include "harness.hpp"

namespace assent::server {
namespace {

using std::chrono::milliseconds;

TEST_F(ServerTest, AnOversizedFrameCostsItsConnectionOnly) {
  serve({.frame_bytes_max = 1'000});
  auto other = connect();
  auto client = connect();
  client.send(submit_line("1", "running"));
  ASSERT_TRUE(service.wait_for(1));
  client.send(std::string(5'000, 'x'));
  EXPECT_TRUE(has(client.line(), R"("id":null,"error":{"code":-32600,"message":"the line is longer than 1000 bytes)"));
  service.release("running");
  EXPECT_TRUE(has(client.line(), R"("id":1,"result")"));
  EXPECT_TRUE(client.closed_by_peer());
  other.send(submit_line("2"));
  EXPECT_TRUE(has(other.line(), R"("id":2)"));
}

TEST_F(ServerTest, SixtyFourMiBWithoutANewlineLeaveTheMemoryFlat) {
  serve();
  auto other = connect();
  other.send(submit_line("1"));
  EXPECT_TRUE(has(other.line(), R"("id":1)"));
  const auto before_kib = resident_kib();

  auto client = connect();
  const std::string chunk(64 * 1024, 'x');
  bool taken = true;
  for (int i = 0; i < 1024 && taken; ++i) taken = client.send(chunk);
  EXPECT_FALSE(taken) << "64 MiB were taken";
  EXPECT_TRUE(eventually([&] { return counter("connections_now") == 1; }));
  EXPECT_LT(resident_kib(), before_kib + kSlack * 8 * 1024);

  other.send(submit_line("2"));
  EXPECT_TRUE(has(other.line(), R"("id":2)"));
}

TEST_F(ServerTest, RequestsInFlightAreBoundedAndTheRestWaits) {
  serve({.requests_in_flight_per_connection_max = 4});
  auto client = connect();
  constexpr std::size_t kRequests = 50;
  std::string all;
  for (std::size_t i = 0; i < kRequests; ++i) all += submit_line(std::to_string(i), "l" + std::to_string(i));
  client.send(all);
  std::size_t most = 0;
  for (std::size_t answered = 0; answered < kRequests; ++answered) {
    ASSERT_TRUE(service.wait_for(1));
    most = std::max(most, service.waiting());
    service.release(service.labels().front());
    ASSERT_TRUE(client.line().has_value());
  }
  EXPECT_LE(most, 4U);
  EXPECT_EQ(service.submitted(), kRequests);

  // Another connection has a bound of its own.
  auto other = connect();
  other.send(submit_line("1"));
  EXPECT_TRUE(has(other.line(), R"("id":1)"));
}

TEST_F(ServerTest, ABoundOfOneServesInTurn) {
  serve({.requests_in_flight_per_connection_max = 1});
  auto client = connect();
  client.send(submit_line("1", "a") + submit_line("2", "b") + info_line("3"));
  ASSERT_TRUE(service.wait_for(1));
  EXPECT_EQ(service.submitted(), 1U);
  service.release("a");
  EXPECT_TRUE(has(client.line(), R"("id":1)"));
  service.release("b");
  EXPECT_TRUE(has(client.line(), R"("id":2)"));
  EXPECT_TRUE(has(client.line(), R"("id":3)"));
}

TEST_F(ServerTest, AClientThatDoesNotReadStopsBeingReadAndIsServedOnceItDoes) {
  serve();
  auto client = connect();
  // Each answer is some 70 KiB: 40 MiB, of which the kernel's buffers take a quarter.
  constexpr int kRequests = 600;
  const auto before_kib = resident_kib();
  std::thread sender([&] {
    for (int i = 0; i < kRequests; ++i) client.send(list_line(std::to_string(i), 1'000));
  });
  // It has stopped when the count of requests stands still, though more have been sent.
  std::uint64_t last = 0;
  auto since = std::chrono::steady_clock::now();
  EXPECT_TRUE(eventually([&] {
    const auto now = std::chrono::steady_clock::now();
    if (const auto count = counter("requests"); count != last || count == 0) {
      last = count;
      since = now;
    }
    return now - since > milliseconds(200);
  }));
  EXPECT_LT(last, 400U);
  EXPECT_LT(resident_kib(), before_kib + kSlack * 16 * 1024);
  for (int i = 0; i < kRequests; ++i) ASSERT_TRUE(has(client.line(), "\"id\":" + std::to_string(i) + ","));
  sender.join();
}

TEST_F(ServerTest, AClientThatNeverReadsIsClosed) {
  serve({.slow_reader_timeout = milliseconds(100)});
  Socket client(port, 4'096);
  std::string all;
  for (int i = 0; i < 200; ++i) all += list_line(std::to_string(i), 1'000);
  client.send(all);
  EXPECT_TRUE(eventually([&] { return counter("slow_clients_closed") == 1; }));
  EXPECT_TRUE(eventually([&] { return counter("connections_now") == 0; }));
}

TEST_F(ServerTest, UnreadAnswersOverTheBoundCloseTheConnection) {
  serve({.answer_bytes_max = 1'000'000, .unread_answer_bytes_max = 1'000'000});
  Socket client(port, 4'096);
  for (int i = 0; i < 10; ++i) client.send(submit_line(std::to_string(i), "l" + std::to_string(i)));
  ASSERT_TRUE(service.wait_for(10));
  for (int i = 0; i < 10; ++i) service.release("l" + std::to_string(i), 900'000);
  EXPECT_TRUE(eventually([&] { return counter("connections_now") == 0; }));
  EXPECT_EQ(counter("slow_clients_closed"), 1U);
}

TEST_F(ServerTest, OptionsThatContradictEachOtherAreRefused) {
  for (const Options& options : {Options{.connections_max = 0}, Options{.connections_per_address_max = 0},
                                 Options{.requests_in_flight_per_connection_max = 0}, Options{.frame_bytes_max = 0},
                                 Options{.frame_bytes_max = wire::kFrameBytesCeiling + 1},
                                 Options{.answer_bytes_max = 2, .unread_answer_bytes_max = 1}}) {
    Server wrong(loop, options);
    const auto started = wrong.bind();
    ASSERT_FALSE(started.ok());
    EXPECT_EQ(started.error().code, Errc::invalid_argument);
  }
}

TEST_F(ServerTest, ALineThatIsNotFinishedInTimeCostsTheConnection) {
  serve({.frame_timeout = milliseconds(50)});
  auto quiet = connect();
  auto client = connect();
  client.send(submit_line("1") + "{\"jsonrpc\"");
  EXPECT_TRUE(has(client.line(), R"("id":1)"));
  EXPECT_TRUE(has(client.line(), R"("id":null,"error":{"code":-32005)"));
  EXPECT_TRUE(client.closed_by_peer());
  quiet.send(submit_line("2"));
  EXPECT_TRUE(has(quiet.line(), R"("id":2)"));
}

TEST_F(ServerTest, IdleConnectionsAreClosedOnlyWhenConfigured) {
  serve({.idle_timeout = milliseconds(50)});
  auto busy = connect();
  busy.send(submit_line("1", "running"));
  ASSERT_TRUE(service.wait_for(1));
  auto idle = connect();
  EXPECT_TRUE(idle.closed_by_peer());
  EXPECT_FALSE(busy.readable());
  service.release("running");
  EXPECT_TRUE(has(busy.line(), R"("id":1)"));
}

TEST_F(ServerTest, AConnectionOverTheBoundIsToldAndOthersAreServed) {
  serve({.connections_max = 2});
  std::optional<Socket> first(connect());
  auto second = connect();
  first->send(info_line("1"));
  second.send(info_line("2"));
  EXPECT_TRUE(has(first->line(), R"("id":1)"));
  EXPECT_TRUE(has(second.line(), R"("id":2)"));
  auto third = connect();
  third.send(submit_line("3"));
  const auto refusal = third.line();
  EXPECT_TRUE(has(refusal, R"("id":null,"error":{"code":-32000)"));
  EXPECT_TRUE(has(refusal, R"("retryable":true)"));
  third.half_close();
  EXPECT_TRUE(third.closed_by_peer());
  EXPECT_EQ(counter("connections_refused"), 1U);
  EXPECT_EQ(service.submitted(), 0U);

  first.reset();
  EXPECT_TRUE(eventually([&] { return counter("connections_now") == 1; }));
  auto fourth = connect();
  fourth.send(info_line("4"));
  EXPECT_TRUE(has(fourth.line(), R"("id":4,"result")"));
}

TEST_F(ServerTest, OneAddressMayNotTakeAllPlaces) {
  serve({.connections_max = 4, .connections_per_address_max = 2});
  std::vector<Socket> own;
  for (int i = 0; i < 2; ++i) {
    own.push_back(connect());
    own.back().send(info_line("1"));
    EXPECT_TRUE(has(own.back().line(), R"("id":1)"));
  }
  auto third = connect();
  EXPECT_TRUE(has(third.line(), "one address"));
  Socket stranger(port, 0, INADDR_LOOPBACK + 1);
  stranger.send(info_line("2"));
  EXPECT_TRUE(has(stranger.line(), R"("id":2,"result")"));
  own.pop_back();
  EXPECT_TRUE(eventually([&] { return counter("connections_now") == 2; }));
  auto fourth = connect();
  fourth.send(info_line("3"));
  EXPECT_TRUE(has(fourth.line(), R"("id":3,"result")"));
}

TEST_F(ServerTest, WhereAllPlacesAreTakenThoseWithoutARequestGiveWay) {
  serve({.connections_max = 4});
  auto busy = connect();
  busy.send(submit_line("1", "running"));
  ASSERT_TRUE(service.wait_for(1));
  auto idle = connect();
  idle.send(info_line("2"));
  EXPECT_TRUE(has(idle.line(), R"("id":2)"));
  auto silent = connect();
  auto slow = connect();
  slow.send("{");
  // A moment ago they may still be about to send.
  EXPECT_TRUE(has(connect().line(), "all 4 connections are taken"));
  std::this_thread::sleep_for(milliseconds(1'200));
  slow.send(" ");
  std::vector<Socket> strangers;
  for (int i = 0; i < 2; ++i) {
    strangers.push_back(connect());
    strangers.back().send(info_line("3"));
    EXPECT_TRUE(has(strangers.back().line(), R"("id":3,"result")"));
  }
  for (auto* one : {&silent, &slow}) {
    EXPECT_TRUE(has(one->line(), "another client gets the place"));
    EXPECT_TRUE(one->closed_by_peer());
  }
  EXPECT_TRUE(has(connect().line(), "all 4 connections are taken"));
  EXPECT_EQ(counter("connections_gave_way"), 2U);
  idle.send(info_line("4"));
  EXPECT_TRUE(has(idle.line(), R"("id":4,"result")"));
  service.release("running");
  EXPECT_TRUE(has(busy.line(), R"("id":1)"));
}

TEST_F(ServerTest, AThousandIdleConnectionsCostLittleAndStarveNobody) {
  serve();
  const auto before_kib = resident_kib();
  std::vector<Socket> idle;
  for (int i = 0; i < 1'000; ++i) idle.push_back(connect());
  EXPECT_TRUE(eventually([&] { return counter("connections_now") == 1'000; }));
  auto client = connect();
  client.send(submit_line("1"));
  EXPECT_TRUE(has(client.line(), R"("id":1)"));
  EXPECT_LT(resident_kib(), before_kib + kSlack * 16 * 1024);
  // All are still there, and each is served.
  for (auto& socket : idle) socket.send(info_line("2"));
  for (auto& socket : idle) ASSERT_TRUE(has(socket.line(), R"("id":2)"));
}

TEST_F(ServerTest, WithoutAFreeFileDescriptorItPausesAndServesOn) {
  serve();
  auto client = connect();
  client.send(info_line("1"));
  EXPECT_TRUE(has(client.line(), R"("id":1)"));

  // The next connection gets the last descriptor for its own end, and none is left for the server's.
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  const int next = ::dup(0);
  ::close(next);
  const rlimit scarce{static_cast<rlim_t>(next) + 1, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &scarce), 0);
  auto waiting = connect();
  waiting.send(info_line("2"));
  EXPECT_TRUE(eventually([&] { return counter("accept_errors") >= 2; }));
  client.send(info_line("3"));
  EXPECT_TRUE(has(client.line(), R"("id":3)"));
  EXPECT_LT(counter("accept_errors"), 20U) << "it spins";

  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_TRUE(has(waiting.line(), R"("id":2)"));
}

}  // namespace
}  // namespace assent::server
