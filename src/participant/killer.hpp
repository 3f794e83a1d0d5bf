#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "participant/config.hpp"
#include "participant/session.hpp"

namespace assent::participant {

/// Ends other sessions at the server, on a thread and a session of its own, so that nobody waits for that: branches
/// cancelled or past their deadline. Thread safe.
class Killer {
 public:
  /// `overdue` is called every kPatrolEvery and gives the connections whose time is over.
  Killer(const Config& config, std::function<std::vector<ConnectionIdentity>()> overdue)
      : config_(config), overdue_(std::move(overdue)) {}
  ~Killer() { stop(); }
  Killer(const Killer&) = delete;
  Killer& operator=(const Killer&) = delete;

  static constexpr std::chrono::milliseconds kPatrolEvery{250};

  /// Starts the thread, once.
  void start();
  void kill(ConnectionIdentity who);
  void stop();

 private:
  void loop();
  bool stopped();
  /// False when the server cannot be reached: then it is of no use to try the next.
  bool end(const ConnectionIdentity& who);

  const Config& config_;
  const std::function<std::vector<ConnectionIdentity>()> overdue_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<ConnectionIdentity> asked_;
  bool stopping_ = false;
  std::thread thread_;
  std::unique_ptr<Session> session_;
};

}  // namespace assent::participant
