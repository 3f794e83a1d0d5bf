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
  return acceptor.local_endpoint().port();
}

void Core::serve(Service what) {
  ASSENT_CHECK(acceptor.is_open() && !started);
  service = std::move(what);
  started = true;
  asio::post(loop.context(), [self = shared_from_this()] {
    self->accept();
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

void Core::adopt(tcp::socket socket) {
  const auto connection = std::make_shared<Connection>(shared_from_this(), std::move(socket));
  const auto had = by_peer.find(connection->peer());
  const bool peer_is_full = had != by_peer.end() && had->second >= options.connections_per_address_max;
  if ((!peer_is_full && connections.size() < options.connections_max) || make_room(*connection, peer_is_full)) {
    ++counters.connections;
    connections.insert(connection);
    ++by_peer[connection->peer()];
    connections_now = connections.size();
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
    if (of_its_peer && one->peer() != next.peer()) continue;
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
    const auto had = by_peer.find(connection->peer());
    if (--had->second == 0) by_peer.erase(had);
  }
  refusals.erase(connection);
  connections_now = connections.size();
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
