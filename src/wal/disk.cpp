#include "wal/disk.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <utility>

#include "base/clock.hpp"

namespace assent::wal {
namespace {

/// Somebody who looks whether a file is locked, in a version before this one, holds a shared lock for a moment.
constexpr std::chrono::milliseconds kLookersGoneAfter{250};

/// A system call again when a signal cut it short. fsync and close are never repeated.
template <typename Call>
auto uninterrupted(Call call) {
  auto result = call();
  while (result < 0 && errno == EINTR) result = call();
  return result;
}

Errno errno_of(int result) {
  return result == 0 ? 0 : errno;
}

class PosixFile : public File {
 public:
  explicit PosixFile(int fd) : fd_(fd) {}
  ~PosixFile() override { ::close(fd_); }
  PosixFile(const PosixFile&) = delete;
  PosixFile& operator=(const PosixFile&) = delete;
  int fd() const { return fd_; }

  Errno write_at(std::uint64_t offset, std::string_view bytes) override {
    while (!bytes.empty()) {
      const auto written =
          uninterrupted([&] { return ::pwrite(fd_, bytes.data(), bytes.size(), static_cast<off_t>(offset)); });
      if (written < 0) return errno;
      if (written == 0) return EIO;
      bytes.remove_prefix(static_cast<std::size_t>(written));
      offset += static_cast<std::uint64_t>(written);
    }
    return 0;
  }

  Errno read_at(std::uint64_t offset, std::size_t bytes_max, std::string& out) override {
    out.resize(bytes_max);
    std::size_t have = 0;
    while (have < bytes_max) {
      const auto got = uninterrupted(
          [&] { return ::pread(fd_, out.data() + have, bytes_max - have, static_cast<off_t>(offset + have)); });
      if (got < 0) return errno;
      if (got == 0) break;
      have += static_cast<std::size_t>(got);
    }
    out.resize(have);
    return 0;
  }

  Errno sync() override { return errno_of(::fdatasync(fd_)); }

  Errno set_bytes(std::uint64_t bytes) override {
    return errno_of(uninterrupted([&] { return ::ftruncate(fd_, static_cast<off_t>(bytes)); }));
  }

  Errno info(FileInfo& out) override {
    // Not its times: once a time was looked at, the next write has to put down a new one, and the next sync that as
    // well (Linux 6.13; half as long again as without).
    struct statx seen {};
    if (::statx(fd_, "", AT_EMPTY_PATH, STATX_SIZE | STATX_NLINK, &seen) == 0) {
      out.bytes = seen.stx_size;
      out.links = seen.stx_nlink;
      return 0;
    }
    // Unknown to an old kernel, and forbidden in old containers.
    if (errno != ENOSYS && errno != EPERM) return errno;
    struct stat plain {};
    if (::fstat(fd_, &plain) != 0) return errno;
    out.bytes = static_cast<std::uint64_t>(plain.st_size);
    out.links = static_cast<std::uint64_t>(plain.st_nlink);
    return 0;
  }

 private:
  int fd_;
};

/// Which file it is, and nothing of its times (see PosixFile::info).
Errno identity_of(int directory, const char* name, int flags, FileIdentity& out) {
  struct statx seen {};
  if (::statx(directory, name, flags, STATX_INO, &seen) == 0) {
    out = {(std::uint64_t{seen.stx_dev_major} << 32) | seen.stx_dev_minor, seen.stx_ino};
    return 0;
  }
  if (errno != ENOSYS && errno != EPERM) return errno;
  struct stat plain {};
  if (::fstatat(directory, name, &plain, flags) != 0) return errno;
  out = {plain.st_dev, plain.st_ino};
  return 0;
}

/// Opens a regular file, and waits for nobody: a pipe has no other end, and a device may have none either.
Errno open_regular(int directory, const std::string& path, int flags, int& out) {
  const int fd =
      uninterrupted([&] { return ::openat(directory, path.c_str(), flags | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0600); });
  // A directory that was to be written, a pipe without a reader, a socket.
  if (fd < 0) return errno == EISDIR || errno == ENXIO ? kNoRegularFile : errno;
  struct stat seen {};
  const Errno failed = errno_of(::fstat(fd, &seen));
  if (failed == 0 && S_ISREG(seen.st_mode)) {
    out = fd;
    return 0;
  }
  ::close(fd);
  return failed != 0 ? failed : kNoRegularFile;
}

/// A lock of this open file on the whole file, which another process can look at without taking one.
struct ::flock whole_file(int type) {
  struct ::flock lock {};
  lock.l_type = static_cast<short>(type);
  lock.l_whence = SEEK_SET;
  return lock;
}

/// flock() is what versions before this one take, and the other kind what can be looked at without taking it. The
/// latter comes first: whoever looks sees it then, and takes no shared lock, so that the wait below has an end.
Errno lock_file(int fd) {
  auto lock = whole_file(F_WRLCK);
  if (uninterrupted([&] { return ::fcntl(fd, F_OFD_SETLK, &lock); }) != 0 && (errno == EAGAIN || errno == EACCES)) {
    return EWOULDBLOCK;
  }
  const auto until = base::SteadyClock::now() + kLookersGoneAfter;
  for (;;) {
    if (uninterrupted([&] { return ::flock(fd, LOCK_EX | LOCK_NB); }) == 0) return 0;
    if (errno != EWOULDBLOCK || base::SteadyClock::now() >= until) return errno;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

class PosixDisk : public Disk {
 public:
  Errno open(const std::string& path, OpenMode mode, std::unique_ptr<File>& out) override {
    return open_in(AT_FDCWD, path, mode, out);
  }

  Errno lock(const std::string& path, std::unique_ptr<File>& out) override { return lock_in(AT_FDCWD, path, out); }

  bool is_locked(const std::string& path) override {
    const int fd = uninterrupted([&] { return ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK); });
    if (fd < 0) return false;
    const PosixFile closes(fd);
    auto lock = whole_file(F_RDLCK);
    if (::fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK) return true;
    // An owner of a version that took only this one. One of this version waits for this moment to pass.
    return ::flock(fd, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
  }

  Errno rename(const std::string& from, const std::string& to) override {
    return errno_of(::rename(from.c_str(), to.c_str()));
  }
  Errno remove(const std::string& path) override { return errno_of(std::remove(path.c_str())); }
  Errno make_directory(const std::string& path) override { return errno_of(::mkdir(path.c_str(), 0700)); }
  Errno give_to_owner_of(const std::string& of, const std::string& to) override {
    struct stat seen {};
    if (::geteuid() != 0) return 0;
    if (::stat(of.c_str(), &seen) != 0) return errno;
    return errno_of(::lchown(to.c_str(), seen.st_uid, seen.st_gid));
  }

  Errno real_path(const std::string& path, std::string& out) override {
    char* real = ::realpath(path.c_str(), nullptr);
    if (real == nullptr) return errno;
    out = real;
    std::free(real);
    return 0;
  }

  Errno hold(const std::string& directory, std::unique_ptr<HeldDirectory>& out) override;

  Errno sync_directory(const std::string& path) override {
    const int fd = uninterrupted([&] { return ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); });
    if (fd < 0) return errno;
    const PosixFile closes(fd);
    return errno_of(::fsync(fd));
  }

  Errno list(const std::string& path, std::vector<std::string>& out) override {
    const int fd = uninterrupted([&] { return ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); });
    return fd < 0 ? errno : list_of(fd, out);
  }

  static Errno open_in(int directory, const std::string& path, OpenMode mode, std::unique_ptr<File>& out) {
    int flags = O_RDONLY;
    if (mode == OpenMode::read_write) flags = O_RDWR;
    if (mode == OpenMode::create) flags = O_RDWR | O_CREAT | O_TRUNC;
    int fd = -1;
    if (const Errno failed = open_regular(directory, path, flags, fd)) return failed;
    out = std::make_unique<PosixFile>(fd);
    return 0;
  }

  static Errno lock_in(int directory, const std::string& path, std::unique_ptr<File>& out) {
    int fd = -1;
    if (const Errno failed = open_regular(directory, path, O_RDWR | O_CREAT, fd)) return failed;
    auto file = std::make_unique<PosixFile>(fd);
    if (const Errno failed = lock_file(fd)) return failed;
    out = std::move(file);
    return 0;
  }

  /// Closes it.
  static Errno list_of(int fd, std::vector<std::string>& out) {
    DIR* directory = ::fdopendir(fd);
    if (directory == nullptr) {
      const Errno failed = errno;
      ::close(fd);
      return failed;
    }
    out.clear();
    errno = 0;
    while (const dirent* entry = ::readdir(directory)) {
      const std::string_view name = entry->d_name;
      if (name != "." && name != "..") out.emplace_back(name);
      errno = 0;
    }
    const Errno failed = errno;
    ::closedir(directory);
    return failed;
  }
};

class PosixHeld final : public HeldDirectory {
 public:
  PosixHeld(std::string path, int fd) : path_(std::move(path)), directory_(fd) {}

  Errno open(const std::string& path, OpenMode mode, std::unique_ptr<File>& out) override {
    const auto at = place_of(path);
    const Errno failed = PosixDisk::open_in(at.directory, at.name, mode, out);
    return failed == 0 && mode == OpenMode::create && at.is_inside() ? give_to_owner(out) : failed;
  }
  Errno lock(const std::string& path, std::unique_ptr<File>& out) override {
    const auto at = place_of(path);
    const Errno failed = PosixDisk::lock_in(at.directory, at.name, out);
    return failed == 0 && at.is_inside() ? give_to_owner(out) : failed;
  }
  bool is_locked(const std::string& path) override { return disk_.is_locked(path); }
  Errno rename(const std::string& from, const std::string& to) override {
    const auto a = place_of(from), b = place_of(to);
    return errno_of(::renameat(a.directory, a.name.c_str(), b.directory, b.name.c_str()));
  }
  Errno remove(const std::string& path) override {
    const auto at = place_of(path);
    if (::unlinkat(at.directory, at.name.c_str(), 0) == 0) return 0;
    return errno == EISDIR || errno == EPERM ? errno_of(::unlinkat(at.directory, at.name.c_str(), AT_REMOVEDIR))
                                             : errno;
  }
  Errno make_directory(const std::string& path) override {
    const auto at = place_of(path);
    return errno_of(::mkdirat(at.directory, at.name.c_str(), 0700));
  }
  Errno give_to_owner_of(const std::string& of, const std::string& to) override {
    return disk_.give_to_owner_of(of, to);
  }
  Errno real_path(const std::string& path, std::string& out) override { return disk_.real_path(path, out); }
  Errno hold(const std::string& directory, std::unique_ptr<HeldDirectory>& out) override {
    return disk_.hold(directory, out);
  }
  Errno sync_directory(const std::string& path) override {
    return path == path_ ? errno_of(::fsync(directory_.fd())) : disk_.sync_directory(path);
  }
  Errno list(const std::string& path, std::vector<std::string>& out) override {
    if (path != path_) return disk_.list(path, out);
    const int fd = uninterrupted([&] { return ::openat(directory_.fd(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC); });
    return fd < 0 ? errno : PosixDisk::list_of(fd, out);
  }

  Errno lock_directory() override {
    if (uninterrupted([&] { return ::flock(directory_.fd(), LOCK_EX | LOCK_NB); }) == 0) return 0;
    return errno == EWOULDBLOCK ? EWOULDBLOCK : ENOTSUP;
  }
  Errno check_path() override {
    FileIdentity there, here;
    if (const Errno failed = identity_of(AT_FDCWD, path_.c_str(), 0, there)) {
      return failed == ENOENT || failed == ENOTDIR ? kAnotherDirectory : failed;
    }
    if (const Errno failed = identity(here)) return failed;
    return there == here ? 0 : kAnotherDirectory;
  }
  Errno check_name(std::string_view name, File& file) override {
    FileIdentity there, here;
    if (const Errno failed = identity_of(directory_.fd(), std::string(name).c_str(), 0, there)) {
      return failed == ENOENT ? kAnotherDirectory : failed;
    }
    if (const Errno failed = identity_of(static_cast<PosixFile&>(file).fd(), "", AT_EMPTY_PATH, here)) return failed;
    return there == here ? 0 : kAnotherDirectory;
  }
  Errno identity(FileIdentity& out) override { return identity_of(directory_.fd(), "", AT_EMPTY_PATH, out); }

 private:
  struct At {
    int directory;
    std::string name;
    bool is_inside() const { return directory != AT_FDCWD; }
  };
  At place_of(const std::string& path) const {
    const bool inside = path.size() > path_.size() + 1 && path.starts_with(path_) && path[path_.size()] == '/';
    if (!inside) return {AT_FDCWD, path};
    return {directory_.fd(), path.substr(path_.size() + 1)};
  }

  /// Root's own files would keep the coordinator's account from its log.
  Errno give_to_owner(std::unique_ptr<File>& file) {
    if (::geteuid() != 0) return 0;
    struct stat seen {};
    const bool has_checkpoint = ::fstatat(directory_.fd(), "CHECKPOINT", &seen, 0) == 0 && S_ISREG(seen.st_mode);
    if (!has_checkpoint && ::fstat(directory_.fd(), &seen) != 0) return errno;
    const Errno failed = errno_of(::fchown(static_cast<PosixFile&>(*file).fd(), seen.st_uid, seen.st_gid));
    if (failed != 0) file.reset();
    return failed;
  }

  const std::string path_;
  PosixFile directory_;
  PosixDisk disk_;
};

Errno PosixDisk::hold(const std::string& directory, std::unique_ptr<HeldDirectory>& out) {
  const int fd = uninterrupted([&] { return ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); });
  if (fd < 0) return errno;
  out = std::make_unique<PosixHeld>(directory, fd);
  return 0;
}

}  // namespace

Disk& posix_disk() {
  static PosixDisk disk;
  return disk;
}

}  // namespace assent::wal
