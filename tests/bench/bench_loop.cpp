#include "bench/bench_loop.hpp"

#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <stdexcept>

namespace assent::bench {
namespace {

constexpr int kEventsMax = 128;

void control(int epoll, int operation, int socket, std::uint32_t events, EventLoop::Watcher* watcher) {
  struct epoll_event event {};
  event.events = events;
  event.data.ptr = watcher;
  if (::epoll_ctl(epoll, operation, socket, &event) != 0) throw std::runtime_error("a socket cannot be waited for");
}

}  // namespace

EventLoop::EventLoop() : epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
  if (epoll_ < 0) throw std::runtime_error("no epoll instance can be made");
}
EventLoop::~EventLoop() {
  ::close(epoll_);
}

void EventLoop::watch(int socket, Watcher& watcher) {
  control(epoll_, EPOLL_CTL_ADD, socket, EPOLLIN, &watcher);
}
void EventLoop::watch_writing_too(int socket, Watcher& watcher, bool writing) {
  control(epoll_, EPOLL_CTL_MOD, socket, writing ? EPOLLIN | EPOLLOUT : EPOLLIN, &watcher);
}
void EventLoop::forget(int socket) {
  ::epoll_ctl(epoll_, EPOLL_CTL_DEL, socket, nullptr);
}

void EventLoop::poll(Time until) {
  const auto left = std::max<std::int64_t>(0, std::chrono::nanoseconds(until - Clock::now()).count());
  constexpr std::int64_t kNsPerS = 1'000'000'000;
  const struct timespec wait { left / kNsPerS, left % kNsPerS };
  std::array<struct epoll_event, kEventsMax> events;
  const int count = ::epoll_pwait2(epoll_, events.data(), kEventsMax, &wait, nullptr);
  if (count < 0 && errno != EINTR) throw std::runtime_error("waiting for sockets failed");
  for (int i = 0; i < count; ++i) {
    static_cast<Watcher*>(events[static_cast<std::size_t>(i)].data.ptr)->ready();
  }
}

}  // namespace assent::bench
