#include "support/proxy.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <stdexcept>
#include <utility>

namespace assent::testing {
namespace {

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

bool send_all(int fd, const std::string& bytes) {
  for (std::size_t sent = 0; sent < bytes.size();) {
    const auto n = ::send(fd, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
    if (n <= 0) return false;
    sent += static_cast<std::size_t>(n);
  }
  return true;
}

}  // namespace

struct Proxy::Link {
  int client = -1;
  int server = -1;
  std::thread thread;
};

Proxy::Proxy(const Server& server) : host_(server.host), server_port_(server.port) {
  listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  auto address = loopback(0);
  socklen_t size = sizeof(address);
  if (listener_ < 0 || ::bind(listener_, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
      ::listen(listener_, 64) != 0 || ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    throw std::runtime_error("the proxy cannot listen");
  }
  port_ = ntohs(address.sin_port);
  acceptor_ = std::thread([this] { accept_loop(); });
}

Proxy::~Proxy() {
  stopping_ = true;
  ::shutdown(listener_, SHUT_RDWR);
  acceptor_.join();
  ::close(listener_);
  for (const auto& link : links_) {
    ::shutdown(link->client, SHUT_RDWR);
    ::shutdown(link->server, SHUT_RDWR);
    link->thread.join();
    ::close(link->client);
    ::close(link->server);
  }
}

void Proxy::shut() {
  shut_ = true;
  const std::lock_guard lock(mutex_);
  for (const auto& link : links_) {
    ::shutdown(link->client, SHUT_RDWR);
    ::shutdown(link->server, SHUT_RDWR);
  }
}

void Proxy::cut_answer_to(const std::string& text) {
  const std::lock_guard lock(mutex_);
  watched_ = text;
  watched_fate_ = Fate::pass_and_cut;
  cut_ = false;
}

void Proxy::cut_before(const std::string& text) {
  const std::lock_guard lock(mutex_);
  watched_ = text;
  watched_fate_ = Fate::cut;
  cut_ = false;
}

void Proxy::act_before(const std::string& text, std::function<void()> act) {
  const std::lock_guard lock(mutex_);
  watched_ = text;
  watched_fate_ = Fate::pass;
  act_ = std::move(act);
}

bool Proxy::wait_cut() {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, std::chrono::seconds(20), [this] { return cut_; });
}

Proxy::Fate Proxy::fate_of(const std::string& bytes) {
  const std::lock_guard lock(mutex_);
  if (watched_.empty() || bytes.find(watched_) == std::string::npos) return Fate::pass;
  watched_.clear();
  if (const auto act = std::exchange(act_, nullptr)) act();
  return watched_fate_;
}

void Proxy::accept_loop() {
  while (!stopping_) {
    const int client = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (client < 0) continue;
    if (shut_) {
      ::close(client);
      continue;
    }
    auto link = std::make_unique<Link>();
    link->client = client;
    link->server = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    auto address = loopback(server_port_);
    if (::connect(link->server, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) {
      ::close(client);
      ::close(link->server);
      continue;
    }
    const int on = 1;
    ::setsockopt(link->client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    ::setsockopt(link->server, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    auto* const raw = link.get();
    link->thread = std::thread([this, raw] { serve(*raw); });
    const std::lock_guard lock(mutex_);
    links_.push_back(std::move(link));
    // It may have been shut in between.
    if (shut_) ::shutdown(raw->client, SHUT_RDWR);
  }
}

void Proxy::serve(Link& link) {
  std::array<pollfd, 2> ends{{{link.client, POLLIN, 0}, {link.server, POLLIN, 0}}};
  std::array<char, 65536> chunk;
  std::string pending;
  for (;;) {
    if (::poll(ends.data(), ends.size(), -1) <= 0) break;
    if (ends[1].revents != 0) {
      const auto n = ::recv(link.server, chunk.data(), chunk.size(), 0);
      if (n <= 0) break;
      // A cut client is gone; the server's session lives on with nobody listening.
      if (ends[0].fd >= 0 && !send_all(link.client, std::string(chunk.data(), static_cast<std::size_t>(n)))) break;
    }
    if (ends[0].fd < 0 || ends[0].revents == 0) continue;
    const auto n = ::recv(link.client, chunk.data(), chunk.size(), 0);
    if (n <= 0) break;
    pending.append(chunk.data(), static_cast<std::size_t>(n));
    std::string whole;
    const auto fate = take_packets(pending, whole);
    if (fate == Fate::cut) break;
    if (!send_all(link.server, whole)) break;
    if (fate == Fate::pass_and_cut) {
      ::shutdown(link.client, SHUT_RDWR);
      ends[0].fd = -1;
      tell_cut();
    }
  }
  ::shutdown(link.client, SHUT_RDWR);
  ::shutdown(link.server, SHUT_RDWR);
  tell_cut();
}

// A packet is three bytes of length, a number, and its body. Number 0 begins a round trip; the handshake's do not.
Proxy::Fate Proxy::take_packets(std::string& pending, std::string& whole) {
  Fate fate = Fate::pass;
  while (pending.size() >= 4) {
    const auto byte = [&](std::size_t i) { return static_cast<std::size_t>(static_cast<unsigned char>(pending[i])); };
    const auto length = 4 + (byte(0) | byte(1) << 8 | byte(2) << 16);
    if (pending.size() < length) break;
    if (byte(3) == 0) ++commands_;
    const auto packet = pending.substr(0, length);
    pending.erase(0, length);
    if (const auto its = fate_of(packet); its != Fate::pass) fate = its;
    whole += packet;
  }
  return fate;
}

void Proxy::tell_cut() {
  {
    const std::lock_guard lock(mutex_);
    if (watched_.empty()) cut_ = true;
  }
  changed_.notify_all();
}

}  // namespace assent::testing
