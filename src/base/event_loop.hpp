#pragma once

#include <memory>
#include <thread>

namespace boost::asio {
class io_context;
}

namespace assent::base {

/// One thread that waits for sockets and runs what became ready, for everybody who does not want a thread of their own:
/// work that passes between two of them then needs no wake-up. Whoever runs on it must not block,
/// for a quick disk's sync at most.
///
/// context() and runs_here() are thread safe. Whatever was handed to the context must have come to its end, or be
/// harmless to drop, before stop().
class EventLoop {
 public:
  EventLoop();
  ~EventLoop();
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  boost::asio::io_context& context() noexcept { return *context_; }
  bool runs_here() const noexcept { return std::this_thread::get_id() == thread_.get_id(); }

  /// Ends the thread once the handler that it runs has returned. Idempotent. Not from the loop.
  void stop();

 private:
  const std::unique_ptr<boost::asio::io_context> context_;
  std::thread thread_;
};

}  // namespace assent::base
