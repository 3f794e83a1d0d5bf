#include "coordinator/resolver_thread.hpp"

namespace assent::coordinator {

void ResolverThread::start() {
  thread_ = std::thread([this] { loop(); });
}

void ResolverThread::wake() {
  {
    const std::lock_guard lock(mutex_);
    woken_ = true;
  }
  wake_.notify_one();
}

void ResolverThread::interrupt() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
}

void ResolverThread::stop() {
  interrupt();
  if (thread_.joinable()) thread_.join();
}

void ResolverThread::loop() {
  bool more = false;
  for (;;) {
    {
      std::unique_lock lock(mutex_);
      if (!more) wake_.wait_for(lock, period_, [this] { return stopping_ || woken_; });
      if (stopping_) return;
      woken_ = false;
    }
    more = resolver_.round();
  }
}

}  // namespace assent::coordinator
