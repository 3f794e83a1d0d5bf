#include "bench/bench_progress.hpp"

#include <unistd.h>

#include <cstdio>

namespace assent::bench {

StopSignals::StopSignals() {
  sigemptyset(&set_);
  for (const int number : kSignals) sigaddset(&set_, number);
  pthread_sigmask(SIG_BLOCK, &set_, nullptr);
  // Whoever stops reading our output must not keep us from clearing up.
  ::signal(SIGPIPE, SIG_IGN);
}

int StopSignals::come() {
  sigset_t pending;
  sigpending(&pending);
  for (const int number : kSignals) {
    if (sigismember(&pending, number) == 1) return number;
  }
  return 0;
}

Progress::Progress(bool quiet) : quiet_(quiet), terminal_(::isatty(STDERR_FILENO) == 1) {}

void Progress::step(std::string what) {
  step_ = std::move(what);
  begin_ = std::chrono::steady_clock::now();
  if (!quiet_ && terminal_) std::fprintf(stderr, "\r\033[K%s ...", step_.c_str());
}

void Progress::counted(std::uint64_t committed) {
  if (quiet_ || !terminal_) return;
  const auto seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_).count();
  if (seconds <= 0) return;
  std::fprintf(stderr, "\r\033[K%s: %4.1f s, %.0f tx/s", step_.c_str(), seconds,
               static_cast<double>(committed) / seconds);
}

void Progress::done(const std::string& how) {
  clear();
  if (!quiet_) std::fprintf(stderr, "%s: %s\n", step_.c_str(), how.c_str());
}

void Progress::note(const std::string& text) {
  clear();
  if (!quiet_) std::fprintf(stderr, "%s\n", text.c_str());
}

void Progress::clear() {
  if (!quiet_ && terminal_) std::fprintf(stderr, "\r\033[K");
}

}  // namespace assent::bench
