#pragma once

#include <chrono>
#include <cstdint>

namespace assent::bench {

using Clock = std::chrono::steady_clock;
using Time = Clock::time_point;

/// One thread's wait for many sockets (epoll, level triggered). Not thread safe.
class EventLoop {
 public:
  class Watcher {
   public:
    virtual ~Watcher() = default;
    /// Called when the socket can be read, or written where that was asked for.
    virtual void ready() = 0;
  };

  /// Throws std::runtime_error when the system gives none.
  EventLoop();
  ~EventLoop();
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  /// The watcher must stay until it is removed or its socket is closed. Throws std::runtime_error when the system
  /// refuses.
  void watch(int socket, Watcher& watcher);
  void watch_writing_too(int socket, Watcher& watcher, bool writing);
  void forget(int socket);

  /// Calls those that are ready, and returns; not later than at `until`.
  void poll(Time until);

 private:
  int epoll_ = -1;
};

}  // namespace assent::bench
