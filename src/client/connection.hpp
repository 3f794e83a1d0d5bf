#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <utility>

#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>

#include "assent/client.hpp"
#include "base/clock.hpp"
#include "wire/framer.hpp"

namespace assent::client {

/// One connection, over TCP or to a socket of this host, that sends a line and waits for a line, each within a
/// deadline. Closed when receive() fails. Not thread safe.
class Connection {
 public:
  explicit Connection(const Client::Address& address);

  /// Errc::unavailable when nobody answers within the address's connect timeout.
  Status open();
  bool is_open() const { return socket_.is_open(); }
  void close();

  /// Whether the peer has closed, or sent what nobody asked for: then no answer can be expected any more. One system
  /// call, does not wait.
  bool stale();

  /// Errc::unavailable when not all of it could be sent: a line that lacks its newline is never run. The connection
  /// then stays open for what the peer may have said before it closed.
  Status send(std::string_view line, base::SteadyTime deadline);

  /// The next line. Errc::timed_out, or Errc::io when the connection broke. Valid until the next call.
  Result<std::string_view> receive(base::SteadyTime deadline);

 private:
  enum class Ready { yes, no, late };
  Ready wait(short events, base::SteadyTime deadline);
  using Endpoint = boost::asio::generic::stream_protocol::endpoint;
  Status connect_to(const Endpoint& endpoint, base::SteadyTime deadline);
  std::string name() const;

  const Client::Address& address_;
  boost::asio::io_context context_;
  boost::asio::generic::stream_protocol::socket socket_;
  wire::Framer framer_;
};

}  // namespace assent::client
