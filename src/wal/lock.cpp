#include "wal/lock.hpp"

#include <unistd.h>

#include <cerrno>

#include "wal/files.hpp"

namespace assent::wal {
namespace {

constexpr std::size_t kOwnerBytesMax = 512;

std::string who_am_i() {
  char host[256] = "";
  if (::gethostname(host, sizeof host - 1) != 0) host[0] = '\0';
  return "pid " + std::to_string(::getpid()) + " on " + host;
}

}  // namespace

Result<std::unique_ptr<File>> take_lock(Disk& disk, const std::string& directory) {
  const std::string path = path_in(directory, kLockName);
  std::unique_ptr<File> file;
  const Errno failed = disk.lock(path, file);
  if (failed == EWOULDBLOCK) {
    return Error{Errc::log_locked, "the decision log in " + directory + " belongs to " + owner_of(disk, directory) +
                                       ", which is running; stop it first"};
  }
  if (failed != 0) return io_error("lock", path, failed);
  return file;
}

Status sign_lock(const std::string& directory, File& file) {
  const std::string text = who_am_i() + "\n";
  Errno failed = file.set_bytes(0);
  if (failed == 0) failed = file.write_at(0, text);
  return failed == 0 ? Status(Ok{}) : io_error("write", path_in(directory, kLockName), failed);
}

std::string owner_of(Disk& disk, const std::string& directory) {
  std::string text;
  if (read_file(disk, path_in(directory, kLockName), kOwnerBytesMax, text) != 0) text.clear();
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text.empty() ? "another process" : text;
}

}  // namespace assent::wal
