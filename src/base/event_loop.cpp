#include "base/event_loop.hpp"

#include <utility>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>

#include "base/worker.hpp"

namespace assent::base {

namespace asio = boost::asio;

EventLoop::EventLoop() : context_(std::make_unique<asio::io_context>(1)) {
  // Without work it still waits for some.
  thread_ = std::thread([this, work = asio::make_work_guard(*context_)] {
    name_worker("loop");
    context_->run();
  });
}

EventLoop::~EventLoop() {
  stop();
}

void EventLoop::stop() {
  if (!thread_.joinable()) return;
  context_->stop();
  thread_.join();
}

}  // namespace assent::base
