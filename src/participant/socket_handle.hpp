#pragma once

#include <cstdint>

namespace assent::participant {

/// A second descriptor of a session's socket. With it another thread can make a blocked call return, a dead connection
/// is seen before anything is sent over it, and the kernel gives up on a silent peer in seconds (TCP).
class SocketHandle {
 public:
  SocketHandle() = default;
  ~SocketHandle();
  SocketHandle(SocketHandle&& other) noexcept;
  SocketHandle& operator=(SocketHandle&& other) noexcept;
  SocketHandle(const SocketHandle&) = delete;
  SocketHandle& operator=(const SocketHandle&) = delete;

  /// Of a socket that the caller has open.
  static SocketHandle of(int fd);
  /// The socket of this process between these two TCP ports, or nothing: Connector/C++ does not hand it out.
  static SocketHandle find(std::uint16_t local_port, std::uint16_t peer_port);

  bool held() const noexcept { return fd_ >= 0; }
  /// Valid as long as this object; -1 when nothing is held.
  int descriptor() const noexcept { return fd_; }
  /// Whether the peer has closed it, or sent something unasked. Only while no call is running.
  bool seems_dead() const noexcept;
  /// Ends the connection. Callable from any thread while this object lives.
  void shut_down() const noexcept;

 private:
  int fd_ = -1;
};

}  // namespace assent::participant
