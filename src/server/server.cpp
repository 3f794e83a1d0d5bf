#include "server/server.hpp"

#include <algorithm>
#include <utility>

#include <boost/asio/post.hpp>

#include "base/check.hpp"
#include "server/connection.hpp"
#include "server/core.hpp"

namespace assent::server {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

namespace {
constexpr std::chrono::milliseconds kTickMax{1'000};
constexpr std::chrono::milliseconds kTickMin{5};
}  // namespace

namespace {

// Who counts as one peer: a host has a whole IPv6 network of 64 bits to itself.
asio::ip::address network_of(const tcp::socket& socket) {
  error_code gone;
  const auto address = socket.remote_endpoint(gone).address();
  if (gone || address.is_v4()) return address;
  const auto v6 = address.to_v6();
  if (v6.is_v4_mapped()) return asio::ip::make_address_v4(asio::ip::v4_mapped, v6);
  auto bytes = v6.to_bytes();
  std::fill(bytes.begin() + bytes.size() / 2, bytes.end(), 0);
  return asio::ip::address_v6(bytes);
}

Status check(const Options& options) {
  const auto wrong = [](const std::string& what) { return Error{Errc::invalid_argument, what, false}; };
  if (options.connections_max == 0) return wrong("connections_max must be at least 1");
  if (options.connections_per_address_max == 0) return wrong("connections_per_address_max must be at least 1");
  if (options.requests_in_flight_per_connection_max == 0) {
    return wrong("requests_in_flight_per_connection_max must be at least 1");
  }
  if (options.frame_bytes_max == 0 || options.frame_bytes_max > wire::kFrameBytesCeiling) {
    return wrong("frame_bytes_max must be from 1 to " + std::to_string(wire::kFrameBytesCeiling));
  }
  if (options.answer_bytes_max > wire::kAnswerBytesCeiling) {
    return wrong("answer_bytes_max must be at most " + std::to_string(wire::kAnswerBytesCeiling));
  }
  if (options.answer_bytes_max > options.unread_answer_bytes_max) {
    return wrong("answer_bytes_max must not be above unread_answer_bytes_max: such an answer could never be sent");
  }
  return Ok{};
}

}  // namespace

Result<std::uint16_t> Core::bind() {
  if (auto checked = check(options); !checked.ok()) return std::move(checked).error();
  const auto failed = [&](const error_code& why) {
    return Error{Errc::unavailable,
                 "cannot listen on " + options.host + ':' + std::to_string(options.port) + ": " + why.message() +
                     (why == boost::asio::error::address_in_use
                          ? "; choose another port, or stop the process that uses it"
                          : "; choose an address of this host, and a port that this account may use"),
                 false};
  };
  error_code error;
  tcp::resolver resolver(loop.context());
  const auto found = resolver.resolve(options.host, std::to_string(options.port), tcp::resolver::passive, error);
  if (error) return failed(error);
  const tcp::endpoint endpoint = found.begin()->endpoint();
  acceptor.open(endpoint.protocol(), error);
  if (error) return failed(error);
  acceptor.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor.bind(endpoint, error);
  if (!error) acceptor.listen(tcp::acceptor::max_listen_connections, error);
  if (error) {
    const auto refusal = failed(error);
    acceptor.close(error);
    return refusal;
  }
  if (!options.control_socket.empty()) {
    if (auto bound = control.bind(options.control_socket); !bound.ok()) {
      acceptor.close(error);
      return std::move(bound).error();
    }
  }
  return acceptor.local_endpoint().port();
}

void Core::serve(Service what) {
  ASSENT_CHECK(acceptor.is_open() && !started);
  service = std::move(what);
  started = true;
  asio::post(loop.context(), [self = shared_from_this()] {
    self->accept();
    if (self->control.acceptor().is_open()) self->accept_control();
    self->arm_tick();
  });
}

void Core::accept() {
  acceptor.async_accept([this, self = shared_from_this()](const error_code& error, tcp::socket socket) {
    if (!acceptor.is_open()) return;
    if (!error) {
      adopt(std::move(socket));
      return accept();
    }
    // Without a free file descriptor the next try would fail at once as well.
    ++counters.accept_errors;
    accept_timer.expires_after(kAcceptPause);
    accept_timer.async_wait([this, self](const error_code&) {
      if (acceptor.is_open()) accept();
    });
  });
}

// Operators get in when clients have taken all places.
void Core::accept_control() {
  control.acceptor().async_accept(
      [this, self = shared_from_this()](const error_code& error, asio::local::stream_protocol::socket socket) {
        if (!control.acceptor().is_open()) return;
        auto account = error ? std::nullopt : account_of_peer(socket.native_handle());
        if (account && controls < kControlConnectionsMax) {
          const auto connection =
              std::make_shared<Connection>(shared_from_this(), std::move(socket), Peer{{}, std::move(account)});
          connections.insert(connection);
          ++controls;
          connection->start();
        }
        accept_control();
      });
}

void Core::adopt(tcp::socket socket) {
  Peer peer{network_of(socket), std::nullopt};
  const auto connection = std::make_shared<Connection>(shared_from_this(), std::move(socket), std::move(peer));
  const auto had = by_peer.find(connection->peer().network);
  const bool peer_is_full = had != by_peer.end() && had->second >= options.connections_per_address_max;
  if ((!peer_is_full && connections.size() - controls < options.connections_max) ||
      make_room(*connection, peer_is_full)) {
    ++counters.connections;
    connections.insert(connection);
    ++by_peer[connection->peer().network];
    connections_now = connections.size() - controls;
    return connection->start();
  }
  ++counters.connections_refused;
  if (refusals.size() == kRefusalsMax) return;
  refusals.insert(connection);
  const auto taken = peer_is_full ? "the " + std::to_string(options.connections_per_address_max) +
                                        " connections that one address may have"
                                  : "all " + std::to_string(options.connections_max) + " connections";
  connection->refuse(wire::refusal_of(
      {}, Error{Errc::overloaded, taken + " are taken; nothing was run: try again later, or keep and share connections",
                true}));
}

bool Core::make_room(const Connection& next, bool of_its_peer) {
  const auto before = base::SteadyClock::now() - kGivesWayAfter;
  std::shared_ptr<Connection> longest;
  std::optional<base::SteadyTime> since;
  for (const auto& one : connections) {
    if (one->peer().account || (of_its_peer && one->peer().network != next.peer().network)) continue;
    const auto unheard = one->unheard_since();
    if (!unheard || *unheard > before || (since && *since <= *unheard)) continue;
    longest = one;
    since = unheard;
  }
  if (!longest) return false;
  ++counters.connections_gave_way;
  longest->give_way();
  return true;
}

void Core::forget(const std::shared_ptr<Connection>& connection) {
  if (connections.erase(connection) > 0) {
    const auto had = by_peer.find(connection->peer().network);
    if (connection->peer().account) {
      --controls;
    } else if (--had->second == 0) {
      by_peer.erase(had);
    }
  }
  refusals.erase(connection);
  connections_now = connections.size() - controls;
}

void Core::arm_tick() {
  auto period = kTickMax;
  for (const auto bound : {options.slow_reader_timeout, options.frame_timeout, options.idle_timeout}) {
    if (bound.count() > 0) period = std::min(period, bound / 4);
  }
  tick_timer.expires_after(stopping ? kTickMin : std::max(period, kTickMin));
  tick_timer.async_wait([self = shared_from_this()](const error_code&) { self->tick(); });
}

void Core::tick() {
  const auto now = base::SteadyClock::now();
  std::vector<std::shared_ptr<Connection>> all(connections.begin(), connections.end());
  all.insert(all.end(), refusals.begin(), refusals.end());
  for (const auto& connection : all) {
    if (!stopping) {
      connection->tick(now);
    } else if (now < stop_by) {
      connection->stop_softly();
    } else {
      connection->close();
    }
  }
  if (stopping && connections.empty() && refusals.empty()) return stopped.set_value();
  arm_tick();
}

void Core::stop_accepting() {
  asio::post(loop.context(), [self = shared_from_this()] { self->close_acceptor(); });
}

void Core::close_acceptor() {
  error_code ignored;
  acceptor.close(ignored);
  control.close();
  accept_timer.cancel();
}

void Core::stop() {
  if (!std::exchange(started, false)) return;
  asio::post(loop.context(), [self = shared_from_this()] {
    self->stopping = true;
    self->stop_by = base::SteadyClock::now() + self->options.stop_grace;
    self->close_acceptor();
    self->tick_timer.cancel();
  });
  stopped.get_future().wait();
  ASSENT_CHECK(connections.empty() && refusals.empty());
}

std::map<std::string, std::uint64_t> Core::counters_by_name() const {
  return {{"connections_now", connections_now},
          {"connections", counters.connections},
          {"connections_refused", counters.connections_refused},
          {"connections_gave_way", counters.connections_gave_way},
          {"accept_errors", counters.accept_errors},
          {"requests", counters.requests},
          {"bad_frames", counters.bad_frames},
          {"answers_dropped", counters.answers_dropped},
          {"slow_clients_closed", counters.slow_clients_closed}};
}

Server::Server(base::EventLoop& loop, Options options) : core_(std::make_shared<Core>(loop, std::move(options))) {}

Server::~Server() {
  stop();
}

Result<std::uint16_t> Server::bind() {
  return core_->bind();
}

void Server::serve(Service service) {
  core_->serve(std::move(service));
}

void Server::stop_accepting() {
  if (core_->started) core_->stop_accepting();
}

void Server::stop() {
  core_->stop();
}

std::map<std::string, std::uint64_t> Server::counters() const {
  return core_->counters_by_name();
}

}  // namespace assent::server
