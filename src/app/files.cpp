#include "app/files.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "app/text.hpp"

namespace assent::app {
namespace {

Error refused(const std::string& path, const char* doing) {
  const int code = errno;
  return {code == ENOENT ? Errc::not_found : Errc::io, printable(path) + ": " + doing + ": " + std::strerror(code)};
}

// A file descriptor that is closed at the end, unless it is standard input.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ > STDERR_FILENO) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

bool write_all(int fd, const std::string& text) {
  for (std::size_t written = 0; written < text.size();) {
    const auto put = ::write(fd, text.data() + written, text.size() - written);
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return false;
    written += static_cast<std::size_t>(put);
  }
  return true;
}

}  // namespace

Result<std::string> read_file(const std::string& path, std::size_t bytes_max) {
  const Descriptor file(path == "-" ? STDIN_FILENO : ::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0) return refused(path, "cannot be read");
  std::string text;
  std::array<char, 16'384> buffer;
  for (;;) {
    const auto got = ::read(file.get(), buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return refused(path, "cannot be read");
    if (got == 0) return text;
    text.append(buffer.data(), static_cast<std::size_t>(got));
    if (text.size() > bytes_max) {
      return Error{Errc::invalid_argument,
                   printable(path) + ": is longer than " + std::to_string(bytes_max) + " bytes"};
    }
  }
}

Status write_file_atomically(const std::string& path, const std::string& text) {
  const auto aside = path + ".new";
  {
    const Descriptor file(::open(aside.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
    if (file.get() < 0) return refused(aside, "cannot be written");
    if (!write_all(file.get(), text)) return refused(aside, "cannot be written");
    if (::fsync(file.get()) != 0) return refused(aside, "cannot be written");
  }
  if (std::rename(aside.c_str(), path.c_str()) != 0) return refused(path, "cannot be written");
  return Ok{};
}

namespace {

// A file that was made just now: root's own would keep the coordinator's account from it, and its name has to last.
bool settle_in(int fd, const std::string& path) {
  const auto slash = path.rfind('/');
  const auto parent = slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
  const Descriptor directory(::open(parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  struct stat seen {};
  if (directory.get() < 0 || ::fstat(directory.get(), &seen) != 0) return false;
  if (::geteuid() == 0 && ::fchown(fd, seen.st_uid, seen.st_gid) != 0) return false;
  return ::fsync(directory.get()) == 0;
}

}  // namespace

Status append_to_file(const std::string& path, const std::string& text) {
  // Nobody waits for the other end of a pipe.
  constexpr int kFlags = O_WRONLY | O_APPEND | O_CLOEXEC | O_NONBLOCK;
  const int made = ::open(path.c_str(), kFlags | O_CREAT | O_EXCL, 0640);
  const Descriptor file(made >= 0 || errno != EEXIST ? made : ::open(path.c_str(), kFlags));
  if (made >= 0 && !settle_in(made, path)) return refused(path, "cannot be made to last");
  if (file.get() < 0 || !write_all(file.get(), text) || ::fsync(file.get()) != 0) {
    return refused(path, "cannot be appended to");
  }
  return Ok{};
}

}  // namespace assent::app
