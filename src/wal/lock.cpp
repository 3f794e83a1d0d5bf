#include "wal/lock.hpp"

#include <unistd.h>

#include <cerrno>
#include <fstream>

#include "wal/files.hpp"
#include "wal/format.hpp"

namespace assent::wal {
namespace {

constexpr std::size_t kOwnerBytesMax = 512;

std::string who_am_i() {
  char host[256] = "";
  if (::gethostname(host, sizeof host - 1) != 0) host[0] = '\0';
  return "pid " + std::to_string(::getpid()) + " on " + host;
}

}  // namespace

Result<std::unique_ptr<HeldDirectory>> hold_directory(Disk& disk, const std::string& directory) {
  std::unique_ptr<HeldDirectory> held;
  const Errno failed = disk.hold(directory, held);
  if (failed == 0) return held;
  Error error = io_error("read the log's directory", directory, failed);
  if (failed == ENOENT) error.code = Errc::not_found;
  if (failed == ENOTDIR) error.code = Errc::invalid_argument;
  return error;
}

Status take_ownership(Owned& owned, const std::string& directory, bool make) {
  HeldDirectory& held = *owned.directory;
  const auto refused = [&] {
    return Error{Errc::log_locked, "the decision log in " + directory + " belongs to " + owner_of(held, directory) +
                                       ", which is running; stop it first"};
  };
  if (!owned.directory_locked) {
    const Errno failed = held.lock_directory();
    if (failed == EWOULDBLOCK) return refused();
    if (failed != 0 && failed != ENOTSUP) return io_error("lock", directory, failed);
    owned.directory_locked = failed == 0;
  }
  if (owned.lock) return Ok{};
  const std::string path = path_in(directory, kLockName);
  std::unique_ptr<File> there;
  if (!make && held.open(path, OpenMode::read, there) == ENOENT) return Ok{};
  there.reset();
  const Errno failed = held.lock(path, owned.lock);
  if (failed == EWOULDBLOCK) return refused();
  return failed == 0 ? Status(Ok{}) : io_error("lock", path, failed);
}

Status check_ownership(const Owned& owned, const std::string& directory) {
  Errno failed = owned.directory->check_path();
  if (failed == kAnotherDirectory) {
    return Error{Errc::io, directory +
                               " is another directory by now, or none, than the one that this process took for "
                               "its log: moved, or mounted over"};
  }
  if (failed == 0) failed = owned.directory->check_name(kLockName, *owned.lock);
  if (failed == kAnotherDirectory) {
    return Error{Errc::io, path_in(directory, kLockName) + " was deleted or replaced while the log was in use"};
  }
  return failed == 0 ? Status(Ok{}) : io_error("look at", path_in(directory, kLockName), failed);
}

std::uint64_t place_of(const Owned& owned) {
  FileIdentity identity;
  std::string boot;
  if (!owned.directory_locked || owned.directory->identity(identity) != 0) return 0;
  if (!std::getline(std::ifstream("/proc/sys/kernel/random/boot_id"), boot) || boot.empty()) return 0;
  const auto place = checksum(boot, identity.device, identity.number, 0);
  return place == 0 ? 1 : place;
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
