#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>

#include "assent/result.hpp"

namespace assent::server {

/// The listening Unix socket for operators of this host: only its owner and root may connect, and the kernel tells who
/// did. Not thread safe.
class ControlSocket {
 public:
  explicit ControlSocket(boost::asio::io_context& context) : acceptor_(context) {}
  ~ControlSocket() { close(); }
  ControlSocket(const ControlSocket&) = delete;
  ControlSocket& operator=(const ControlSocket&) = delete;

  /// Listens at `path`. A socket there that nobody listens at any more, as a killed process leaves it, is replaced.
  /// Errc::unavailable when somebody does, or it cannot be made.
  Status bind(const std::string& path);
  /// Stops, and removes the socket from its folder, if it is still this one.
  void close();

  boost::asio::local::stream_protocol::acceptor& acceptor() { return acceptor_; }

 private:
  boost::asio::local::stream_protocol::acceptor acceptor_;
  std::string path_;         ///< Empty: there is none.
  std::uint64_t inode_ = 0;  ///< Of the socket in its folder.
};

/// Who connected: `ada (uid 1000, pid 4711)`; behind sudo, the account that logged in. Nothing when the kernel does not
/// tell.
std::optional<std::string> account_of_peer(int descriptor);

}  // namespace assent::server
