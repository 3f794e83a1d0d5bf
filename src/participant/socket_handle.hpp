#pragma once

#include <cstdint>

namespace assent::participant {

/// A second descriptor of a session's TCP socket, which the client library does not hand out. With it another thread
/// can make a blocked call return, a dead connection is seen before anything is sent over it, and the kernel gives up
/// on a silent peer in seconds. Holds nothing when the socket was not found (Unix sockets).
class SocketHandle {
 public:
  SocketHandle() = default;
  ~SocketHandle();
  SocketHandle(SocketHandle&& other) noexcept;
  SocketHandle& operator=(SocketHandle&& other) noexcept;
  SocketHandle(const SocketHandle&) = delete;
  SocketHandle& operator=(const SocketHandle&) = delete;

  /// The socket of this process between these two TCP ports, or nothing.
  static SocketHandle find(std::uint16_t local_port, std::uint16_t peer_port);

  bool held() const noexcept { return fd_ >= 0; }
  /// Whether the peer has closed it, or sent something unasked. Only while no call is running.
  bool seems_dead() const noexcept;
  /// Ends the connection. Callable from any thread while this object lives.
  void shut_down() const noexcept;

 private:
  int fd_ = -1;
};

}  // namespace assent::participant
