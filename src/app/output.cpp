#include "app/output.hpp"

#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "app/exit_codes.hpp"
#include "app/text.hpp"

namespace assent::app {
namespace {

// Gives 0 or the errno of the write that failed.
int write_all(int fd, const std::string& text) {
  for (std::size_t written = 0; written < text.size();) {
    const auto put = ::write(fd, text.data() + written, text.size() - written);
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return errno;
    written += static_cast<std::size_t>(put);
  }
  return 0;
}

}  // namespace

int print(const std::string& text, int code) {
  const int failed = write_all(STDOUT_FILENO, text);
  if (failed == 0 || failed == EPIPE) return code;
  complain("standard output", std::string("cannot be written: ") + std::strerror(failed));
  return kExitInternal;
}

void complain(const std::string& program, const std::string& text) {
  static_cast<void>(write_all(STDERR_FILENO, program + ": " + printable(text) + '\n'));
}

int exit_code_of(const Error& error) {
  switch (error.code) {
    case Errc::invalid_argument:
    case Errc::conflict: return kExitBadInput;
    case Errc::not_found: return kExitNotSettled;
    case Errc::overloaded:
    case Errc::unavailable:
    case Errc::timed_out:
    case Errc::shutting_down:
    case Errc::log_full:
    case Errc::io: return kExitUnavailable;
    case Errc::refused: return kExitBadConfig;
    case Errc::log_corrupt:
    case Errc::log_newer_format:
    case Errc::log_locked:
    case Errc::log_indeterminate:
    case Errc::protocol:
    case Errc::internal: return kExitInternal;
  }
  return kExitInternal;
}

}  // namespace assent::app
