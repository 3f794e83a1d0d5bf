#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "support/servers.hpp"

namespace assent::testing {

/// Stands between a client and a MySQL or MariaDB server, counts the client's commands, and loses what it is told to.
class Proxy {
 public:
  explicit Proxy(const Server& server);
  ~Proxy();
  Proxy(const Proxy&) = delete;
  Proxy& operator=(const Proxy&) = delete;

  std::uint16_t port() const { return port_; }
  /// Commands (packets that begin a round trip) seen so far, over all connections, handshakes not counted.
  std::uint64_t commands() const { return commands_.load(); }

  /// The next command that contains `text` reaches the server, and the client is cut off: the server's session lives on
  /// with nobody listening.
  void cut_answer_to(const std::string& text);
  /// The next command that contains `text` is lost, and its connection is cut.
  void cut_before(const std::string& text);
  /// Before the next command that contains `text` is passed on, `act` runs.
  void act_before(const std::string& text, std::function<void()> act);
  /// Cuts every connection and takes no more, as a server does that cannot be reached; until open().
  void shut();
  void open() { shut_ = false; }
  /// Waits until the cut has happened.
  bool wait_cut();

 private:
  struct Link;
  void accept_loop();
  void serve(Link& link);
  enum class Fate : std::uint8_t { pass, pass_and_cut, cut };
  Fate fate_of(const std::string& bytes);
  Fate take_packets(std::string& pending, std::string& whole);
  void tell_cut();

  const std::string host_;
  const std::uint16_t server_port_;
  int listener_ = -1;
  std::uint16_t port_ = 0;
  std::atomic<std::uint64_t> commands_{0};
  std::atomic<bool> stopping_{false};
  std::atomic<bool> shut_{false};
  std::mutex mutex_;
  std::condition_variable changed_;
  std::string watched_;
  Fate watched_fate_ = Fate::pass;
  std::function<void()> act_;
  bool cut_ = false;
  std::vector<std::unique_ptr<Link>> links_;  ///< Guarded by mutex_ while it accepts.
  std::thread acceptor_;
};

}  // namespace assent::testing
