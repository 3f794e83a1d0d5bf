#include "client/connection.hpp"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>

#include "wire/limits.hpp"

namespace assent::client {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

Connection::Connection(const Client::Address& address)
    : address_(address), socket_(context_), framer_(wire::kAnswerBytesCeiling) {}

std::string Connection::name() const {
  if (!address_.unix_socket.empty()) return address_.unix_socket;
  return address_.host + ':' + std::to_string(address_.port);
}

void Connection::close() {
  error_code ignored;
  socket_.close(ignored);
  framer_ = wire::Framer(wire::kAnswerBytesCeiling);
}

Connection::Ready Connection::wait(short events, base::SteadyTime deadline) {
  while (true) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - base::SteadyClock::now()).count();
    if (left <= 0) return Ready::late;
    pollfd watched{socket_.native_handle(), events, 0};
    const int count = ::poll(&watched, 1, static_cast<int>(std::min<std::int64_t>(left, 1'000'000'000)));
    if (count > 0) return Ready::yes;
    if (count < 0 && errno != EINTR) return Ready::no;
  }
}

Status Connection::open() {
  close();
  const auto deadline = base::SteadyClock::now() + address_.connect_timeout;
  const auto nobody = [&](const std::string& reasons) {
    return Error{Errc::unavailable,
                 "cannot reach the coordinator at " + name() + ": " + reasons + "; is assentd running there?", true};
  };
  if (!address_.unix_socket.empty()) {
    if (address_.unix_socket.size() >= sizeof(sockaddr_un::sun_path)) return nobody("the path is too long");
    auto connected = connect_to(asio::local::stream_protocol::endpoint(address_.unix_socket), deadline);
    if (connected.ok()) return connected;
    close();
    return nobody(connected.error().what);
  }
  error_code error;
  tcp::resolver resolver(context_);
  const auto found = resolver.resolve(address_.host, std::to_string(address_.port), error);
  if (error) {
    return Error{Errc::unavailable, "cannot resolve the coordinator's host " + address_.host + ": " + error.message(),
                 true};
  }
  std::string reasons;
  for (const auto& entry : found) {
    auto connected = connect_to(entry.endpoint(), deadline);
    if (connected.ok()) return Ok{};
    if (!reasons.empty()) reasons += "; ";
    reasons += connected.error().what;
    close();
  }
  return nobody(reasons);
}

Status Connection::connect_to(const Endpoint& endpoint, base::SteadyTime deadline) {
  const auto failed = [](const error_code& why) { return Error{Errc::unavailable, why.message(), true}; };
  error_code error;
  socket_.open(endpoint.protocol(), error);
  if (error) return failed(error);
  socket_.native_non_blocking(true, error);
  if (error) return failed(error);
  if (::connect(socket_.native_handle(), endpoint.data(), static_cast<socklen_t>(endpoint.size())) != 0) {
    if (errno != EINPROGRESS) return failed({errno, boost::system::system_category()});
    if (wait(POLLOUT, deadline) != Ready::yes) {
      return Error{Errc::unavailable, "no answer within " + std::to_string(address_.connect_timeout.count()) + " ms",
                   true};
    }
    int pending = 0;
    socklen_t size = sizeof pending;
    ::getsockopt(socket_.native_handle(), SOL_SOCKET, SO_ERROR, &pending, &size);
    if (pending != 0) return failed({pending, boost::system::system_category()});
  }
  // Of no meaning to a socket of this host.
  socket_.set_option(tcp::no_delay(true), error);
  return Ok{};
}

bool Connection::stale() {
  char byte = 0;
  const auto peeked = ::recv(socket_.native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return peeked >= 0 || (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR);
}

Status Connection::send(std::string_view line, base::SteadyTime deadline) {
  while (!line.empty()) {
    const auto sent = ::send(socket_.native_handle(), line.data(), line.size(), MSG_NOSIGNAL);
    if (sent >= 0) {
      line.remove_prefix(static_cast<std::size_t>(sent));
      continue;
    }
    const int why = errno;
    if (why == EINTR) continue;
    const bool full = why == EAGAIN || why == EWOULDBLOCK;
    if (full && wait(POLLOUT, deadline) == Ready::yes) continue;
    const std::string reason = full ? "it took no more in time" : std::system_category().message(why);
    return Error{Errc::unavailable,
                 "the connection to the coordinator at " + name() + " broke before the request was sent whole (" +
                     reason + "); nothing was run",
                 true};
  }
  return Ok{};
}

Result<std::string_view> Connection::receive(base::SteadyTime deadline) {
  while (true) {
    if (const auto line = framer_.next()) return *line;
    if (framer_.overflowed()) {
      close();
      return Error{Errc::io,
                   "the coordinator's answer is longer than " + std::to_string(wire::kAnswerBytesCeiling) + " bytes",
                   false};
    }
    if (const auto ready = wait(POLLIN, deadline); ready != Ready::yes) {
      close();
      return Error{Errc::timed_out, "the coordinator at " + name() + " did not answer in time", false};
    }
    const auto space = framer_.space();
    const auto got = ::recv(socket_.native_handle(), space.data(), space.size(), 0);
    if (got > 0) {
      framer_.fed(static_cast<std::size_t>(got));
      continue;
    }
    if (got < 0 && (errno == EINTR || errno == EAGAIN || errno == EWOULDBLOCK)) continue;
    const std::string reason = got == 0 ? "it was closed" : std::system_category().message(errno);
    close();
    return Error{Errc::io,
                 "the connection to the coordinator at " + name() + " broke before the answer came (" + reason + ')',
                 false};
  }
}

}  // namespace assent::client
