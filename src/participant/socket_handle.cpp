#include "participant/socket_handle.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <utility>

namespace assent::participant {
namespace {

// A peer that is silent for ever is noticed after about 25 s, also while we wait for its answer.
constexpr int kKeepaliveIdleS = 10;
constexpr int kKeepaliveIntervalS = 5;
constexpr int kKeepaliveProbes = 3;
constexpr unsigned kUnacknowledgedMs = 25'000;

int port_of(const sockaddr_storage& address) {
  if (address.ss_family == AF_INET) return ntohs(reinterpret_cast<const sockaddr_in&>(address).sin_port);
  if (address.ss_family == AF_INET6) return ntohs(reinterpret_cast<const sockaddr_in6&>(address).sin6_port);
  return -1;
}

bool connects(int fd, std::uint16_t local_port, std::uint16_t peer_port) {
  sockaddr_storage address{};
  socklen_t size = sizeof(address);
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0 || port_of(address) != local_port)
    return false;
  size = sizeof(address);
  return getpeername(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0 && port_of(address) == peer_port;
}

void bound_silence(int fd) {
  const int on = 1;
  // An old kernel without one of these only notices later.
  (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
  (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &kKeepaliveIdleS, sizeof(kKeepaliveIdleS));
  (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &kKeepaliveIntervalS, sizeof(kKeepaliveIntervalS));
  (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &kKeepaliveProbes, sizeof(kKeepaliveProbes));
  (void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &kUnacknowledgedMs, sizeof(kUnacknowledgedMs));
}

}  // namespace

SocketHandle::~SocketHandle() {
  if (fd_ >= 0) ::close(fd_);
}

SocketHandle::SocketHandle(SocketHandle&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

SocketHandle& SocketHandle::operator=(SocketHandle&& other) noexcept {
  std::swap(fd_, other.fd_);
  return *this;
}

SocketHandle SocketHandle::of(int fd) {
  SocketHandle handle;
  handle.fd_ = fcntl(fd, F_DUPFD_CLOEXEC, 0);
  if (handle.fd_ >= 0) bound_silence(handle.fd_);
  return handle;
}

SocketHandle SocketHandle::find(std::uint16_t local_port, std::uint16_t peer_port) {
  SocketHandle found;
  DIR* const directory = opendir("/proc/self/fd");
  if (!directory) return found;
  while (const dirent* entry = readdir(directory)) {
    char* end = nullptr;
    const long fd = std::strtol(entry->d_name, &end, 10);
    if (end == entry->d_name || *end != '\0' || !connects(static_cast<int>(fd), local_port, peer_port)) continue;
    // Other threads may close and reuse a number at any time: only the duplicate's own answer counts.
    const int copy = fcntl(static_cast<int>(fd), F_DUPFD_CLOEXEC, 0);
    if (copy < 0) continue;
    if (!connects(copy, local_port, peer_port)) {
      ::close(copy);
      continue;
    }
    bound_silence(copy);
    found.fd_ = copy;
    break;
  }
  closedir(directory);
  return found;
}

bool SocketHandle::seems_dead() const noexcept {
  if (fd_ < 0) return false;
  char byte = 0;
  const auto got = recv(fd_, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return got >= 0 || (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR);
}

void SocketHandle::shut_down() const noexcept {
  if (fd_ >= 0) (void)shutdown(fd_, SHUT_RDWR);
}

}  // namespace assent::participant
