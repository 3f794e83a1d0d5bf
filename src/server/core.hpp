#pragma once

#include <array>
#include <atomic>
#include <future>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_set>
#include <utility>

#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>

#include "base/clock.hpp"
#include "base/event_loop.hpp"
#include "server/control_socket.hpp"
#include "server/server.hpp"
#include "wire/message.hpp"

namespace assent::server {

class Connection;

/// Requests stop being read from a connection while more than this waits to be sent on it.
inline constexpr std::size_t kReadingPausesAtBytes = 256 * 1024;
/// Within one batch of requests, answers are sent together, but no later than at this size.
inline constexpr std::size_t kCoalescedBytes = 64 * 1024;
/// A connection that ends with an error goes on taking bytes, so that the error reaches a client that still writes.
inline constexpr std::size_t kLingerBytesMax = 8 * 1024 * 1024;
inline constexpr std::chrono::milliseconds kLingerTimeout{2'000};
/// Connections over the bound that are being told so at any one time; those beyond are closed without a word.
inline constexpr std::size_t kRefusalsMax = 64;
/// Where all places are taken, one on which no whole request has come for this long gives way to a new connection.
inline constexpr std::chrono::milliseconds kGivesWayAfter{1'000};
/// Connections at the control socket; one more is closed without a word.
inline constexpr std::size_t kControlConnectionsMax = 64;
/// After accept() failed, as it does without a free file descriptor.
inline constexpr std::chrono::milliseconds kAcceptPause{100};

/// Who is at the other end.
struct Peer {
  boost::asio::ip::address network{};    ///< Over TCP: what counts as one peer.
  std::optional<std::string> account{};  ///< On the control socket: who it is, as the kernel tells.
};

struct Counters {
  std::atomic<std::uint64_t> connections{0};
  std::atomic<std::uint64_t> connections_refused{0};
  std::atomic<std::uint64_t> connections_gave_way{0};
  std::atomic<std::uint64_t> accept_errors{0};
  std::atomic<std::uint64_t> requests{0};
  std::atomic<std::uint64_t> bad_frames{0};
  std::atomic<std::uint64_t> answers_dropped{0};
  std::atomic<std::uint64_t> slow_clients_closed{0};
};

/// What the listener and its connections share. Kept alive by every connection, and so by every answer that is still
/// to come. Everything but `options`, `service` and `counters` belongs to the
/// loop's thread.
struct Core : std::enable_shared_from_this<Core> {
  Core(base::EventLoop& l, Options o) : loop(l), options(std::move(o)), control(l.context()) {}

  Result<std::uint16_t> bind();
  void serve(Service what);
  void stop_accepting();
  void stop();
  std::map<std::string, std::uint64_t> counters_by_name() const;

  void accept();
  void adopt(boost::asio::ip::tcp::socket socket);
  void accept_control();
  void arm_tick();
  void tick();
  void close_acceptor();
  void forget(const std::shared_ptr<Connection>& connection);
  /// Frees a place for `next`, which is one too many for its peer (`of_its_peer`) or for all. False when nobody gives
  /// way.
  bool make_room(const Connection& next, bool of_its_peer);

  base::EventLoop& loop;
  const Options options;
  Service service;  ///< From serve() on.
  Counters counters;
  std::atomic<std::uint64_t> connections_now{0};

  boost::asio::ip::tcp::acceptor acceptor{loop.context()};
  ControlSocket control;
  boost::asio::steady_timer accept_timer{loop.context()};
  boost::asio::steady_timer tick_timer{loop.context()};
  wire::Parser parser;
  std::unordered_set<std::shared_ptr<Connection>> connections;
  std::map<boost::asio::ip::address, std::uint32_t> by_peer;  ///< How many of them each peer has.
  std::size_t controls = 0;                                   ///< How many of `connections` are at the control socket.
  std::unordered_set<std::shared_ptr<Connection>> refusals;   ///< Over the bound, and being told so.
  bool started = false;  ///< And not stopped. For whoever calls serve() and stop().
  bool stopping = false;
  base::SteadyTime stop_by;
  std::promise<void> stopped;
  std::array<char, 16 * 1024> thrown_away;  ///< Where connections that end put what they still get.
};

}  // namespace assent::server
